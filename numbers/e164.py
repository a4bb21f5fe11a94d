"""Phone numbers as people type them, as the remote keeps them, and as pages show them."""

import phonenumbers
from django.conf import settings


def parse(typed: str) -> str:
    """Any way of writing a number -> E.164 ("+15550100123"). Raises ValueError with a sentence for staff."""
    text = typed.strip()
    try:
        number = phonenumbers.parse(text, settings.PHONE_REGION)
    except phonenumbers.NumberParseException:
        raise ValueError(
            "This is not a phone number. Write it with its country code, such as +1 555 010 0123."
        ) from None
    if number.extension:
        raise ValueError("A number with an extension cannot be imported. Leave the extension out.")
    if not phonenumbers.is_possible_number(number):
        raise ValueError("This number has too many or too few digits for its country. Check it at Twilio.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def same(one: str, other: str) -> bool:
    """Do two notations mean one number? What is no number is compared as text."""
    try:
        return parse(one) == parse(other)
    except ValueError:
        return one == other


def grouped(number: str) -> str:
    """ "+15550100123" -> "+1 555 010 0123". What is no number is shown as it is."""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL).replace("-", " ")
