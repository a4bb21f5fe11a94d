"""Between two modules a running site is reset to its state after the start: an empty sandbox, and a database with the
roles and the first administrator. Its processes keep running."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from kombu import Connection
from kombu.pidbox import Mailbox

from tests.browser.site import Database, Site
from tests.workers.waiting import until

QUEUE = "celery"
WORKER = "worker@controlplane"
PROCESSES = "health_heartbeat"  # worker and beat keep writing it: neither emptied nor restored
RUNS = "mirror_syncrun"  # whether a run has started before the copy depends on the machine
COPY = "at_start"
PATIENCE = 60.0


class Resettable:
    """A site, and the copy from which its database is restored."""

    def __init__(self, site: Site) -> None:
        self.site = site
        with mailbox(site) as box:  # the pages are ready before the worker, and earlier messages are lost
            answers = (box.call([WORKER], "ping", timeout=2**attempt) for attempt in range(7))
            assert any(answers), "the worker never answered"
        self._restore = OnSqlite(site) if site.database.is_sqlite else OnPostgres(site.database)

    def reset(self) -> None:
        self._empty_the_sandbox()  # this also ends every call that a fault delays
        with paused_worker(self.site):
            self._empty_the_sandbox()  # of the writes of a last task
            self._restore()

    def _empty_the_sandbox(self) -> None:
        url = f"{self.site.sandbox}/_sandbox/reset"
        requests.post(url, json={}, headers={"xi-api-key": "sk_sandbox"}, timeout=PATIENCE).raise_for_status()


@contextmanager
def mailbox(site: Site) -> Iterator[Mailbox]:
    """Celery's remote control, on the broker of this site."""
    options: dict[str, Any] = {}
    if site.broker_url.startswith("filesystem"):
        broker = site.var / "broker"
        options = {name: str(broker / "messages") for name in ("data_folder_in", "data_folder_out")}
        options |= {"control_folder": str(broker / "control"), "polling_interval": 0.05}
    with Connection(site.broker_url, transport_options=options) as connection:
        yield Mailbox("celery", type="fanout", accept=["json"])(connection)


@contextmanager
def paused_worker(site: Site) -> Iterator[None]:
    """Inside the block, no task runs or starts: messages stay in the queue."""
    with mailbox(site) as box:

        def ask(command: str, **arguments: str) -> Any:
            replies = box.call([WORKER], command, arguments, timeout=PATIENCE)
            assert replies, f"the worker did not answer {command}"
            return replies[0][WORKER]

        assert "ok" in ask("cancel_consumer", queue=QUEUE)
        try:
            # In this order: a waiting task that starts between the two requests is in the second list.
            until(lambda: not ask("reserved") and not ask("active"), "no task is running", PATIENCE)
            yield
        finally:
            assert "ok" in ask("add_consumer", queue=QUEUE)


class OnSqlite:
    def __init__(self, site: Site) -> None:
        """The copy is a file next to the database."""
        self._database = site.database
        self._copy = site.var / "at_start.sqlite3"
        with self._database.connect() as connection, sqlite3.connect(self._copy) as copy:
            connection.backup(copy)
            copy.execute(f"DELETE FROM {RUNS}")
        copy.close()

    def __call__(self) -> None:
        """In one transaction, which other processes wait for as for any write. Ids continue from their last values, so
        that a late task from before the reset finds none of its rows."""
        with self._database.connect() as connection:
            connection.execute(f"ATTACH '{self._copy}' AS {COPY}")
            connection.execute("BEGIN IMMEDIATE")
            for name in _column(connection, "SELECT name FROM sqlite_master WHERE type = 'trigger'"):
                connection.execute(f"DROP TRIGGER {name}")
            schema = f"SELECT name FROM {COPY}.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            for table in set(_column(connection, schema)) - {PROCESSES}:
                named = f"SELECT name FROM pragma_table_info('{table}')"  # without generated columns
                columns = ", ".join(f'"{name}"' for name in _column(connection, named))
                connection.execute(f"DELETE FROM main.{table}")
                connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM {COPY}.{table}")
            for statement in _column(connection, f"SELECT sql FROM {COPY}.sqlite_master WHERE type = 'trigger'"):
                connection.execute(statement)
            connection.execute("COMMIT")


class OnPostgres:
    def __init__(self, database: Database) -> None:
        """The copy is a schema of the same database."""
        self._database = database
        with database.connect() as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")  # a consistent snapshot
            tables = _column(connection, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            self._tables = sorted(set(tables) - {PROCESSES})
            self._guarded = _column(
                connection, "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
            )
            connection.execute(f"CREATE SCHEMA {COPY}")
            for table in self._tables:
                connection.execute(f"CREATE TABLE {COPY}.{table} AS TABLE public.{table}")
            connection.execute(f"DELETE FROM {COPY}.{RUNS}")

    def __call__(self) -> None:
        """Same as on SQLite."""
        with self._database.connect() as connection, connection.transaction():
            for table in self._guarded:
                connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            connection.execute(f"TRUNCATE {', '.join(self._tables)}")
            for table in self._tables:
                columns = ", ".join(
                    _column(
                        connection,
                        "SELECT quote_ident(column_name) FROM information_schema.columns WHERE table_schema = 'public'"
                        f" AND table_name = '{table}' AND is_generated = 'NEVER' ORDER BY ordinal_position",
                    )
                )
                connection.execute(f"INSERT INTO public.{table} ({columns}) SELECT {columns} FROM {COPY}.{table}")
            connection.execute("SET CONSTRAINTS ALL IMMEDIATE")  # deferred constraints prevent ALTER TABLE
            for table in self._guarded:
                connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def _column(connection: Any, sql: str) -> list[str]:
    return [value for (value,) in connection.execute(sql).fetchall()]
