"""Inserts many rows at once."""

from collections.abc import Sequence
from datetime import datetime

from django.db import models, transaction

# Values of these types, and None, are passed to PostgreSQL unchanged; Django would call six methods to determine that.
UNCHANGED_TYPES = {"BooleanField": bool, "CharField": str, "DateTimeField": datetime, "TextField": str}
MIN_COPY_ROWS = 10  # fewer rows are faster with one INSERT than with COPY and its ids


def insert(rows: Sequence[models.Model]) -> None:
    """Insert new rows of one model in the caller's transaction and set their primary keys, as bulk_create does.

    PostgreSQL gets many rows by COPY: in a first sync, half of the work was generating INSERT statements in Python, and
    much of the server's work was parsing them.
    """
    if not rows:
        return
    connection = transaction.get_connection()
    if connection.vendor == "postgresql" and len(rows) >= MIN_COPY_ROWS:
        _copy(rows)
    else:
        type(rows[0])._default_manager.bulk_create(rows, batch_size=500)


def _copy(rows: Sequence[models.Model]) -> None:
    connection = transaction.get_connection()
    meta, quote = rows[0]._meta, connection.ops.quote_name
    fields = [field for field in meta.concrete_fields if not field.generated]
    passed_types = [UNCHANGED_TYPES.get(field.get_internal_type()) for field in fields]
    table = quote(meta.db_table)
    columns = ", ".join(quote(field.column) for field in fields)
    with connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)",
            [table, meta.pk.column, len(rows)],
        )
        for row, (pk,) in zip(rows, cursor.fetchall(), strict=True):
            row.pk = pk
        with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            for row in rows:
                values = [field.pre_save(row, add=True) for field in fields]
                copy.write_row(
                    [
                        value
                        if value is None or type(value) is passed_type
                        else field.get_db_prep_save(value, connection)
                        for field, passed_type, value in zip(fields, passed_types, values, strict=True)
                    ]
                )
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias
