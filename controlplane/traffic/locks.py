"""Named locks across processes and machines, released by the OS or the database when their holder dies.

Nothing here blocks, and no lock expires: the operating system or the database knows which holders are alive.
"""

import fcntl
import hashlib
import logging
from collections.abc import Callable, Sequence
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any, Protocol

from django.db import Error, connection

log = logging.getLogger(__name__)

Release = Callable[[], None]  # never raises
Question = tuple[str, list[str]]  # a SELECT and its parameters


class Locks(Protocol):
    """Names are letters, digits and dashes."""

    def first_free(
        self, names: Sequence[str], *, unless: str = "", unless_found: Question | None = None
    ) -> Release | None:
        """Acquire the first of these locks that is free. Returns None if all are held, if another holder shares
        `unless`, or if the query `unless_found` returns a row."""
        ...

    def share(self, name: str) -> Release | None:
        """Acquire this lock shared with other `share` callers. Returns None while it is held exclusively."""
        ...


def locks() -> Locks:
    """Machines that share a database share its locks. SQLite means one machine: there the locks are files next to the
    database, whatever VAR_DIR each process was given."""
    if connection.vendor == "postgresql":
        return AdvisoryLocks()
    return FileLocks(Path(connection.settings_dict["NAME"]).resolve().parent / "locks")


class FileLocks:
    """`flock` on files that are never removed: after a removal, a process could lock a file that no other process sees.

    A lock lives as long as its open file. It is a file object and not a descriptor number, so that an interrupted
    process closes it even if an exception hits between two lines here.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def first_free(
        self, names: Sequence[str], *, unless: str = "", unless_found: Question | None = None
    ) -> Release | None:
        if unless_found is not None and _query_value(*unless_found) is not None:
            return None
        gate = self._hold(unless, fcntl.LOCK_EX) if unless else None
        if unless and gate is None:
            return None
        try:
            for name in names:
                file = self._hold(name, fcntl.LOCK_EX)
                if file is not None:
                    return file.close
            return None
        finally:
            if gate is not None:
                gate.close()

    def share(self, name: str) -> Release | None:
        file = self._hold(name, fcntl.LOCK_SH)
        return file.close if file is not None else None

    def _hold(self, name: str, kind: int) -> FileIO | None:
        file = self._open(name)
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        return file

    def _open(self, name: str) -> FileIO:
        try:
            return FileIO(self._folder / name, "a")
        except FileNotFoundError:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return FileIO(self._folder / name, "a")


class AdvisoryLocks:
    """PostgreSQL advisory locks of this thread's database session: they outlive a transaction and end with the session.

    A connection pooler that switches sessions between transactions would break them.
    """

    def first_free(
        self, names: Sequence[str], *, unless: str = "", unless_found: Question | None = None
    ) -> Release | None:
        keys = [_number(name) for name in names]
        sql, params = unless_found or ("", [])
        # CASE evaluates in order and stops at the first match. The transaction-level lock ends with this very
        # statement.
        cases = [f"WHEN EXISTS ({sql}) THEN NULL"] if sql else []
        cases += ["WHEN NOT pg_try_advisory_xact_lock(%s) THEN NULL"] if unless else []
        cases += [f"WHEN pg_try_advisory_lock(%s) THEN {at}" for at in range(len(keys))]
        index = _query_value(f"SELECT CASE {' '.join(cases)} END", [*params, *[_number(unless)] * bool(unless), *keys])
        return partial(_release, "pg_advisory_unlock", keys[index]) if index is not None else None

    def share(self, name: str) -> Release | None:
        key = _number(name)
        held = _query_value("SELECT pg_try_advisory_lock_shared(%s)", [key])
        return partial(_release, "pg_advisory_unlock_shared", key) if held else None


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def _query_value(sql: str, values: Sequence[str | int]) -> Any:
    """The first column of the first row; None if there is no row."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        row = cursor.fetchone()
    return row[0] if row else None


def _release(function: str, key: int) -> None:
    try:
        _query_value(f"SELECT {function}(%s)", [key])
    except Error as error:
        log.warning("A lock could not be given back (%s): it ends with its database session.", type(error).__name__)
