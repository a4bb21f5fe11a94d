"""Kombu's broker in a folder, made safe for several processes: there a message or a table that is just being written
can be read half or empty, and the worker that reads it ends (celery/kombu#1551, iterative/dvc#7903).

A worker that is told to end takes no further message. Celery would let it wait for one twice more, 2 s each time.
"""

import fcntl
import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from time import monotonic
from typing import Any

from celery.signals import worker_shutting_down
from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps

log = logging.getLogger(__name__)


class Channel(filesystem.Channel):
    ending = False  # this process is a worker that was told to end

    def _put(self, queue: str, payload: Any, **options: Any) -> None:  # type: ignore[override] # as below it
        """A message has its name only once it is whole. Names sort by time; nobody reads one that begins with a dot."""
        folder, name = Path(self.data_folder_out), f"{round(monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        unfinished = folder / f".{name}"
        try:
            unfinished.write_text(dumps(payload))
            os.replace(unfinished, folder / name)
        except OSError as problem:
            unfinished.unlink(missing_ok=True)
            raise ChannelError(f"A message could not be written to {folder}: {problem}") from problem

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        if self.ending:
            raise TimeoutError("This worker ends.")  # as at the end of a wait in which nothing came
        try:
            return super()._get(queue)
        except ValueError as problem:  # the power failed while it was written, or somebody else put it there
            log.warning("A message in the broker's folder cannot be read, and is left out: %s", problem)
            raise Empty from None

    def get_table(self, exchange: str) -> Any:
        with self._tables():
            return super().get_table(exchange)

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str | None, queue: str) -> None:
        with self._tables():
            super()._queue_bind(exchange, routing_key, pattern, queue)

    def _delete(self, *names: str, **options: Any) -> None:
        with self._tables():
            super()._delete(*names, **options)

    @contextmanager
    def _tables(self) -> Iterator[None]:
        """Alone with the tables of exchanges: the folder itself is the lock."""
        try:
            folder = os.open(self.control_folder, os.O_RDONLY)
        except OSError as problem:
            raise ChannelError(f"The broker's folder cannot be read: {problem}") from problem
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


class Transport(filesystem.Transport):
    Channel = Channel


def use() -> None:
    """For every `filesystem://` of this process."""
    worker_shutting_down.connect(_end, weak=False)
    TRANSPORT_ALIASES["filesystem"] = f"{__name__}:{Transport.__name__}"


def _end(**_: Any) -> None:
    Channel.ending = True
