"""Find numbers as people look for them: by digits in any grouping, by label, by id, by the agent's name."""

import re

from django.db.models import Q

from numbers.models import PhoneNumberQuerySet


def matching(numbers: PhoneNumberQuerySet, term: str) -> PhoneNumberQuerySet:
    """Rows that fit what was typed; "(555) 010-0123" finds +15550100123."""
    text = term.strip().lstrip("…")
    fits = (
        Q(label__icontains=text)
        | Q(remote_id__icontains=text)
        | Q(agent__name__icontains=text)
        | Q(bound_to__icontains=text)
    )
    if digits := digits_in(text):
        fits |= Q(phone_number__contains=digits)
    else:
        fits |= Q(phone_number__icontains=text)
    return numbers.filter(fits)


def digits_in(text: str) -> str:
    """ "(555) 010-0123" -> "5550100123"; "" where it is more than digits and what stands between them."""
    digits = re.sub(r"[\s().\-/+]", "", text)
    return digits if digits.isdecimal() and digits.isascii() else ""
