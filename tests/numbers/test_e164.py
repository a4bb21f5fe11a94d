"""Typed text becomes a number or an error message, and stored numbers are compared and shown unchanged."""

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from numbers.e164 import EXAMPLE, NO_ADVICE, InvalidNumber, Reason, grouped, parse, same
from numbers.forms import ImportForm

MAIN = "+14155550123"
LONDON = "+442079460018"
BERLIN = "+4930901820"
BUCHAREST = "+40213456789"
MOBILE = "+40723800439"

TYPED: dict[str, dict[str, str | Reason]] = {
    "US": {
        # accepted: digits of every script, separators, and invisible characters of pasted text
        "+14155550123": MAIN,
        "+1 (415) 555-0123": MAIN,
        "(415) 555-0123": MAIN,
        "4155550123": MAIN,
        "1-415-555-0123": MAIN,
        "  +1.415.555.0123\t": MAIN,
        "+1  415\t555 0123\n": MAIN,
        "+１４１５５５５０１２３": MAIN,
        "４１５５５５０１２３": MAIN,
        "+١٤١٥٥٥٥٠١٢٣": MAIN,
        "+1\u00a0415\u202f555\u20090123\u00a0": MAIN,
        "+1\u200b4155550123": MAIN,
        "\u202a+1 415 555 0123\u202c": MAIN,
        "\u202d+1 415 555 0123\u202c": MAIN,
        "\u2066+1 415 555 0123\u2069\ufeff": MAIN,
        "+1\u2011415\u2212555\u20130123": MAIN,
        "(+1) 415 555 0123": MAIN,
        "tel:+1-415-555-0123": MAIN,
        "TEL:+14155550123;phone-context=+1": MAIN,
        "011 44 20 7946 0018": LONDON,
        "00 44 20 7946 0018": LONDON,
        "+44 (0)20 7946 0018": LONDON,
        "+390612345678": "+390612345678",  # Italian numbers keep the leading zero
        "+40723800439": MOBILE,
        "+15005550001": "+15005550001",  # a test number of the sandbox: docs/sandbox.md
        # letters
        "+4072d3800439": Reason.LETTERS,
        "+1 800 FLOWERS": Reason.LETTERS,
        "Support +1 415 555 2672": Reason.LETTERS,
        "415-555-0123 or 415-555-0124": Reason.LETTERS,
        "hello": Reason.NOT_A_NUMBER,
        "+": Reason.NOT_A_NUMBER,
        "\0": Reason.NOT_A_NUMBER,
        "": Reason.EMPTY,
        " \u200b ": Reason.EMPTY,
        "9" * 10_000: Reason.NOT_A_NUMBER,
        # other characters
        "++14155550123": Reason.CHARACTERS,
        "=+14155550123": Reason.CHARACTERS,
        "'+14155550123": Reason.CHARACTERS,
        "-4155550123": Reason.CHARACTERS,
        "+1+4155550123": Reason.CHARACTERS,
        "*67 415 555 0123": Reason.CHARACTERS,
        "(415 555 0123": Reason.CHARACTERS,
        "415\n5550123": Reason.CHARACTERS,
        "4155550123\u00b2": Reason.CHARACTERS,  # a superscript two
        "+1\ud800": Reason.CHARACTERS,
        "+1 415 555 0123 x123": Reason.EXTENSION,
        "+1 415 555 0123 ext. 123": Reason.EXTENSION,
        "415-555-0123#5": Reason.EXTENSION,
        "+14155550123;ext=5": Reason.EXTENSION,
        "tel:+14155550123;ext=5": Reason.EXTENSION,
        "tel:2671;phone-context=+1415555": Reason.TEL_URI,
        "tel:4155550123": Reason.TEL_URI,
        # not a complete number of the numbering plan
        "555 2671": Reason.AREA_CODE,
        "+1 555 2671": Reason.AREA_CODE,
        "+1 415 555 012": Reason.LENGTH,
        "+1 415 555 01234": Reason.LENGTH,
        "+999 123": Reason.COUNTRY,
        "+1 555 010 0123": Reason.INVALID,
        "40723800439": Reason.LENGTH,  # a number of another country, without the +
        "+1 1 415 555 0123": Reason.TRUNK_PREFIX,
        "911": Reason.SHORT_CODE,
        "+1 900 555 1234": Reason.PREMIUM_RATE,
    },
    "GB": {
        "020 7946 0018": LONDON,
        "(020) 7946 0018": LONDON,
        "44 20 7946 0018": LONDON,
        "0044 20 7946 0018": LONDON,
        "+44 020 7946 0018": LONDON,
        "+1 415 555 0123": MAIN,
        "2079460018": Reason.TRUNK_PREFIX,
        "7946 0018": Reason.AREA_CODE,
        "011 1 415 555 0123": Reason.LENGTH,  # in Great Britain, 011 starts area codes
        "999": Reason.SHORT_CODE,
        "0909 8790000": Reason.PREMIUM_RATE,
    },
    "DE": {
        "030 901820": BERLIN,
        "030/901820": BERLIN,
        "0049 (0)30 901820": BERLIN,
        "+49 30 901820": BERLIN,
        "030 901820/21": Reason.CHARACTERS,  # two numbers
        "4155550123": Reason.TRUNK_PREFIX,  # an American number, which the library reads as one of Büchen
        "901820": Reason.INVALID,
        "112": Reason.SHORT_CODE,
    },
    "RO": {
        "0723 800 439": MOBILE,
        "021 345 6789": BUCHAREST,
        "00 40 723 800 439": MOBILE,
        "40723800439": MOBILE,
        "723 800 439": Reason.TRUNK_PREFIX,
        "0900 123 456": Reason.PREMIUM_RATE,
    },
    # numbers that the library completes or rewrites
    "AG": {"460 1234": Reason.TRUNK_PREFIX, "268 460 1234": "+12684601234"},
    "AR": {"011 15-2345-6789": Reason.TRUNK_PREFIX, "011 2345 6789": "+541123456789"},
    "AU": {"0011 1 415 555 0123": MAIN, "1800 123 456": "+611800123456"},
    "BR": {"0 15 21 2345 6789": Reason.TRUNK_PREFIX},
    # Singapore has prefixes of three digits: with 004, this is the Swiss +41 21 234 56 78, with 00 a number of +44
    "SG": {"00441212345678": Reason.COUNTRY, "001 415 555 0123": MAIN, "+441212345678": "+441212345678"},
}
ROWS = [(region, typed, becomes) for region, rows in TYPED.items() for typed, becomes in rows.items()]


@pytest.mark.parametrize(("region", "typed", "becomes"), ROWS, ids=range(len(ROWS)))
def test_what_a_person_types(region, typed, becomes, settings):
    settings.PHONE_REGION = region
    if isinstance(becomes, Reason):
        with pytest.raises(InvalidNumber) as refusal:
            parse(typed)
        assert refusal.value.reason == becomes
        assert (f"such as {EXAMPLE}" in str(refusal.value)) == (becomes not in NO_ADVICE)
        assert len(str(refusal.value)) < 220
    else:
        assert parse(typed) == becomes
        assert parse(becomes) == becomes
        assert same(typed, becomes)


@examples(max_examples=300, derandomize=True, deadline=None, database=None)
@given(
    st.text(" ()+-./0123456789\u200f\u0663\uff14xX;#", min_size=8, max_size=18),
    st.sampled_from(["US", "GB", "AG", "AR"]),
)
def test_no_digit_is_made_up_and_none_is_left_out(typed, region):
    from django.test import override_settings

    with override_settings(PHONE_REGION=region):
        try:
            number = parse(typed)
        except InvalidNumber:
            return
    digits = "".join(str(int(char)) for char in typed if char.isdecimal())
    national = number[2:] if number.startswith("+1") else number[3:]
    assert national.endswith(digits) or digits.endswith(national)


def test_a_refusal_shows_what_was_typed_without_hidden_characters_or_credentials():
    def refused(typed: str) -> str:
        with pytest.raises(InvalidNumber) as refusal:
            parse(typed)
        return str(refusal.value)

    assert "“+1[U+202E]415x[U+000A]y”" in refused("+1\u202e415x\ny")
    assert refused("a" * 19 + " " * 30 + "1").count("a") < 60
    token = "0123456789abcdef" * 2
    for typed in (token, f"AC{token}", f"token={token}", f"1{token}"):
        assert token[:10] not in refused(typed)


def test_the_example_of_the_form_is_accepted():
    assert EXAMPLE in str(ImportForm.base_fields["phone_number"].help_text)
    assert parse(EXAMPLE) == MAIN


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (MAIN, "+14155550124", False),
        (MAIN, "(415) 555-0123", True),
        ("+15550100123", "+1 (555) 010-0123", True),  # not valid, but may be stored
        ("+15550100123", "+15550100124", False),
        ("+1 800 FLOWERS", "+18003569377", False),
        ("sip:anna@example.com", "sip:anna@example.com", True),  # users of a SIP trunk are compared as text
        ("sip:anna@example.com", "sip:bert@example.com", False),
        ("sip:anna@example.com", MAIN, False),
        ("None", "None", True),
    ],
)
def test_same(one, other, equal):
    assert same(one, other) is equal
    assert same(other, one) is equal


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        (MAIN, "+1 415 555 0123"),
        (LONDON, "+44 20 7946 0018"),
        ("+15550100123", "+1 555 010 0123"),
        ("+1 800 FLOWERS", "+1 800 FLOWERS"),
        ("+4402079460018", "+4402079460018"),  # formatting would drop the 0
        ("4155550123", "4155550123"),
        ("+1 (415) 555-0123", "+1 (415) 555-0123"),
        ("+1415555012٣", "+1415555012٣"),
        ("anna@example.com", "anna@example.com"),
        ("", ""),
    ],
)
def test_a_stored_number_is_shown_with_its_own_digits(stored, shown):
    assert grouped(stored) == shown
