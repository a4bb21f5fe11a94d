"""Times as pages tell them: relative, with the exact time and zone on hover."""

from datetime import datetime

from django import template
from django.template.defaultfilters import date as format_date
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

_STEPS = ((86400, "d"), (3600, "h"), (60, "min"))


def ago_text(moment: datetime) -> str:
    """ "12 s ago", "3 h ago"; "in 40 s" for what is to come."""
    seconds = (timezone.now() - moment).total_seconds()
    size = abs(seconds)
    count, unit = next(((size // step, unit) for step, unit in _STEPS if size >= step), (size // 1, "s"))
    return f"{count:.0f} {unit} ago" if seconds >= 0 else f"in {count:.0f} {unit}"


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


@register.filter
def exact(moment: datetime | None) -> str:
    return format_date(timezone.localtime(moment), "j M Y, H:i:s T") if moment else "–"
