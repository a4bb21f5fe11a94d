"""Named locks across processes and machines, released by the OS or the database when their holder dies.

Nothing here waits, and nothing expires: the operating system or the database knows who is alive.
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
Question = tuple[str, list[str]]  # a SELECT and its values


class Locks(Protocol):
    """Names are letters, digits and dashes."""

    def first_free(
        self, names: Sequence[str], *, unless: str = "", unless_found: Question | None = None
    ) -> Release | None:
        """Hold the first of these that nobody holds. None where all are held, where somebody shares `unless`, or where
        the database finds a row."""
        ...

    def share(self, name: str) -> Release | None:
        """Hold this one together with all others who share it. None where somebody has it alone at this moment."""
        ...


def locks() -> Locks:
    """Where several machines share a database, they share its locks. SQLite means one machine: there they stand beside
    the database, whatever VAR_DIR each process was given."""
    if connection.vendor == "postgresql":
        return AdvisoryLocks()
    return FileLocks(Path(connection.settings_dict["NAME"]).resolve().parent / "locks")


class FileLocks:
    """`flock` on files that are never removed: whoever removed one could lock a file that nobody else sees.

    A lock is as old as its open file, and an interrupted process closes that even where an exception hits between two
    lines here: that is why it is a file object, and no number.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def first_free(
        self, names: Sequence[str], *, unless: str = "", unless_found: Question | None = None
    ) -> Release | None:
        if unless_found is not None and _ask(*unless_found) is not None:
            return None
        alone = self._hold(unless, fcntl.LOCK_EX) if unless else None
        if unless and alone is None:
            return None
        try:
            for name in names:
                file = self._hold(name, fcntl.LOCK_EX)
                if file is not None:
                    return file.close
            return None
        finally:
            if alone is not None:
                alone.close()

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
    """PostgreSQL's, of this thread's database session: they outlive a transaction and end with the session.

    A pooler between that changes sessions from one transaction to the next would break them.
    """

    def first_free(
        self, names: Sequence[str], *, unless: str = "", unless_found: Question | None = None
    ) -> Release | None:
        keys = [_number(name) for name in names]
        sql, values = unless_found or ("", [])
        # CASE evaluates in order and stops. The lock "of the transaction" ends with this very statement.
        cases = [f"WHEN EXISTS ({sql}) THEN NULL"] if sql else []
        cases += ["WHEN NOT pg_try_advisory_xact_lock(%s) THEN NULL"] if unless else []
        cases += [f"WHEN pg_try_advisory_lock(%s) THEN {at}" for at in range(len(keys))]
        found = _ask(f"SELECT CASE {' '.join(cases)} END", [*values, *[_number(unless)] * bool(unless), *keys])
        return partial(_release, "pg_advisory_unlock", keys[found]) if found is not None else None

    def share(self, name: str) -> Release | None:
        key = _number(name)
        held = _ask("SELECT pg_try_advisory_lock_shared(%s)", [key])
        return partial(_release, "pg_advisory_unlock_shared", key) if held else None


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def _ask(sql: str, values: Sequence[str | int]) -> Any:
    """The first value of the first row; None where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        row = cursor.fetchone()
    return row[0] if row else None


def _release(function: str, key: int) -> None:
    try:
        _ask(f"SELECT {function}(%s)", [key])
    except Error as error:
        log.warning("A lock could not be given back (%s): it ends with its database session.", type(error).__name__)
