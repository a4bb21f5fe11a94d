"""What the mirror has to know about writes. The mirror is below the operations, which provide it at startup."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from controlplane.audit.ledger import Cause
from controlplane.mirror.readings import Reading

# (remote id, current JSON or None, mirrored JSON or None) -> cause of the change if an operation made it, else None.
# Has to be called in the transaction that stores the change, because it may update the operation.
Explain = Callable[..., Cause | None]


class WriteLog(Protocol):
    def touched_since(self, object_type: str, moment: datetime) -> set[str]:
        """Remote ids with an operation that is open or has ended since `moment`, so that a reading may be outdated."""

    def last_ended(self, object_type: str, remote_ids: Iterable[str]) -> dict[str, datetime]:
        """{remote id: when its newest operation ended}, without ids that have none."""

    def last_done(self, object_type: str, remote_id: str, since: datetime) -> datetime | None:
        """When the newest successful operation on an object ended, if that was after `since`."""

    def is_outdated(self, object_type: str, remote_id: str, reading: Reading) -> bool:
        """Whether another operation on this object is open or has ended since the reading.

        The object's row has to be locked, so that an operation that ends later waits for it. A creation locks the
        object's name instead of its id, and a poll locks nothing, so both may store an outdated reading.
        """

    def unread_creation(self, object_type: str, remote_id: str) -> Cause | None:
        """The cause, if an operation created this object but could not read it, so that only its name is known."""

    def late_effects(self, object_type: str) -> Explain:
        """The operations that may turn out to be the cause of a change, as a function. They are queried once."""


_provided: list[WriteLog] = []


def provide(log: WriteLog) -> None:
    _provided[:] = [log]


def writes() -> WriteLog:
    return _provided[0]
