"""Iterates over paginated lists."""

from collections.abc import Callable, Iterator

from .errors import BadShape
from .schemas import Json, Page

MAX_PAGES = 1000


def every_page(page_at: Callable[[str | None], Page]) -> Iterator[Page]:
    """Ends without an error only if the remote reported the end of the list. `page_at` is called with the cursor, which
    is None at first."""
    cursor: str | None = None
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        page = page_at(cursor)
        yield page
        if not page.has_more or page.next_cursor is None:
            return
        cursor = page.next_cursor
        if cursor in seen:
            raise BadShape("ElevenLabs' list runs in a circle: a page sends back to one that was read.")
        seen.add(cursor)
    raise BadShape(f"ElevenLabs' list has more than {MAX_PAGES} pages.")


def every_row(pages: Iterator[Page]) -> Iterator[Json]:
    for page in pages:
        yield from page.rows
