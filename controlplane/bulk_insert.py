"""Inserts many rows at once."""

from collections.abc import Sequence
from datetime import datetime

from django.db import models, transaction

# Values of these types are given to PostgreSQL just as they are, and so is None; Django asks six methods to find that.
AS_THEY_ARE = {"BooleanField": bool, "CharField": str, "DateTimeField": datetime, "TextField": str}
MIN_COPY_ROWS = 10  # so many are written by one INSERT in less time than COPY and its ids take


def insert(rows: Sequence[models.Model]) -> None:
    """Write new rows of one model in the caller's transaction; sets their primary keys, as bulk_create does.

    PostgreSQL is given many by COPY: of a first sync, half of the work was to write INSERT's text in Python, and
    much of the server's to read it.
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
    as_they_are = [AS_THEY_ARE.get(field.get_internal_type()) for field in fields]
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
                        value if value is None or type(value) is known else field.get_db_prep_save(value, connection)
                        for field, known, value in zip(fields, as_they_are, values, strict=True)
                    ]
                )
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias
