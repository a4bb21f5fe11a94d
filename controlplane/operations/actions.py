"""The base class of actions and their registry."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import ElevenLabs, ElevenLabsError
from controlplane.operations.models import Operation, State

Secrets = Mapping[str, str]


class PreconditionFailed(Exception):
    """A check says no: nothing was sent. `seen` is the object as the remote shows it instead, `field` the form's."""

    def __init__(self, message: str, *, observed: Mapping[str, Any] | None = None, field: str = "") -> None:
        super().__init__(message)
        self.observed = None if observed is None else dict(observed)
        self.field = field


class NothingToDo(Exception):
    """The remote is as wanted already: nothing needs sending. `seen` is what it shows."""

    def __init__(self, message: str, *, observed: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.observed = None if observed is None else dict(observed)


@dataclass(frozen=True)
class Reply:
    """What the one call answered: the id it names, and the object if the answer holds it."""

    object_id: str = ""
    observed: dict[str, Any] | None = None


@dataclass(frozen=True)
class Verdict:
    """`message` says what happened; beside `DONE` it is what has to be added to `Kind.done`."""

    state: State
    message: str = ""
    not_kept: list[str] = field(default_factory=list)
    error_fields: list[str] = field(default_factory=list)  # of a refusal: what to correct, the most exact name first


class Action:
    """One kind of write. Subclasses are stateless; an operation is passed to each method."""

    name: ClassVar[str]
    object_type: ClassVar[str]
    patience: ClassVar[int | None] = None  # seconds before a "no" is believed; None: settings.SETTLE_AFTER
    removes: ClassVar[bool] = False  # a 404 fulfils the wish, and there is nothing to read afterwards

    def resource(self, object_id: str, wanted: Mapping[str, Any]) -> str:
        """What it locks."""
        return f"{self.object_type}:{object_id}"

    def title(self, op: Operation) -> str:
        """What is asked, as a sentence without its stop: "Move +1 … from A to B"."""
        raise NotImplementedError

    def success_message(self, op: Operation) -> str:
        """The same in the past tense, with its stop and what it means for callers. `op.not_kept` is known by then."""
        raise NotImplementedError

    def precheck(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        """Read the remote and return what stands there now. Raises `Stop` or `Already`."""
        raise NotImplementedError

    def send(self, client: ElevenLabs, op: Operation, secrets: Secrets) -> Reply:
        """The one remote call."""
        raise NotImplementedError

    def explain_refusal(self, op: Operation, error: ElevenLabsError) -> PreconditionFailed | None:
        """The remote's no to `send` in the kind's own words, with the form's field; None: as the error says it."""
        return None

    def read_back(self, client: ElevenLabs, op: Operation) -> dict[str, Any] | None:
        """Read back what the remote shows now; None if there is nothing."""
        raise NotImplementedError

    def reconcile(self, op: Operation, observed: dict[str, Any] | None) -> Verdict:
        """Wanted, before or a third thing? Decides from `op` and `seen` alone."""
        raise NotImplementedError

    def matches(self, op: Operation, object_id: str, observed: dict[str, Any] | None) -> bool:
        """Does this object, found by a sync, show the effect of `op`?"""
        return op.object_id == object_id and self.reconcile(op, observed).state == State.DONE

    def summarize(self, op: Operation, observed: dict[str, Any]) -> dict[str, Any]:
        """The few values of an object that this kind is about, for `before`, `seen` and the history."""
        raise NotImplementedError

    def created_id(self, observed: dict[str, Any]) -> str:
        """The id of what was made, for a kind that makes something and may read it back without knowing its id; "" if
        it is not known which that is."""
        return ""

    def store(self, op: Operation, observed: dict[str, Any] | None, cause: Cause) -> None:
        """Bring the mirror row to what was seen; None when done: as asked. In the verdict's transaction."""
        raise NotImplementedError


_actions: dict[str, Action] = {}


def register(kind: type[Action]) -> type[Action]:
    """Make a kind findable by the name that stands in the database."""
    _actions[kind.name] = kind()
    return kind


def action_for(name: str) -> Action:
    return _actions[name]


def all_actions() -> dict[str, Action]:
    return dict(_actions)


def fingerprint(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
