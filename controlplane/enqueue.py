"""Enqueues a Celery task, best effort: beat runs it later if the broker is down."""

from __future__ import annotations

import logging
from typing import Any

from celery import Task

from controlplane import broker

log = logging.getLogger(__name__)


def enqueue(task: Task[Any, Any], *args: Any) -> bool:
    """True if the broker accepted the message. Takes one second at most, because a user is waiting."""
    try:
        broker.with_timeout(lambda: _send(task, args))
    except broker.CONNECTION_ERRORS as error:
        log.warning("The broker did not take %s (%s); beat will find what is due.", task, type(error).__name__)
        return False
    return True


def _send(task: Task[Any, Any], args: tuple[Any, ...]) -> None:
    with broker.connection() as connection:
        options: dict[str, Any] = {"retry": False, "connection": connection}
        task.apply_async(args, **options)
