"""Template filters for relative times, with the exact time on hover."""

from datetime import datetime

from django import template
from django.template.defaultfilters import date as format_date
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

_STEPS = ((86400, "d"), (3600, "h"), (60, "min"))


@register.filter
def span(seconds: float) -> str:
    """ "12 s", "3 min"."""
    count, unit = next(((seconds // step, unit) for step, unit in _STEPS if seconds >= step), (seconds // 1, "s"))
    return f"{count:.0f} {unit}"


def ago_text(moment: datetime) -> str:
    """ "12 s ago", "3 h ago"; "in 40 s" for a future time."""
    seconds = (timezone.now() - moment).total_seconds()
    return f"{span(seconds)} ago" if seconds >= 0 else f"in {span(-seconds)}"


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    if moment is None:
        return "never"
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(),
        format_date(local, "j M Y, H:i:s T"),
        ago_text(moment),
    )


@register.simple_tag
def between(since: datetime | None, until: datetime) -> str:
    """An exact time span: "between 24 Nov 2026, 14:02:10 and 14:03:11 UTC"."""
    last = timezone.localtime(until)
    if since is None:
        return f"before {exact(until)}"
    first = timezone.localtime(since)
    same_day = first.date() == last.date() and first.utcoffset() == last.utcoffset()
    ends = "H:i:s T" if same_day else "j M Y, H:i:s T"
    return f"between {format_date(first, 'j M Y, H:i:s')} and {format_date(last, ends)}"


@register.filter
def exact(moment: datetime | None) -> str:
    return format_date(timezone.localtime(moment), "j M Y, H:i:s T") if moment else "–"
