"""Template filters that make text safe to put into a Markdown document."""

import re

from django import template

register = template.Library()


@register.filter
def escaped(text: str, special: str = "\\`<[&") -> str:
    """Escape text that the remote may have supplied, so that it cannot form HTML, links, images or code. `special` are
    the characters to escape."""
    return "".join(f"\\{char}" if char in special else char for char in text).replace("|", "&#124;")


@register.filter
def verbatim(text: str) -> str:
    """JSON as inline code, fenced with more backticks than it contains. A bar would end the table cell even inside
    code."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}".replace("|", "\\u007c") if text else ""


@register.filter
def one_line(text: str) -> str:
    """Text for one table cell or list item: without line breaks, and with bars escaped."""
    return " ".join(text.split()).replace("\\|", "|").replace("|", "\\|")
