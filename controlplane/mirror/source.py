"""The interface of one mirrored resource, which `agents/sync.py` and `numbers/sync.py` implement."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.db.models import QuerySet

from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import ElevenLabs, Page
from controlplane.mirror.models import RemoteObject


@dataclass(frozen=True)
class Observation:
    """One object as the remote showed it. `asked_at` is just before the request: operations ended since are newer."""

    remote_id: str
    data: dict[str, Any]  # the response to GET for a resource with details, otherwise the listed row
    asked_at: datetime
    listed: dict[str, Any] | None = None  # the listed row; None if the object was read by id


@dataclass(frozen=True)
class Diff:
    """Remote ids that differ from the mirror: those stored from the listing, and those that have to be read by id."""

    as_listed: set[str]
    need_details: set[str]


@dataclass(frozen=True)
class Reference:
    """An object that another one names."""

    source: ResourceSource
    remote_id: str
    name: str


class ResourceSource(ABC):
    model: ClassVar[type[RemoteObject]]
    what: ClassVar[str]  # "agents"
    id_field: ClassVar[str]  # the key of the id in a listed row

    @property
    def object_type(self) -> str:
        return self.model.object_type

    @abstractmethod
    def begin(self, full: bool) -> None:
        """Called before the listing. `full` requests the details of every object, whether or not its row changed."""

    # --- the remote ------------------------------------------------------------------------------------------------

    @abstractmethod
    def listings(self, client: ElevenLabs) -> Sequence[Iterator[Page]]:
        """Iterators over pages of the lists that together show every object. They may raise ElevenLabsError."""

    @abstractmethod
    def diff(self, rows: Mapping[str, dict[str, Any]]) -> Diff:
        """Which of the listed rows ({id: row}) differ from the mirror. Invalid rows count as differing."""

    @abstractmethod
    def details(self, client: ElevenLabs, remote_id: str) -> dict[str, Any]:
        """GET one object. Raises NotFound."""

    def record_details_read(  # noqa: B027 - optional
        self, remote_ids: Sequence[str], asked_at: datetime
    ) -> None:
        """Record that these existing rows were read by id, none of them before `asked_at`. `values` does so for new
        rows."""

    def references(self, seen: Sequence[Observation]) -> Sequence[Reference]:
        """Objects of other sources that these name and that are not mirrored. Called before these are stored."""
        return []

    # --- the mirror ------------------------------------------------------------------------------------------------

    @abstractmethod
    def values(self, row: RemoteObject, seen: Observation) -> dict[str, Any]:
        """{field: value} of the model for one object. Raises BadShape for data that is invalid or cannot be stored."""

    def rows(self) -> QuerySet[Any]:
        """All rows, with the relations that `audit_snapshot` needs, so that a batch does not query row by row."""
        return self.model._default_manager.all()

    def store_deleted(self, remote_id: str, name: str, cause: Cause) -> None:
        """Store an object that answers 404 and that another one still names."""
        raise NotImplementedError

    def gone_values(self) -> dict[str, Any]:
        """{field: value} to set, besides `gone_at`, on a row that is marked as deleted."""
        return {}

    @abstractmethod
    def listable(self) -> QuerySet[Any]:
        """The rows that a listing should show: neither deleted nor still being imported."""

    def known_as_of(self, row: RemoteObject, complete: datetime | None) -> datetime | None:
        """When the object was last known to be as mirrored; `complete` is when the newest complete run started."""
        return complete
