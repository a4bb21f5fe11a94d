"""A number is one number however it is typed, and what is none is refused in a sentence for staff."""

import pytest

from numbers.e164 import grouped, parse, same

MAIN = "+15550100123"
NOTATIONS = [
    "+15550100123",
    "+1 555 010 0123",
    "+1 (555) 010-0123",
    "(555) 010-0123",
    "5550100123",
    "1-555-010-0123",
    "  +1.555.010.0123\t",
    "+１５５５０１００１２３",  # full-width digits, as some keyboards give
    "５５５０１００１２３",
    "+١٥٥٥٠١٠٠١٢٣",  # Arabic-Indic digits
    "+1\u00a0555\u00a0010\u00a00123",  # no-break spaces, as a web page gives them
    "+1\u200b5550100123",  # a zero-width space
    "tel:+1-555-010-0123",
    "011 1 555 010 0123",  # as dialled out of the US
]


@pytest.mark.parametrize("typed", NOTATIONS)
def test_one_number_in_every_notation(typed):
    assert parse(typed) == MAIN
    assert same(typed, MAIN)


@pytest.mark.parametrize(
    ("typed", "e164"),
    [
        ("+44 20 7946 0018", "+442079460018"),
        ("+49 (0)30 901820", "+4930901820"),
        ("+390612345678", "+390612345678"),  # Italy keeps its zero
        ("+33 1 99 00 12 34", "+33199001234"),
    ],
)
def test_other_countries(typed, e164):
    assert parse(typed) == e164
    assert parse(grouped(e164)) == e164


def test_the_region_of_a_number_without_country_code_is_a_setting(settings):
    settings.PHONE_REGION = "GB"
    assert parse("020 7946 0018") == "+442079460018"
    assert parse(MAIN) == MAIN


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", "not a phone number"),
        ("   ", "not a phone number"),
        ("hello", "not a phone number"),
        ("+", "not a phone number"),
        ("AC" + "1" * 32, "not a phone number"),
        ("+999 123", "not a phone number"),  # no such country
        ("+1 555 010", "too many or too few"),
        ("+1 555 010 0123 4567", "too many or too few"),
        ("911", "too many or too few"),
        ("+1 555 010 0123 ext. 5", "extension"),
        ("+1 555 010 0123;ext=5", "extension"),
        ("\0", "not a phone number"),
        ("+1\ud800", "not a phone number"),
        ("9" * 10_000, "not a phone number"),
    ],
)
def test_what_is_no_number_is_refused_in_a_sentence(typed, says):
    with pytest.raises(ValueError, match=says) as refusal:
        parse(typed)
    sentence = str(refusal.value)
    assert sentence.endswith(".")
    assert "Exception" not in sentence
    assert len(sentence) < 120


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (MAIN, "+15550100124", False),
        ("sip:anna@example.com", "sip:anna@example.com", True),  # a trunk's user is compared as text
        ("sip:anna@example.com", "sip:bert@example.com", False),
        ("sip:anna@example.com", MAIN, False),
        ("None", "None", True),
    ],
)
def test_same(one, other, equal):
    assert same(one, other) is equal
    assert same(other, one) is equal


@pytest.mark.parametrize("typed", NOTATIONS)
def test_parsing_twice_changes_nothing(typed):
    assert parse(parse(typed)) == parse(typed)


def test_grouped_is_for_people_and_leaves_alone_what_is_no_number():
    assert grouped(MAIN) == "+1 555 010 0123"
    assert grouped("anna@example.com") == "anna@example.com"
    assert grouped("") == ""
