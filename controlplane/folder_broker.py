"""A kombu broker in a folder that is safe for several processes.

An invalid message is moved to the folder `rejected` next to the messages, and the worker continues with the next one.
No process reads that folder. It is kept for inspection and may be emptied at any time.

A worker that is shutting down takes no further message. Celery would let it wait for one twice more, 2 s each time.
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

from controlplane.broker_message import CONTENT_ERRORS, NotAMessage, TolerantChannel, check, describe_error

MAX_MESSAGE_BYTES = 1024 * 1024  # ours have a few hundred
# permanently unreadable because of the file's type or permissions
UNREADABLE = {errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENXIO, errno.EISDIR}

log = logging.getLogger(__name__)


class Channel(TolerantChannel, filesystem.Channel):
    stuck: ClassVar[set[str]] = set()  # names of files that are not messages and cannot be moved: logged once
    ending = False  # this process is a worker that is shutting down

    def _put(self, queue: str, payload: Any, **options: Any) -> None:  # type: ignore[override] # as in the base class
        """A message gets its name only when it is complete. Names sort by time; files that begin with a dot are not
        read."""
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
            raise TimeoutError("This worker ends.")  # as after a wait in which nothing came
        folder = Path(self.data_folder_in)
        for name in sorted(os.listdir(folder)):
            if name.partition(".")[2] != f"{queue}.msg" or name in self.stuck:
                continue
            try:
                payload = self._read(folder / name)
            except FileNotFoundError:  # another worker took it
                continue
            except OSError as error:
                if error.errno not in UNREADABLE:
                    raise ChannelError(f"A message in {folder} cannot be read: {error.strerror}") from error
                self._set_aside(folder / name, error)
                continue
            except CONTENT_ERRORS as error:
                self._set_aside(folder / name, error)
                continue
            try:
                os.unlink(folder / name)  # of several workers, the one that removes the file has the message
            except OSError:
                continue
            return payload
        raise Empty

    def _read(self, path: Path) -> Any:
        """Reads regular files only: a link leads elsewhere, and a pipe would block."""
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
        if virtual.Message(payload, channel=self).errors:  # decodes the body
            raise NotAMessage("its body cannot be decompressed")
        return payload

    def _set_aside(self, path: Path, problem: Exception) -> None:
        """The log says what is invalid, without the content, which may be sensitive."""
        reason = describe_error(problem)
        rejected = path.parent.with_name("rejected")
        try:
            rejected.mkdir(mode=0o700, exist_ok=True)
            os.rename(path, rejected / f"{uuid.uuid4()}.msg")
        except FileNotFoundError:
            return  # another worker was faster
        except OSError as error:
            self.stuck.add(path.name)
            log.error(
                "A file in the broker's folder is not a message (%s), and cannot be moved: %s", reason, error.strerror
            )
        else:
            log.warning("A file in the broker's folder was not a message (%s), and was moved to %s", reason, rejected)

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
        """Exclusive access to the exchange tables: the folder itself is the lock."""
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
    """For every `filesystem://` URL in this process."""
    worker_shutting_down.connect(_end, weak=False)
    TRANSPORT_ALIASES["filesystem"] = f"{__name__}:{Transport.__name__}"


def _end(**_: Any) -> None:
    Channel.ending = True
