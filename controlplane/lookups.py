"""Parses primary keys and search terms from URLs and forms."""

from typing import TypeVar

from django.db.models import Model, QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404

Row = TypeVar("Row", bound=Model)

MAX_DIGITS = 18  # digits: every number of this length fits into a 64-bit key
MAX_SEARCH_CHARS = 200  # characters; SQLite rejects patterns above 50,000, and no name or id is as long as this


def parse_pk(text: str) -> int | None:
    """None if the text is not a primary key: also for "1e3", "True", digits of another script, or too many."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS else None


def get_row_or_404(rows: type[Row] | QuerySet[Row], text: str) -> Row:
    pk = parse_pk(text)
    if pk is None:
        raise Http404
    found: Row = get_object_or_404(rows, pk=pk)
    return found
