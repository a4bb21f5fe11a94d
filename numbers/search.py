"""Search for numbers by digits in any grouping, label, id or agent."""

import re

from django.db.models import F, Q, Value
from django.db.models.functions import Replace

from numbers.models import PhoneNumberQuerySet


def matching(numbers: PhoneNumberQuerySet, term: str) -> PhoneNumberQuerySet:
    """ "(415) 555-0123" finds +14155550123, however ElevenLabs groups the digits."""
    text = term.strip().lstrip("…")
    condition = (
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
        condition |= Q(ungrouped__contains=digits)
    else:
        condition |= Q(phone_number__icontains=text)
    return numbers.filter(condition)


def digits_in(text: str) -> str:
    """ "(415) 555-0123" -> "4155550123"; "" if the text has anything but digits and separators."""
    digits = re.sub(r"[\s().\-/+]", "", text)
    return digits if digits.isdecimal() and digits.isascii() else ""
