"""Cursor and offset pagination."""

import base64
import binascii
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .errors import invalid_cursor
from .storage import Storage


@dataclass(frozen=True, slots=True)
class Order:
    column: str  # never from the request: chosen by the endpoint from its own list
    descending: bool


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[sqlite3.Row]
    next_cursor: str | None


def read(
    state: Storage,
    table: str,
    *,
    where: Sequence[tuple[str, Any]],
    order: Order,
    size: int,
    cursor: str | None,
    by_offset: bool,
) -> Page:
    conditions = [condition for condition, _ in where]
    values = [value for _, value in where]
    skip = 0
    if cursor:
        place = decode(cursor, order, by_offset=by_offset)
        if by_offset:
            skip = place[0]
        else:
            sign = "<" if order.descending else ">"
            conditions.append(f"({order.column}, seq) {sign} (?, ?)")
            values += place
    clause = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    direction = "DESC" if order.descending else "ASC"
    sql = f"SELECT * FROM {table} {clause} ORDER BY {order.column} {direction}, seq {direction} LIMIT ? OFFSET ?"  # noqa: S608 - names from constants
    rows = state.db.execute(sql, (*values, size + 1, skip)).fetchall()
    if len(rows) <= size:
        return Page(rows, None)
    rows = rows[:size]
    place = [skip + size] if by_offset else [rows[-1][order.column], rows[-1]["seq"]]
    return Page(rows, encode(place, order, by_offset=by_offset))


def encode(place: list[Any], order: Order, *, by_offset: bool) -> str:
    text = json.dumps([int(by_offset), order.column, int(order.descending), *place])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, order: Order, *, by_offset: bool) -> list[Any]:
    place: list[Any]
    try:
        text = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        kind, column, descending, *place = json.loads(text)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise invalid_cursor() from None
    if (kind, column, descending) != (int(by_offset), order.column, int(order.descending)):
        raise invalid_cursor()
    if by_offset:
        fits = len(place) == 1 and isinstance(place[0], int) and 0 <= place[0] < 2**31
    else:
        fits = len(place) == 2 and isinstance(place[0], int | str) and isinstance(place[1], int)
    if not fits or any(isinstance(value, int) and abs(value) >= 2**63 for value in place):
        raise invalid_cursor()
    return place
