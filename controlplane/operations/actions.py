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
    """A precheck failed, so nothing was sent.

    `observed` is the object as the remote shows it, `field` the form field that the message is about.
    """

    def __init__(self, message: str, *, observed: Mapping[str, Any] | None = None, field: str = "") -> None:
        super().__init__(message)
        self.observed = None if observed is None else dict(observed)
        self.field = field


class NothingToDo(Exception):
    """The remote already has the requested state, so nothing was sent. `observed` is the object as it shows it."""

    def __init__(self, message: str, *, observed: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.observed = None if observed is None else dict(observed)


@dataclass(frozen=True)
class Reply:
    """The response to the write: the object's id, and the object itself if the response contains it."""

    object_id: str = ""
    observed: dict[str, Any] | None = None


@dataclass(frozen=True)
class Verdict:
    """The result of a write. `message` says what happened; for `DONE` it is appended to `Action.success_message`."""

    state: State
    message: str = ""
    not_kept: list[str] = field(default_factory=list)
    error_fields: list[str] = field(default_factory=list)  # the fields to correct, the most specific name first


class Action:
    """One kind of write. Subclasses are stateless; an operation is passed to each method."""

    name: ClassVar[str]
    object_type: ClassVar[str]
    patience: ClassVar[int | None] = None  # seconds before "not applied" is believed; None: settings.SETTLE_AFTER
    removes: ClassVar[bool] = False  # a 404 counts as success, and there is nothing to read afterwards

    def resource(self, object_id: str, wanted: Mapping[str, Any]) -> str:
        """The key of the lock that the operation holds while it is open."""
        return f"{self.object_type}:{object_id}"

    def title(self, op: Operation) -> str:
        """The request as a sentence without a full stop: "Move +1 … from A to B"."""
        raise NotImplementedError

    def success_message(self, op: Operation) -> str:
        """The same in the past tense, with a full stop and what it means for callers. `op.not_kept` is already set."""
        raise NotImplementedError

    def precheck(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        """Read the remote and return its current values. Raises PreconditionFailed or NothingToDo."""
        raise NotImplementedError

    def send(self, client: ElevenLabs, op: Operation, secrets: Secrets) -> Reply:
        """Make the one request that writes."""
        raise NotImplementedError

    def explain_refusal(self, op: Operation, error: ElevenLabsError) -> PreconditionFailed | None:
        """A message of the action's own for an error that the remote answered to `send`, with the form field.

        None: the error's own message is used.
        """
        return None

    def read_back(self, client: ElevenLabs, op: Operation) -> dict[str, Any] | None:
        """Read the object from the remote; None if it does not exist."""
        raise NotImplementedError

    def reconcile(self, op: Operation, observed: dict[str, Any] | None) -> Verdict:
        """Decide whether `observed` has the requested values, the earlier ones or others.

        Uses nothing but `op` and `observed`.
        """
        raise NotImplementedError

    def matches(self, op: Operation, object_id: str, observed: dict[str, Any] | None) -> bool:
        """Whether this object, found by a sync, shows the effect of `op`."""
        return op.object_id == object_id and self.reconcile(op, observed).state == State.DONE

    def summarize(self, op: Operation, observed: dict[str, Any]) -> dict[str, Any]:
        """The few values of an object that the action is about, for `before`, `observed` and the history."""
        raise NotImplementedError

    def created_id(self, observed: dict[str, Any]) -> str:
        """The id of the created object, for an action that may read it back without knowing the id.

        "" if it is not known which object that is.
        """
        return ""

    def store(self, op: Operation, observed: dict[str, Any] | None, cause: Cause) -> None:
        """Update the mirrored row to `observed`, in the transaction that stores the verdict.

        None for an operation that is done means that the object is as requested.
        """
        raise NotImplementedError


_actions: dict[str, Action] = {}


def register(action: type[Action]) -> type[Action]:
    """Class decorator. Makes an action available by the name that `Operation.kind` stores."""
    _actions[action.name] = action()
    return action


def action_for(name: str) -> Action:
    return _actions[name]


def all_actions() -> dict[str, Action]:
    return dict(_actions)


def fingerprint(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
