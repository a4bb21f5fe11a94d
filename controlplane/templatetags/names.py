"""Template filters that mark misleading characters in names."""

import unicodedata

from django import template

register = template.Library()

MARK = "�"
# Characters that are rendered as nothing although Unicode counts them as visible.
_EMPTY = set("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_JOINERS = "\u200c\u200d"


@register.filter
def visible(text: object, mark: str = MARK) -> str:
    """The text with every hidden or misleading character replaced. Line ends and spaces are not replaced."""
    name = str(text)
    if name.isascii() and name.isprintable():
        return name
    return "".join(
        mark if _misleads(char) and not _joins(name[at - 1 : at], char) else char for at, char in enumerate(name)
    )


def spelled(text: str) -> str:
    """The text with these characters as code points and trailing spaces as dots, so that texts that look alike can be
    told apart."""
    kept = text.rstrip(" ")
    shown = "".join(
        char if char in "\n " or (char.isprintable() and char not in _EMPTY) or _joins(kept[at - 1 : at], char)
        else f"[U+{ord(char):04X}]"
        for at, char in enumerate(kept)
    )  # fmt: skip
    return shown + "·" * (len(text) - len(kept))


def _misleads(char: str) -> bool:
    return char in _EMPTY or (unicodedata.category(char) in ("Cc", "Cf", "Cs") and not char.isspace())


def _joins(before: str, char: str) -> bool:
    """Emoji are joined with these characters, and Persian and Indian languages use them in writing."""
    if char not in _JOINERS or not before or before in _EMPTY:
        return False
    return unicodedata.category(before) in ("So", "Sk", "Mn", "Mc") or unicodedata.bidirectional(before) == "AL"
