"""A kombu broker in a folder that is safe for several processes.

What is not a message is moved to the folder `rejected` beside the messages, and the worker goes on with the next one.
No process reads that folder. It is kept for inspection, and may be emptied at any time.

A worker that is told to end takes no further message. Celery would let it wait for one twice more, 2 s each time.
"""

import errno
import fcntl
import logging
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from time import monotonic
from typing import Any, ClassVar

from celery.signals import worker_shutting_down
from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem, virtual
from kombu.utils.json import dumps, loads

from controlplane.broker_message import CONTENT_ERRORS, NotAMessage, Robust, check, what_is_wrong

MAX_MESSAGE_BYTES = 1024 * 1024  # ours have some hundred
UNREADABLE = {errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENXIO, errno.EISDIR}  # because of what it is, for good

log = logging.getLogger(__name__)


class Channel(Robust, filesystem.Channel):
    stuck: ClassVar[set[str]] = set()  # names of files that are not messages and cannot be moved: logged once
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
        folder = Path(self.data_folder_in)
        for name in sorted(os.listdir(folder)):
            if name.partition(".")[2] != f"{queue}.msg" or name in self.stuck:
                continue
            try:
                payload = self._read(folder / name)
            except FileNotFoundError:  # another worker has it
                continue
            except OSError as problem:
                if problem.errno not in UNREADABLE:
                    raise ChannelError(f"A message in {folder} cannot be read: {problem.strerror}") from problem
                self._set_aside(folder / name, problem)
                continue
            except CONTENT_ERRORS as problem:
                self._set_aside(folder / name, problem)
                continue
            try:
                os.unlink(folder / name)  # of several workers it is the one that removes it that has it
            except OSError:
                continue
            return payload
        raise Empty

    def _read(self, path: Path) -> Any:
        """Opens nothing but a file: a link leads elsewhere, and a pipe would be waited for."""
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise NotAMessage("it is not a file")
            with os.fdopen(file, "rb", closefd=False) as opened:
                content = opened.read(MAX_MESSAGE_BYTES + 1)
        finally:
            os.close(file)
        if len(content) > MAX_MESSAGE_BYTES:
            raise NotAMessage(f"it has more than {MAX_MESSAGE_BYTES} bytes")
        payload = loads(content.decode())
        check(payload)
        if virtual.Message(payload, channel=self).errors:  # it decodes the body
            raise NotAMessage("its body cannot be decompressed")
        return payload

    def _set_aside(self, path: Path, problem: Exception) -> None:
        """The log tells what is wrong, and nothing of the content, which may be anything."""
        why = what_is_wrong(problem)
        rejected = path.parent.with_name("rejected")
        try:
            rejected.mkdir(mode=0o700, exist_ok=True)
            os.rename(path, rejected / f"{uuid.uuid4()}.msg")
        except FileNotFoundError:
            return  # another worker was faster
        except OSError as error:
            self.stuck.add(path.name)
            log.error(
                "A file in the broker's folder is not a message (%s), and cannot be moved: %s", why, error.strerror
            )
        else:
            log.warning("A file in the broker's folder was not a message (%s), and was moved to %s", why, rejected)

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
