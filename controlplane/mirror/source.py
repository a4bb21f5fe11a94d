"""The interface of one mirrored resource, which `agents/sync.py` and `numbers/sync.py` implement."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from django.db.models import QuerySet

from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import ElevenLabs, Page
from controlplane.mirror.models import RemoteObject

if TYPE_CHECKING:
    from controlplane.mirror.writer import MirrorWriter

# (remote id, what it shows now, what stood here before) -> the operation whose late work the change is, if it is one.
# To be asked in the transaction of the change: it may tell the operation so.
Explain = Callable[..., Cause | None]


@dataclass(frozen=True)
class Observation:
    """One object as the remote showed it. `asked_at` is just before: what was decided here since is newer."""

    remote_id: str
    data: dict[str, Any]  # its line in the listing, or for a kind with details, what GET answered
    asked_at: datetime
    listed: dict[str, Any] | None = None  # its line in the listing; None where it was looked up by id


@dataclass(frozen=True)
class Diff:
    """Remote ids: what a line of the list tells whole, and what has to be read by its id."""

    as_listed: set[str]
    to_be_read: set[str]


class ResourceSource(ABC):
    model: ClassVar[type[RemoteObject]]
    what: ClassVar[str]  # "agents"
    id_field: ClassVar[str]  # where a listed row has its id

    @property
    def object_type(self) -> str:
        return self.model.object_type

    @abstractmethod
    def begin(self, full: bool) -> None:
        """Its list is about to be read; `full` asks for each object's details, whether or not its line changed."""

    # --- what is there ---------------------------------------------------------------------------------------------

    @abstractmethod
    def listings(self, client: ElevenLabs) -> Sequence[Iterator[Page]]:
        """Lists that together show every object, each to its end or an `ElevenLabsError`."""

    @abstractmethod
    def differing(self, rows: Mapping[str, dict[str, Any]]) -> Diff:
        """Of these listed rows, by id: those that do not stand here just so. Ill-shaped ones differ."""

    @abstractmethod
    def details(self, client: ElevenLabs, remote_id: str) -> dict[str, Any]:
        """GET one. Raises NotFound."""

    def details_were_read(  # noqa: B027 - most kinds need nothing
        self, remote_ids: Sequence[str], asked_at: datetime
    ) -> None:
        """The listed ones of these were read by their id, none before this moment. New rows say so in `values`."""

    def prepare(self, seen: Sequence[Observation], writer: MirrorWriter) -> None:  # noqa: B027
        """Before some are stored by this keeper, outside any transaction: read what else they need."""

    # --- what stands here ------------------------------------------------------------------------------------------

    @abstractmethod
    def values(self, row: RemoteObject, seen: Observation) -> dict[str, Any]:
        """The model's fields for one object. Raises BadShape for what cannot be read or kept."""

    def rows(self) -> QuerySet[Any]:
        """With what their `told` needs, so that a batch does not ask row by row."""
        return self.model._default_manager.all()

    def gone_values(self) -> dict[str, Any]:
        """What else a tombstone loses."""
        return {}

    @abstractmethod
    def listable(self) -> QuerySet[Any]:
        """The rows that a listing should show: not gone, not on their way."""

    def known_as_of(self, row: RemoteObject, complete: datetime | None) -> datetime | None:
        """When it was last seen as it stands here; `complete` is when the newest complete run began."""
        return complete

    # --- what was asked for here -----------------------------------------------------------------------------------

    @abstractmethod
    def touched_since(self, moment: datetime) -> set[str]:
        """Remote ids with an operation open, or decided since then: what was read may be older than they are."""

    @abstractmethod
    def last_writes(self, remote_ids: Iterable[str]) -> dict[str, datetime]:
        """When the newest operation on each of these ended, where there was one."""

    @abstractmethod
    def explain(self) -> Explain:
        """A look at the operations whose effect may show only now."""
