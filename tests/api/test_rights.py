"""Every endpoint of the API x every role, by the same table as the pages (tests/pages/rights.txt)."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User

from tests.api.caller import TWILIO, Caller
from tests.pages.rights import API
from tests.pages.world import EVERYBODY, World, world

__all__ = ["world"]
pytestmark = pytest.mark.django_db
BODIES: dict[str, Callable[[World], Any]] = {
    "POST api/agents": lambda _: {"name": "New"},
    "PATCH api/agents/<agent_id>": lambda _: {"name": "Renamed"},
    "PATCH api/numbers/<number_id>": lambda _: {"label": "Night line"},
    "PATCH api/numbers/<number_id>/assign": lambda _: {"agent_id": None},
    "POST api/agents/<agent_id>/archive": lambda _: {},
    "POST api/agents/<agent_id>/duplicate": lambda _: {"name": "Copy"},
    "POST api/agents/<agent_id>/restore": lambda _: {},
    "POST api/numbers/import": lambda _: {"phone_number": "+14155550077", "label": "x", **TWILIO},
    "POST api/sync": lambda _: {},
    "POST api/token": lambda _: {"username": "nobody at all", "password": "x"},
    "POST api/token/refresh": lambda _: {"refresh_token": "x"},
    "POST api/token/revoke": lambda _: {"refresh_token": "x"},
}
OF_NO_TOKEN = [place for place in API if place.startswith("POST api/token")]


def caller(letter: str) -> Caller:
    if letter == "V":
        return Caller(None)
    user = User.objects.create_user(f"caller-{letter}", is_staff=True, is_superuser=letter == "S")
    if role := {**EVERYBODY, "S": None}[letter]:
        user.groups.add(Group.objects.get(name=role))
    return Caller(user)


def ask(call: Caller, place: str, world: World) -> int:
    method, route = place.split(" ")
    body = BODIES[place](world) if place in BODIES else None
    return call(method, world.address(route).removeprefix("/api"), body).status_code


@pytest.fixture
def callers(world) -> dict[str, Caller]:
    return {letter: caller(letter) for letter in EVERYBODY}


def test_who_sees_what_and_looking_changes_nothing(callers, world):
    looks = [place for place in API if place.startswith("GET ")]
    with world.unchanged() as about:
        for letter, call in callers.items():
            found = {}
            for place in looks:
                about(f"{letter} {place}")
                found[place] = ask(call, place, world)
            refused = 401 if letter == "V" else 403
            assert found == {place: 200 if letter in API[place].see else refused for place in looks}, letter


def test_who_may_not_do_it_is_refused_and_nothing_is_changed_or_sent(callers, world):
    with world.unchanged() as about:
        for letter, call in callers.items():
            found = {}
            for place, row in API.items():
                if letter not in row.do and not place.startswith("GET "):
                    about(f"{letter} {place}")
                    found[place] = ask(call, place, world)
            assert set(found.values()) <= {401 if letter == "V" else 403}, letter
            assert found or letter in "OMS"


@pytest.mark.parametrize("letter", EVERYBODY)
def test_who_may_do_it_is_let_in(letter, world):
    call = caller(letter)
    mine = [place for place, row in API.items() if letter in row.do and place not in OF_NO_TOKEN]
    found = {place: ask(call, place, world) for place in sorted(mine, key=lambda place: place.startswith("DELETE"))}
    assert [place for place, status in found.items() if status in (401, 403, 404, 405)] == []


def test_each_verb_asks_for_its_own_permission(world):
    """A user with every permission except the one that the table names is refused."""
    user = User.objects.create_user("nobody", is_staff=True)
    call, wrong = Caller(user), []
    for place, row in API.items():
        needs = row.do_needs if row.see_needs == "-" else row.see_needs
        if "." not in needs:
            continue
        app, codename = needs.split(".")
        user.user_permissions.set(Permission.objects.exclude(content_type__app_label=app, codename=codename))
        if ask(call, place, world) != 403:
            wrong.append(place)
    assert wrong == []


def test_to_delete_an_agent_with_its_numbers_takes_the_right_to_assign_them(world):
    user = User.objects.create_user("nobody", is_staff=True)
    user.user_permissions.set(Permission.objects.exclude(codename="assign_phonenumber"))
    path = world.address("api/agents/<agent_id>").removeprefix("/api")
    call = Caller(user)
    with world.unchanged() as about:
        about(path)
        assert call("DELETE", f"{path}?numbers=release").status_code == 403
    user.user_permissions.set(Permission.objects.all())
    assert call("DELETE", f"{path}?numbers=release").status_code == 202
