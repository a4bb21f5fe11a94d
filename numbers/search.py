"""Search for numbers by digits in any grouping, label, id or agent."""

import re

from django.db.models import F, Q, Value
from django.db.models.functions import Replace

from numbers.models import PhoneNumberQuerySet


def matching(numbers: PhoneNumberQuerySet, term: str) -> PhoneNumberQuerySet:
    """Rows that fit what was typed; "(415) 555-0123" finds +14155550123, in whatever grouping ElevenLabs stores it."""
    text = term.strip().lstrip("…")
    fits = (
        Q(label__icontains=text)
        | Q(remote_id__icontains=text)
        | Q(agent__name__icontains=text)
        | Q(bound_to__icontains=text)
    )
    if digits := digits_in(text):
        ungrouped: F | Replace = F("phone_number")
        for separator in " ().-/":
            ungrouped = Replace(ungrouped, Value(separator))
        numbers = numbers.alias(ungrouped=ungrouped)
        fits |= Q(ungrouped__contains=digits)
    else:
        fits |= Q(phone_number__icontains=text)
    return numbers.filter(fits)


def digits_in(text: str) -> str:
    """ "(415) 555-0123" -> "4155550123"; "" where it is more than digits and what stands between them."""
    digits = re.sub(r"[\s().\-/+]", "", text)
    return digits if digits.isdecimal() and digits.isascii() else ""
