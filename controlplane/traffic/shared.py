"""Combines the limiter and the circuit breaker for the client."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from django.conf import settings
from django.db import Error

from controlplane.elevenlabs import NotSent, RecordResult
from controlplane.traffic import circuit
from controlplane.traffic.limiter import ConcurrencyLimiter
from controlplane.traffic.locks import locks
from controlplane.traffic.models import Remote

log = logging.getLogger(__name__)


class SharedTraffic:
    def __init__(self, base_url: str, key: str) -> None:
        self._remote = Remote.of(base_url, key)

    @contextmanager
    def turn(self, method: str, *, urgent: bool, seconds: float) -> Iterator[RecordResult]:
        gate = ConcurrencyLimiter(locks(), self._remote.key_mark, settings.ELEVENLABS_MAX_CONCURRENCY)
        with ExitStack() as stack:
            try:
                release = gate.at_once(urgent=urgent, unless_found=circuit.current_outage(self._remote))
                if release is not None:
                    stack.callback(release)
                    permit = circuit.Permit(method)
                else:
                    permit = self._admit(stack, gate, method, urgent, seconds)
            except (Error, OSError) as problem:
                log.warning("Nothing was sent: %s", problem)
                raise NotSent(
                    "What is under way to ElevenLabs could not be looked up here, so nothing was sent."
                ) from None
            yield partial(circuit.record_result, self._remote, permit)

    def _admit(
        self, stack: ExitStack, gate: ConcurrencyLimiter, method: str, urgent: bool, seconds: float
    ) -> circuit.Permit:
        """The slow path, if there was a 429 or a refused key, or no slot is free."""
        permit = circuit.check(self._remote, method, urgent=urgent)
        waited = stack.enter_context(gate.slot(urgent=urgent, seconds=seconds))
        if waited and not permit.probes:  # other responses may have arrived in the meantime
            return circuit.check(self._remote, method, urgent=urgent)
        return permit
