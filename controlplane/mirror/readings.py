"""When an object was read from the remote."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Reading:
    """`asked_at` is just before the request; `operation` is the primary key of the one that read, if any."""

    asked_at: datetime
    operation: int = 0
