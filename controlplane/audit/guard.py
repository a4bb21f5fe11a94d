"""The database itself refuses to change the history: triggers against UPDATE, DELETE and TRUNCATE on both databases."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

TABLES = {"audit_entry": ["id"], "audit_link": ["position", "entry_id"]}  # and what is unique in them
REFUSAL = "The history is append-only."
FUNCTION = f"""
CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$
"""
# Whoever may switch a trigger off, or put another in its place, leaves its name standing.
STANDING = f"""
SELECT count(*) FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
WHERE tgrelid IN ({", ".join(f"'{table}'::regclass" for table in TABLES)}) AND tgname LIKE 'audit_%_no_%'
AND tgenabled IN ('O', 'A') AND tgqual IS NULL AND btrim(prosrc) = $$BEGIN RAISE EXCEPTION '{REFUSAL}'; END$$
"""  # noqa: S608


def install(using: BaseDatabaseWrapper) -> None:
    """To be repeated without harm; what stands under the same names is made anew."""
    with transaction.atomic(using.alias):
        if using.vendor == "sqlite":
            remove(using)
        for statement in _install(using.vendor):
            _execute(using, statement)


def remove(using: BaseDatabaseWrapper) -> None:
    for table in TABLES:
        for name in ("update", "delete", "truncate", "replace"):
            where = f" ON {table}" if using.vendor == "postgresql" else ""
            _execute(using, f"DROP TRIGGER IF EXISTS {table}_no_{name}{where}")


def _install(vendor: str) -> Iterator[str]:
    if vendor == "postgresql":
        yield FUNCTION
    for table, unique in TABLES.items():
        for name in ("update", "delete"):
            if vendor == "postgresql":
                yield (
                    f"CREATE OR REPLACE TRIGGER {table}_no_{name} BEFORE {name.upper()} ON {table} "
                    "FOR EACH ROW EXECUTE FUNCTION audit_refuse()"
                )
            else:
                yield (
                    f"CREATE TRIGGER {table}_no_{name} BEFORE {name.upper()} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
                )
        if vendor == "postgresql":
            yield (
                f"CREATE OR REPLACE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()"
            )
        else:  # INSERT OR REPLACE deletes without a word to the trigger above
            there = " OR ".join(f"{name} = NEW.{name}" for name in unique)
            yield (
                f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "  # noqa: S608
                f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {there}) BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            )


@contextmanager
def lifted() -> Iterator[None]:
    """For pruning only, which records itself. One transaction: the triggers stand again, or nothing was done."""
    with transaction.atomic():
        remove(connections[DEFAULT_DB_ALIAS])
        yield
        install(connections[DEFAULT_DB_ALIAS])


def _execute(using: BaseDatabaseWrapper, statement: str) -> None:
    with using.cursor() as cursor:
        cursor.execute(statement)


def is_installed() -> bool:
    """Asks the database itself."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(STANDING)
            return int(cursor.fetchone()[0]) == 3 * len(TABLES)
        cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'")
        return {row[0] for row in cursor.fetchall()} >= set(_install(connection.vendor))
