"""Ask a worker to look at what is due. Best effort: beat looks anyway, so a broker that is down costs time only."""

from __future__ import annotations

import logging
from typing import Any

from celery import Signature, Task
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)


def wake(task: Task[Any, Any] | Signature[Any], *args: Any) -> bool:
    """True if the broker took the message."""
    try:
        task.apply_async(args, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("The broker did not take %s (%s); beat will find what is due.", task, type(error).__name__)
        return False
    return True
