"""The traffic of all processes to one remote: what `controlplane.elevenlabs` asks before it sends."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from django.conf import settings
from django.db import Error

from controlplane.elevenlabs import NotSent, Told
from controlplane.traffic import circuit
from controlplane.traffic.gate import Gate
from controlplane.traffic.locks import locks
from controlplane.traffic.models import Remote

log = logging.getLogger(__name__)


class SharedTraffic:
    def __init__(self, base_url: str, key: str) -> None:
        self._remote = Remote.of(base_url, key)

    @contextmanager
    def turn(self, method: str, *, urgent: bool, seconds: float) -> Iterator[Told]:
        gate = Gate(locks(), self._remote.key_mark, settings.ELEVENLABS_MAX_CONCURRENCY)
        with ExitStack() as held:
            try:
                release = gate.at_once(urgent=urgent, unless_found=circuit.trouble(self._remote))
                if release is not None:
                    held.callback(release)
                    admitted = circuit.Pass(method)
                else:
                    admitted = self._admit(held, gate, method, urgent, seconds)
            except (Error, OSError) as problem:
                log.warning("Nothing was sent: %s", problem)
                raise NotSent(
                    "What is under way to ElevenLabs could not be looked up here, so nothing was sent."
                ) from None
            yield partial(circuit.learn, self._remote, admitted)

    def _admit(self, held: ExitStack, gate: Gate, method: str, urgent: bool, seconds: float) -> circuit.Pass:
        """Where there is trouble, or others are under way."""
        admitted = circuit.admit(self._remote, method, urgent=urgent)
        waited = held.enter_context(gate.slot(urgent=urgent, seconds=seconds))
        if waited and not admitted.probes:  # much may have been answered meanwhile
            return circuit.admit(self._remote, method, urgent=urgent)
        return admitted
