"""Storage in one SQLite file, with one connection and one lock.

Journal mode WAL with synchronous OFF: committed data is handed to the operating system, so a killed process loses
nothing, and no call waits for a disk.
"""

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS agents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    agent_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    tags TEXT NOT NULL,
    voice_id TEXT NOT NULL,
    archived INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    conversation_config TEXT NOT NULL,
    platform_settings TEXT NOT NULL,
    workflow TEXT,
    procedures TEXT,
    version_id TEXT NOT NULL,
    branch_id TEXT NOT NULL,
    overlay TEXT
);
CREATE INDEX IF NOT EXISTS agents_created ON agents (created_at, seq);
CREATE INDEX IF NOT EXISTS agents_updated ON agents (updated_at, seq);
CREATE INDEX IF NOT EXISTS agents_name ON agents (name_key, seq);
CREATE TABLE IF NOT EXISTS numbers (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    phone_number_id TEXT NOT NULL UNIQUE,
    phone_number TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL,
    label_key TEXT NOT NULL,
    provider TEXT NOT NULL,
    agent_id TEXT,
    agent_name TEXT,
    branch_id TEXT,
    environment TEXT,
    supports_inbound INTEGER NOT NULL,
    supports_outbound INTEGER NOT NULL,
    trunk TEXT,
    listed_at REAL NOT NULL,
    overlay TEXT
);
CREATE INDEX IF NOT EXISTS numbers_label ON numbers (label_key, seq);
CREATE INDEX IF NOT EXISTS numbers_agent ON numbers (agent_id);
CREATE TABLE IF NOT EXISTS ledger (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    made_by TEXT NOT NULL,
    trace_id TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    phone_number TEXT,
    before TEXT,
    after TEXT
);
CREATE TABLE IF NOT EXISTS late_writes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    due REAL NOT NULL,
    trace_id TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    query TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS memo (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
TABLES = ("agents", "numbers", "ledger", "late_writes", "memo")
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


class StateInUse(Exception):
    pass


def new_id(prefix: str) -> str:
    return f"{prefix}_01" + "".join(ALPHABET[byte & 31] for byte in secrets.token_bytes(26))


class Storage:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.5)
        self.db.row_factory = sqlite3.Row
        try:
            self.db.execute("PRAGMA locking_mode=EXCLUSIVE")  # two servers on one file would each see half of the data
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=OFF")
            self.db.executescript(SCHEMA)
        except sqlite3.OperationalError as error:
            raise StateInUse(str(error)) from error
        except sqlite3.DatabaseError as error:
            raise StateInUse(f"not a sandbox state ({error})") from error
        self.clock_offset = float(self.recall("clock_offset", 0.0))
        self.next_late = self.first_late_due()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Atomic, and one at a time; an exception raised inside rolls back."""
        with self.lock:
            self.db.execute("BEGIN")
            try:
                yield
            except BaseException:
                self.db.execute("ROLLBACK")
                raise
            self.db.execute("COMMIT")

    def now(self) -> float:
        return time.time() + self.clock_offset

    def advance(self, seconds: float) -> None:
        with self.transaction():
            self.clock_offset += seconds
            self.remember("clock_offset", self.clock_offset)

    def remember(self, name: str, value: Any) -> None:
        self.db.execute("INSERT OR REPLACE INTO memo VALUES (?, ?)", (name, json.dumps(value)))

    def recall(self, name: str, default: Any) -> Any:
        row = self.db.execute("SELECT value FROM memo WHERE name = ?", (name,)).fetchone()
        return default if row is None else json.loads(row["value"])

    def first_late_due(self) -> float | None:
        due: float | None = self.db.execute("SELECT min(due) FROM late_writes").fetchone()[0]
        return due

    def empty(self) -> None:
        with self.transaction():
            for table in TABLES:
                self.db.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the constant above
            self.clock_offset = 0.0
            self.next_late = None

    def close(self) -> None:
        with self.lock:
            self.db.close()
