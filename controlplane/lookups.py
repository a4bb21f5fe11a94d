"""Parses primary keys and search terms from URLs and forms."""

from typing import TypeVar

from django.db.models import Model, QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404

Row = TypeVar("Row", bound=Model)

MAX_DIGITS = 18  # digits: each number of so many fits into the 64 bits of a key
MAX_SEARCH_CHARS = 200  # characters; SQLite refuses patterns above 50,000, and no name or id is as long as this


def parse_pk(text: str) -> int | None:
    """None where the text is no key: also "1e3", "True", digits of another script, or too many."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS else None


def get_row_or_404(rows: type[Row] | QuerySet[Row], text: str) -> Row:
    pk = parse_pk(text)
    if pk is None:
        raise Http404
    found: Row = get_object_or_404(rows, pk=pk)
    return found
