"""Database triggers that refuse UPDATE, DELETE and TRUNCATE on the history.

DELETE is allowed for rows that a recorded cut covers and for nothing else, so pruning disables no trigger and waits for
no lock.
"""

from collections.abc import Iterator

from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

# The unique columns of each table.
TABLES = {
    "audit_entry": ["id"],
    "audit_link": ["position", "entry_id"],
    "audit_cut": ["position"],
    "audit_snapshot": ["id"],
}
CUT = "(SELECT max(position) FROM audit_cut)"
DELETABLE = {
    "audit_entry": f"EXISTS (SELECT 1 FROM audit_link WHERE entry_id = OLD.id AND position <= {CUT})",  # noqa: S608
    "audit_link": f"OLD.position < {CUT}",  # the last link stays: the chain continues from it
    "audit_cut": "false",
    # of earlier cuts, and of a cut that was started but not recorded
    "audit_snapshot": f"OLD.cut <> COALESCE({CUT}, 0)",
}
REFUSAL = "The history is append-only."
NAMES = ("update", "delete", "truncate", "replace")


def install(using: BaseDatabaseWrapper) -> None:
    """Idempotent."""
    with transaction.atomic(using=using.alias):
        if using.vendor != "postgresql":
            remove(using)  # SQLite has no CREATE OR REPLACE TRIGGER
        for statement in _functions() if using.vendor == "postgresql" else ():
            _execute(using, statement)
        for statement in _triggers(using.vendor).values():
            _execute(using, statement)
        for table in _disabled(using):  # CREATE OR REPLACE does not enable a disabled trigger
            _execute(using, f"ALTER TABLE {table} ENABLE TRIGGER USER")


def remove(using: BaseDatabaseWrapper) -> None:
    """For tests that truncate the tables."""
    for table in TABLES:
        for name in NAMES:
            where = f" ON {table}" if using.vendor == "postgresql" else ""
            _execute(using, f"DROP TRIGGER IF EXISTS {table}_no_{name}{where}")


def _functions() -> Iterator[str]:
    yield (
        "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
    )
    for table, may_go in DELETABLE.items():
        yield (
            f"CREATE OR REPLACE FUNCTION {table}_may_go() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN IF {may_go} THEN RETURN OLD; END IF; RAISE EXCEPTION '{REFUSAL}'; END $$"
        )


def _triggers(vendor: str) -> dict[str, str]:
    """{trigger name: CREATE statement}"""
    made: dict[str, str] = {}
    for table, unique in TABLES.items():
        if vendor == "postgresql":
            each, all_ = (f"ON {table} FOR EACH {what} EXECUTE FUNCTION" for what in ("ROW", "STATEMENT"))
            made |= {
                f"{table}_no_update": f"BEFORE UPDATE {each} audit_refuse()",
                f"{table}_no_delete": f"BEFORE DELETE {each} {table}_may_go()",
                f"{table}_no_truncate": f"BEFORE TRUNCATE {all_} audit_refuse()",
            }
            continue
        refuse = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        same = " OR ".join(f"{name} = NEW.{name}" for name in unique)
        exists = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608
        made |= {
            f"{table}_no_update": f"BEFORE UPDATE ON {table} {refuse}",
            f"{table}_no_delete": f"BEFORE DELETE ON {table} WHEN NOT COALESCE({DELETABLE[table]}, 0) {refuse}",
            # INSERT OR REPLACE deletes without firing the DELETE trigger
            f"{table}_no_replace": f"BEFORE INSERT ON {table} WHEN {exists} {refuse}",
        }
    create = "CREATE OR REPLACE TRIGGER" if vendor == "postgresql" else "CREATE TRIGGER"
    return {name: f"{create} {name} {rest}" for name, rest in made.items()}


def _execute(using: BaseDatabaseWrapper, statement: str) -> None:
    with using.cursor() as cursor:
        cursor.execute(statement)


def _disabled(using: BaseDatabaseWrapper) -> list[str]:
    if using.vendor != "postgresql":
        return []
    with using.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
            "WHERE tgenabled = 'D' AND tgrelid = ANY (%s::regclass[])",
            [list(TABLES)],
        )
        return [name for (name,) in cursor.fetchall()]


def is_installed() -> bool:
    """Whether the database has every trigger, with our definition, and enabled."""
    wanted = _triggers(connection.vendor)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT tgname, prosrc FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid "
                "WHERE tgname LIKE 'audit\\_%%' AND tgenabled IN ('O', 'A') AND tgqual IS NULL "
                "AND tgrelid = ANY (%s::regclass[])",
                [list(TABLES)],
            )
            sources = [statement.split("$$")[1] for statement in _functions()]
            found = {name for name, source in cursor.fetchall() if source in sources}
            return found == set(wanted)
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        made = dict(cursor.fetchall())
    return all(made.get(name) == statement for name, statement in wanted.items())
