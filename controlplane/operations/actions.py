"""The base class of actions, their registry and what an attempt to carry one out can result in.

An action is one write: a frozen dataclass whose fields are the request. `execute` carries it out, whoever requests it:
a page, the API, a change set, an undo or a command.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from typing import Any, ClassVar, Self, TypeVar

from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import ElevenLabs, ElevenLabsError, Remote
from controlplane.mirror.readings import Reading
from controlplane.operations.models import Operation, State

Secrets = Mapping[str, str]


class PreconditionFailed(Exception):
    """A precheck failed, so nothing was sent.

    `observed` is the object as the remote shows it, `field` the form field that the message is about.
    """

    def __init__(self, message: str, *, observed: Remote | None = None, field: str = "") -> None:
        super().__init__(message)
        self.observed = observed
        self.field = field


class NothingToDo(Exception):
    """The remote already has the requested state, so nothing was sent. `observed` is the object as it shows it."""

    def __init__(self, message: str, *, observed: Remote | None = None) -> None:
        super().__init__(message)
        self.observed = observed


@dataclass(frozen=True)
class Attempt:
    """What is known about one attempt, besides the request itself.

    `before` has the values that the action is about, as the precheck read them, `found` the whole object. `found` is
    None if there was none, or if another process made the attempt.
    """

    before: Mapping[str, Any]
    found: Remote | None = None
    http_status: int | None = None
    is_reply: bool = False  # what is reconciled is the reply to the write itself


@dataclass(frozen=True)
class Reply:
    """The response to the write: the object's id, and the object itself if the response contains it."""

    object_id: str = ""
    observed: Remote | None = None


@dataclass(frozen=True)
class Verdict:
    """The result of a write. `message` says what happened; for `DONE` it is appended to `Action.success_message`."""

    state: State
    message: str = ""
    is_final: bool = False  # "not applied" is certain at once: the reply to the write shows why
    not_kept: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)  # parts of the request that the remote does not know
    error_fields: list[str] = field(default_factory=list)  # the fields to correct, the most specific name first


@dataclass(frozen=True, kw_only=True)
class Action:
    """One kind of write. The fields of a subclass are stored as `Operation.params`, so they are plain JSON values and
    never a secret. A field with a default is stored only if it has another value; one with the metadata `param` is
    stored under that name.
    """

    name: ClassVar[str]  # stored as `Operation.kind`
    verbose_name: ClassVar[str]  # in lists and filters: "edit label of number"
    object_type: ClassVar[str]
    remote: ClassVar[type[Remote]]  # how the remote's object is parsed; a method may rely on it
    permission: ClassVar[str]
    patience: ClassVar[int | None] = None  # seconds before "not applied" is believed; None: settings.SETTLE_AFTER
    do_not_call_in_templates: ClassVar[bool] = True  # where an action stands for itself, not for a request
    removes: ClassVar[bool] = False  # a 404 counts as success, and there is nothing to read afterwards

    object_id: str = ""  # "" until the remote has assigned one
    display_names: Mapping[str, str] = field(default_factory=dict)  # of the objects involved, as the page showed them

    @classmethod
    def from_operation(cls, op: Operation) -> Self:
        """Old rows may lack a field that has been added since: it gets its default, or None."""
        own = [one for one in fields(cls) if one.name not in ("object_id", "display_names")]
        params = {one.name: op.params.get(_param(one), _default(one)) for one in own}
        return cls(**{"object_id": op.object_id, "display_names": op.display_names, **params})

    def with_id(self, object_id: str) -> Self:
        return self if object_id == self.object_id else replace(self, object_id=object_id)

    @property
    def params(self) -> dict[str, Any]:
        own = [one for one in fields(self) if one.name not in ("object_id", "display_names")]
        values = {one: getattr(self, one.name) for one in own}
        return {_param(one): value for one, value in values.items() if _is_required(one) or value != _default(one)}

    @property
    def resource(self) -> str:
        """The key of the lock that the operation holds while it is open."""
        return f"{self.object_type}:{self.object_id}"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, self.resource, self.params)

    @classmethod
    def parsed(cls, raw: dict[str, Any] | None) -> Remote | None:
        return None if raw is None else cls.remote.parse(raw)

    @property
    def object_name(self) -> str:
        return self.display_names["object"]

    def title(self) -> str:
        """The request as a sentence without a full stop: "Move +1 … from A to B"."""
        raise NotImplementedError

    def success_message(self, attempt: Attempt, without: list[str]) -> str:
        """The same in the past tense, with a full stop and what it means for callers. `without`: the parts of the
        request that did not take effect."""
        raise NotImplementedError

    def precheck(self, client: ElevenLabs) -> Attempt:
        """Read the remote. Raises PreconditionFailed or NothingToDo."""
        raise NotImplementedError

    def send(self, client: ElevenLabs, attempt: Attempt, secrets: Secrets) -> Reply:
        """Make the one request that writes."""
        raise NotImplementedError

    def explain_refusal(self, error: ElevenLabsError) -> PreconditionFailed | None:
        """A message of the action's own for an error that the remote answered to `send`, with the form field.

        None: the error's own message is used.
        """
        return None

    def read_back(self, client: ElevenLabs, attempt: Attempt) -> Remote | None:
        """Read the object from the remote; None if it does not exist."""
        raise NotImplementedError

    def reconcile(self, attempt: Attempt, observed: Any) -> Verdict:
        """Decide whether `observed` has the requested values, the earlier ones or others. Reads nothing else."""
        raise NotImplementedError

    def matches(self, attempt: Attempt, object_id: str, observed: Any) -> bool:
        """Whether this object, found by a sync, shows the effect of the action."""
        return self.object_id == object_id and self.reconcile(attempt, observed).state == State.DONE

    def summarize(self, observed: Any) -> dict[str, Any]:
        """The few values of an object that the action is about, for `before`, `observed` and the history."""
        raise NotImplementedError

    def created_id(self, observed: Any) -> str:
        """The id of the created object, for an action that may read it back without knowing the id.

        "" if it is not known which object that is.
        """
        return ""

    def is_mirrored(self, found: Any) -> bool:
        """Whether the mirrored row has exactly these values already, so that storing them would change nothing."""
        return False

    def store(self, observed: Any, cause: Cause, reading: Reading, *, done: bool) -> None:
        """Update the mirrored row to `observed`, in the transaction that stores the verdict.

        None for an action that is `done` means that the object is as requested.
        """
        raise NotImplementedError


def _param(one: Field[Any]) -> str:
    return str(one.metadata.get("param", one.name))


def _is_required(one: Field[Any]) -> bool:
    return one.default is MISSING and one.default_factory is MISSING


def _default(one: Field[Any]) -> Any:
    if one.default_factory is not MISSING:
        return one.default_factory()
    return None if one.default is MISSING else one.default


_actions: dict[str, type[Action]] = {}
ActionClass = TypeVar("ActionClass", bound=type[Action])


def register(action: ActionClass) -> ActionClass:
    """Class decorator. Makes an action available by the name that `Operation.kind` stores."""
    _actions[action.name] = action
    return action


def unregister(action: type[Action]) -> None:
    del _actions[action.name]


def action_class(name: str) -> type[Action]:
    return _actions[name]


def action_of(op: Operation) -> Action:
    """The action that an operation carries out."""
    return action_class(op.kind).from_operation(op)


def attempt_of(op: Operation) -> Attempt:
    """What a stored operation knows about its attempt."""
    return Attempt(op.before or {}, http_status=op.http_status)


def all_actions() -> dict[str, type[Action]]:
    return dict(_actions)


def fingerprint(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
