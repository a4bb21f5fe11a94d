"""Guessing is slow from every direction, and an attacker cannot lock the owner out of their account."""

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client

from controlplane.accounts.purge_expired import purge_expired
from controlplane.audit.models import Entry
from tests.sign_in.conftest import PASSWORD, api, page, words

pytestmark = pytest.mark.django_db
HERE, ELSEWHERE = "192.0.2.1", "198.51.100.7"
FEW, MANY = 4, 10  # the limits of most tests here: each attempt renders a page


@pytest.fixture(autouse=True)
def limits(request, settings) -> None:
    if "shipped_limits" not in request.fixturenames:
        settings.SIGN_IN_FAILURES = {"pair": FEW, "device": FEW, "address": MANY, "account": MANY}


@pytest.fixture
def shipped_limits(settings) -> None:
    assert settings.SIGN_IN_FAILURES == {"pair": 10, "device": 10, "address": 50, "account": 50}


def rows() -> int:
    """The rows of every table that a sign-in may write."""
    counts = 0
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table.startswith(("sign_in", "axes", "audit_entry")):
                cursor.execute(f'SELECT count(*) FROM "{table}"')
                counts += cursor.fetchone()[0]
    return counts


def lock_out(name: str = "ada", address: str = HERE) -> None:
    for _ in range(FEW):
        page(name, address=address)


def guess_from_everywhere(name: str) -> None:
    """As many failures as lock an account, but too few per address to lock one."""
    for turn in range(MANY):
        assert page(name, address=f"203.0.113.{turn % (MANY // 2)}").status_code == 200


def test_ten_failures_lock_the_account_at_that_address_alone(shipped_limits, ada, hashed):
    for _ in range(5):
        assert page("ada").status_code == 200
        assert api("ada").status_code == 401
    before = hashed()
    locked = page("ada", PASSWORD)
    assert locked.status_code == 429
    assert locked["Retry-After"] == "900"
    assert "Try again in 15 minutes" in locked.content.decode()
    assert api("ada", PASSWORD).json()["detail"] == "Too many failed sign-ins. Try again in 15 minutes."
    assert hashed() == before
    assert page("ada", PASSWORD, ELSEWHERE).status_code == 302


def test_the_lock_ends_15_minutes_after_it_began_whatever_is_tried_meanwhile(ada, time_machine):
    for _ in range(FEW - 1):
        page("ada")
    time_machine.shift(600)
    page("ada")
    for _ in range(5):
        assert page("ada", PASSWORD).status_code == 429
        time_machine.shift(177)
    assert page("ada", PASSWORD)["Retry-After"] == "15"
    time_machine.shift(15)
    assert page("ada", PASSWORD).status_code == 302


def test_clients_behind_a_proxy_are_distinguished(ada, settings):
    settings.TRUSTED_PROXIES = 1

    def at(address: str, password: str) -> int:
        typed = {"username": "ada", "password": password}
        forged = "198.51.100.7, 127.0.0.1, 10.0.0.1"
        return (
            Client()
            .post("/admin/login/?next=/admin/", typed, HTTP_X_FORWARDED_FOR=f"{forged}, {address}", REMOTE_ADDR=HERE)
            .status_code
        )

    assert [at("203.0.113.9", "wrong") for _ in range(FEW + 1)] == [200] * FEW + [429]
    assert at("203.0.113.10", PASSWORD) == 302
    assert Entry.objects.latest("pk").words == "signed in from 203.0.113.10"


def test_many_names_from_one_address_lock_it(ada, hashed):
    """Known names or not, on the page or through the API."""
    for turn in range(MANY // 2):
        assert page(f"nobody{turn}").status_code == 200
        assert api(f"nobody{turn + MANY}").status_code == 401
    before, kept = hashed(), rows()
    answer = page("another")
    assert answer.status_code == 429
    assert "(192.0.2.1) is locked, with any user name" in answer.content.decode()
    assert [door(name).status_code for door in (page, api) for name in ("ada", "one more", "x" * 100)] == [429] * 6
    assert (hashed(), rows()) == (before, kept)
    assert page("ada", PASSWORD, ELSEWHERE).status_code == 302


def test_an_ipv6_customer_has_one_limit(ada):
    for host in range(MANY):
        page(f"nobody{host}", address=f"2001:db8::{host:x}")
    assert page("ada", PASSWORD, "2001:db8::abcd").status_code == 429
    assert page("ada", PASSWORD, "2001:db8:0:1::1").status_code == 302


def test_an_account_of_ones_own_gives_no_free_guesses_at_others(ada):
    User.objects.create_user("eve", password=PASSWORD, is_staff=True)
    for turn in range(MANY):
        assert page(f"nobody{turn}").status_code == 200
        if turn % 4 == 0:
            assert page("eve", PASSWORD).status_code == 302
    assert page("another").status_code == 429


def test_a_distributed_guess_is_limited_and_the_person_still_signs_in(ada):
    laptop = Client()
    assert page("ada", PASSWORD, browser=laptop).status_code == 302
    guess_from_everywhere("ada")
    answer = page("ada", PASSWORD, ELSEWHERE)
    assert answer.status_code == 429
    assert "except in a browser where you have signed in before" in answer.content.decode()
    # From the attackers' addresses, too: their failures do not count against this device.
    assert page("ada", PASSWORD, "203.0.113.1", laptop).status_code == 302
    lock_out()
    assert page("ada", PASSWORD, HERE, laptop).status_code == 302


def test_a_known_device_has_a_limit_of_its_own(ada):
    laptop = Client()
    page("ada", PASSWORD, browser=laptop)
    assert [page("ada", browser=laptop).status_code for _ in range(FEW + 1)] == [200] * FEW + [429]
    assert page("ada", PASSWORD, browser=laptop).status_code == 429
    assert page("ada", PASSWORD).status_code == 302


def test_a_device_is_known_to_its_own_account_only(ada):
    eve = User.objects.create_user("eve", password=PASSWORD, is_staff=True)
    browser = Client()
    page("eve", PASSWORD, browser=browser)
    cookie = browser.cookies[f"known_device_{eve.pk}"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    guess_from_everywhere("ada")
    for value in (cookie.value, "forged", "a:b:c", ""):
        browser.cookies[f"known_device_{ada.pk}"] = value
        assert page("ada", PASSWORD, ELSEWHERE, browser).status_code == 429


def test_a_lock_does_not_reveal_which_names_exist(ada):
    def seen(name: str) -> list[tuple[int, bytes]]:
        guess_from_everywhere(name)
        answer = page(name, address=ELSEWHERE)
        return [(answer.status_code, answer.content)]

    assert seen("ada") == seen("nobody")


def test_a_right_password_starts_the_count_again(ada):
    for _ in range(3):
        assert [page("ada").status_code for _ in range(FEW - 1)] == [200] * (FEW - 1)
        assert page("ada", PASSWORD).status_code == 302


def test_failures_count_for_15_minutes(ada, time_machine):
    for _ in range(FEW - 1):
        page("ada")
    time_machine.shift(901)
    assert [page("ada").status_code for _ in range(FEW + 1)] == [200] * FEW + [429]


def test_the_history_of_a_lock_is_bounded(ada, time_machine):
    for _ in range(FEW // 2):
        page("ada")
        api("ada")
    assert words() == [
        ("ada", f"was locked for sign-ins from 192.0.2.1 for 15 minutes, after {FEW} failed sign-ins"),
    ]
    before = rows()
    for _ in range(5):
        page("ada", PASSWORD)
        api("ada")
    assert rows() == before
    time_machine.shift(900)
    page("ada", PASSWORD)
    assert words()[1:] == [("ada", "10 more sign-ins from 192.0.2.1 were refused while it was locked")]
    assert Entry.objects.filter(kind="person.failed").count() == FEW
    assert [one.kind for one in Entry.objects.order_by("-pk")[:2]] == ["person.signed_in", "person.refused"]


def test_the_history_of_a_spray_is_bounded(time_machine):
    for turn in range(MANY + 6):
        page(f"nobody{turn}")
    assert Entry.objects.filter(kind="person.failed").count() == MANY
    locked = f"was locked for sign-ins with any name for 15 minutes, after {MANY} failed sign-ins"
    assert words() == [("192.0.2.1", locked)]
    time_machine.shift(900)
    assert purge_expired() > MANY  # the periodic task, if there are no more attempts
    assert words()[1:] == [("192.0.2.1", "6 more sign-ins were refused while it was locked")]
    assert purge_expired() == 0


@pytest.mark.django_db(transaction=True)
def test_the_tables_of_the_previous_version_go():
    """They contain what was entered as a user name."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE axes_accessattempt (username varchar(255))")
    call_command("migrate", "sign_in", "0001", "--fake", verbosity=0)
    call_command("migrate", "sign_in", verbosity=0)
    assert "axes_accessattempt" not in connection.introspection.table_names()
