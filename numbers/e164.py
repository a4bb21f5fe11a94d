"""Parses and formats phone numbers.

A number that a user types for an import is validated strictly: it has to be one complete number of the numbering plan,
and nothing is guessed. Numbers from ElevenLabs are not validated: they are compared and shown as they are stored.
"""

import re
import unicodedata
from enum import StrEnum

import phonenumbers
from django.conf import settings
from phonenumbers import PhoneNumber, PhoneNumberFormat, PhoneNumberType, ValidationResult

from controlplane.elevenlabs.scrub import MASK, scrub
from controlplane.templatetags.names import spelled

EXAMPLE = "+1 415 555 0123"  # valid, but never assigned: the North American plan reserves 555 01xx for fiction
MAX_TYPED_CHARS = 80  # no notation of a phone number is longer
MAX_SHOWN_CHARS = 40

# Invisible characters that are copied along from web pages, chats and address books: soft hyphen, zero-width
# characters, direction marks, byte order mark. No digit depends on them.
_INVISIBLE = frozenset(
    map(chr, (0xAD, 0x61C, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF))
)
_DASHES = frozenset("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d")
_NUMBER = re.compile(r"(?:\( ?)?\+? ?[0-9(][0-9 ().\-/]*")
_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_EXTENSION = re.compile(
    r"[+(]*[0-9][0-9 ().\-/]*?[ ;,]*"
    r"(?:;(?:ext|isub)=|\b(?:extension|extn|ext)\b[ .:]*|(?<![a-z])(?:x|доб|int)[ .:]*|[#~,;]+ *)"
    r"[0-9]{1,9}#?",
    re.IGNORECASE,
)
_CREDENTIAL_LIKE = re.compile(r"(?=[0-9_]*[A-Za-z])\w{20,}")
_TEL_URI = re.compile(r"tel:(?P<number>[^;]*)(?P<parameters>(?:;[a-z0-9-]+(?:=[^;\s]*)?)*)", re.IGNORECASE)


class Reason(StrEnum):
    EMPTY = "empty"
    NOT_A_NUMBER = "not_a_number"
    LETTERS = "letters"
    CHARACTERS = "characters"
    EXTENSION = "extension"
    TEL_URI = "tel_uri"
    COUNTRY = "country"
    LENGTH = "length"
    AREA_CODE = "area_code"
    TRUNK_PREFIX = "trunk_prefix"
    SHORT_CODE = "short_code"
    PREMIUM_RATE = "premium_rate"
    INVALID = "invalid"


NO_ADVICE = {Reason.EXTENSION, Reason.SHORT_CODE, Reason.PREMIUM_RATE}  # another notation would not help


class InvalidNumber(ValueError):
    """The message is for staff: it quotes the input, names the problem and shows the correct notation."""

    def __init__(self, reason: Reason, typed: str, problem: str) -> None:
        advice = "" if reason in NO_ADVICE else f" Write the whole number with its country code, such as {EXAMPLE}."
        super().__init__(f"{problem.format(typed=_escaped(typed))}{advice}")
        self.reason = reason


def _escaped(typed: str) -> str:
    """The input as it may be shown. Masks anything like a credential, which may have been pasted into this field."""
    text = _CREDENTIAL_LIKE.sub(MASK, scrub(typed.strip()[: 2 * MAX_TYPED_CHARS]))
    shown = spelled(text).replace("\n", "[U+000A]")
    return f"“{shown if len(shown) <= MAX_SHOWN_CHARS else shown[: MAX_SHOWN_CHARS - 1] + '…'}”"


def parse(typed: str) -> str:
    """User input to E.164 ("+14155550123"). Raises InvalidNumber.

    Every digit of the result was typed, except for the country code of a national number, which PHONE_REGION adds.
    """
    if len(typed) > MAX_TYPED_CHARS:
        raise InvalidNumber(Reason.NOT_A_NUMBER, typed, "{typed} is not a phone number.")
    text = _to_ascii(typed)
    if not text:
        raise InvalidNumber(Reason.EMPTY, typed, "No phone number was given.")
    if text.lower().startswith("tel:"):
        text = _from_tel_uri(text, typed)
    if _EXTENSION.fullmatch(text):
        raise InvalidNumber(
            Reason.EXTENSION, typed, "An extension cannot be imported: {typed} has one. Leave the extension out."
        )
    if not _has_number_format(text):
        raise _format_error(text, typed)
    digits = re.sub(r"[^0-9]", "", text)
    number = _resolve("+" + digits if "+" in text else digits, typed)
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def same(one: str, other: str) -> bool:
    """Whether two notations mean the same number.

    A number at ElevenLabs may be invalid. It is then compared without the characters that group digits, or as text if
    it has other characters.
    """
    return _comparable(one) == _comparable(other)


def grouped(number: str) -> str:
    """ "+14155550123" -> "+1 415 555 0123". Anything but E.164 is returned unchanged, and digits never change."""
    if not _E164.fullmatch(number):
        return number
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return number
    shown = phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL).replace("-", " ")
    return shown if shown.replace(" ", "") == number else number


def _comparable(text: str) -> str:
    try:
        return parse(text)
    except InvalidNumber:
        bare = re.sub(r"[ ().\-/]", "", _to_ascii(text))
        return bare if _E164.fullmatch(bare) else text


def _to_ascii(text: str) -> str:
    """Replaces digits of other scripts, dashes, blanks and full-width characters by ASCII."""
    chars = []
    for char in text.strip():
        if char.isdecimal():
            chars.append(str(unicodedata.decimal(char)))
        elif char in _DASHES:
            chars.append("-")
        elif unicodedata.category(char) == "Zs" or char == "\t":
            chars.append(" ")
        elif char not in _INVISIBLE:
            folded = unicodedata.normalize("NFKC", char)
            # A superscript ², as in a footnote, is not a digit of the number.
            chars.append(folded if len(folded) == 1 and folded.isascii() and not folded.isdecimal() else char)
    return "".join(chars).strip()


def _from_tel_uri(text: str, typed: str) -> str:
    """RFC 3966: a global number is complete whatever its parameters are; a local one needs its context."""
    uri = _TEL_URI.fullmatch(text)
    if uri is None or not re.fullmatch(r"\+[0-9().\-]+", uri["number"]):
        raise InvalidNumber(
            Reason.TEL_URI,
            typed,
            "{typed} is not the URI of a whole number: + and the country code have to follow tel:.",
        )
    if re.search(r";(?:ext|isub)\b", uri["parameters"], re.IGNORECASE):
        raise InvalidNumber(
            Reason.EXTENSION, typed, "An extension cannot be imported: {typed} has one. Leave the extension out."
        )
    return uri["number"]


def _has_number_format(text: str) -> bool:
    if not _NUMBER.fullmatch(text) or not re.fullmatch(r"[^()]*(?:\([^()]*\)[^()]*)*", text):
        return False
    before, slash, after = text.partition("/")
    # "030/901820" is one number; "030 901820/21" is two numbers, and joining all digits would give neither.
    return not slash or ("/" not in after and len(re.findall("[0-9]", after)) >= 5 and any(map(str.isdigit, before)))


def _format_error(text: str, typed: str) -> InvalidNumber:
    if not re.search("[0-9]", text):
        return InvalidNumber(Reason.NOT_A_NUMBER, typed, "{typed} is not a phone number.")
    if any(char.isalpha() for char in text):
        return InvalidNumber(
            Reason.LETTERS,
            typed,
            "{typed} has letters in it. Only the number itself is read, and letters are never read as digits.",
        )
    return InvalidNumber(
        Reason.CHARACTERS, typed, "{typed} is not a phone number by itself: it has characters that are not part of one."
    )


def _resolve(dialled: str, typed: str) -> PhoneNumber:
    """`dialled` is digits, with a leading + if they start with a country code. Raises InvalidNumber."""
    if not dialled.startswith("00"):
        return _validate(dialled, typed)
    # 00 is the international prefix of most countries, even if PHONE_REGION has others, such as 001 in Singapore.
    found: list[PhoneNumber] = []
    problems: list[InvalidNumber] = []
    for reading in (dialled, "+" + dialled[2:]):
        try:
            found.append(_validate(reading, typed))
        except InvalidNumber as problem:
            problems.append(problem)
    if not found:
        raise problems[-1]
    if any(number != found[0] for number in found):
        raise InvalidNumber(Reason.COUNTRY, typed, "{typed} can be read as two numbers of different countries.")
    return found[0]


def _validate(dialled: str, typed: str) -> PhoneNumber:
    region = settings.PHONE_REGION
    if not dialled.startswith("+") and (
        phonenumbers.is_emergency_number(dialled, region)
        or phonenumbers.is_valid_short_number_for_region(_short(dialled), region)
    ):
        raise InvalidNumber(
            Reason.SHORT_CODE, typed, "{typed} is an emergency number or a short code, which cannot be imported."
        )
    try:
        number = phonenumbers.parse(dialled, region)
    except phonenumbers.NumberParseException as error:
        if error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE:
            raise InvalidNumber(
                Reason.COUNTRY, typed, "{typed} does not begin with the calling code of any country."
            ) from None
        raise InvalidNumber(Reason.LENGTH, typed, "{typed} has too many or too few digits.") from None
    country = f"+{number.country_code}"
    as_national = f"{{typed}} was read as a number in {region}, because it has no country code, and"
    subject = "{typed}" if dialled.startswith("+") else as_national
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible == ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
        raise InvalidNumber(Reason.AREA_CODE, typed, "{typed} has no area code.")
    if possible != ValidationResult.IS_POSSIBLE:
        raise InvalidNumber(
            Reason.LENGTH, typed, f"{subject} has too many or too few digits for a number in {country}."
        )
    if not phonenumbers.is_valid_number(number):
        raise InvalidNumber(Reason.INVALID, typed, f"{subject} is not a number that exists in {country}.")
    if not _every_digit_was_typed(dialled, number):
        raise InvalidNumber(
            Reason.TRUNK_PREFIX,
            typed,
            f"The digits that {{typed}} begins with are not those that a number in {country} is dialled with.",
        )
    if phonenumbers.number_type(number) == PhoneNumberType.PREMIUM_RATE:
        raise InvalidNumber(Reason.PREMIUM_RATE, typed, "{typed} is a premium-rate number, which cannot be imported.")
    return number


def _short(dialled: str) -> PhoneNumber:
    return PhoneNumber(
        country_code=phonenumbers.country_code_for_region(settings.PHONE_REGION), national_number=int(dialled)
    )


def _every_digit_was_typed(dialled: str, number: PhoneNumber) -> bool:
    """Whether the input is exactly a dialling prefix followed by the national number.

    phonenumbers completes and rewrites its input: it adds the area code of a small country, drops a carrier code, and
    accepts a number without its leading 0. Such results are refused.
    """
    national = phonenumbers.national_significant_number(number)
    if not dialled.endswith(national):
        return False
    before, country = dialled.removesuffix(national), str(number.country_code)
    after_country = {country, country + "0"} if _trunk_prefix(number) == "0" else {country}  # +44 (0)20
    if dialled.startswith("+"):
        return before[1:] in after_country
    home = phonenumbers.PhoneMetadata.metadata_for_region(settings.PHONE_REGION)
    international = str(home.international_prefix) if home is not None and home.international_prefix else "(?!)"
    if before in ("", _trunk_prefix(number)):
        national_format = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
        with_trunk_prefix = re.sub(r"[^0-9]", "", national_format) != national
        return bool(before) or not with_trunk_prefix
    return any(
        before == code or re.fullmatch(f"(?:{international}){code}", before) is not None for code in after_country
    )


def _trunk_prefix(number: PhoneNumber) -> str:
    region = phonenumbers.region_code_for_country_code(number.country_code or 0)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    return str(metadata.national_prefix) if metadata is not None and metadata.national_prefix else ""
