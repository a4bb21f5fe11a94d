"""When an object was read from the remote."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Reading:
    """`asked_at` is just before the request; `operation` is the primary key of the one that read, if any.

    `has_lock`: that operation has held the object's lock since, so no other one can have changed the object.
    """

    asked_at: datetime
    operation: int = 0
    has_lock: bool = False
