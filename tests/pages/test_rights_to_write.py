"""Every page that writes and every bulk action x every role: who may use it, and that a refusal changes and sends
nothing.

As in test_rights.py, `rights.txt` is the specification.
"""

import pytest
from django.contrib import admin
from django.contrib.admin.templatetags.admin_urls import admin_urlname
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from controlplane.mirror.models import OutsideChange
from tests.pages.rights import ACTIONS, PAGES
from tests.pages.world import KEY, World, border, client, everybody, is_let_in, letter, pages, world

__all__ = ["client", "everybody", "letter", "pages", "world"]

pytestmark = pytest.mark.django_db


def nasty(world: World, place: str) -> dict[str, object]:
    """Form data that Django's own pages would act on, and the start of what the project's pages would accept."""
    pk = world.rows.get(place, 1)
    form = {"post": "yes", "_save": "Save", "key": KEY, "agent": "1", "label": "x", "username": "x", "format": "csv"}
    return form | {"action": "delete_selected", "_selected_action": pk, "index": "0", "form-TOTAL_FORMS": 0}


def test_the_strongest_who_may_not_do_it_is_refused_and_nothing_is_changed_or_sent(everybody, world, pages):
    """Pages that treat a POST like a GET are tested as a superuser, whom no permission would stop."""
    wrong = []
    with world.unchanged() as about:
        for place, row in pages.items():
            about(place)
            refused = {person for person in border(row.do) if person not in row.do}
            for person in refused | {"S"} if row.do_needs == "look" else refused:
                if is_let_in(everybody[person].post(world.address(place), nasty(world, place))) != (person in row.do):
                    wrong.append((person, place))
    assert wrong == []


def test_the_weakest_who_may_do_it_is_let_in(everybody, world):
    refused = []
    for place, row in PAGES.items():
        for person in border(row.do):
            if person in row.do and row.do_needs != "look":
                answer = everybody[person].post(world.address(place), {"key": KEY, "format": "csv"})
                if not is_let_in(answer):
                    refused.append((person, place))
    assert refused == []


def test_bulk_actions_on_both_sides_of_each_border(everybody, world):
    """Users without permission change nothing; users with permission do."""
    attempts = []
    with world.unchanged() as about:
        for place, row in ACTIONS.items():
            page, name = place.split(" ")
            chosen = {"action": name, "_selected_action": world.rows[page], "index": "0", "post": "yes"}
            for person in border(row.do):
                offered = name in actions_offered(everybody[person], f"/{page}")
                assert offered == (person in row.do), (person, place)
                if offered:
                    attempts.append((person, f"/{page}", chosen))
                else:
                    about(place)
                    everybody[person].post(f"/{page}", chosen)
    for person, page, chosen in attempts:
        before = world.state()
        everybody[person].post(page, chosen)
        assert world.state() != before, (page, chosen)
        OutsideChange.objects.update(state=OutsideChange.State.OPEN)


def test_who_may_not_do_it_is_refused_and_nothing_is_changed_or_sent(letter, client, world, pages):
    found = {}
    with world.unchanged() as about:
        for place, row in pages.items():
            if row.do_needs == "look" or letter not in row.do:
                about(place)
                found[place] = is_let_in(client.post(world.address(place), nasty(world, place)))
    assert found == {place: letter in PAGES[place].do for place in found}
    assert letter == "S" or any(not let_in for let_in in found.values())


def test_who_may_do_it_is_let_in(letter, client, world, pages):
    mine = [place for place, row in pages.items() if letter in row.do and row.do_needs != "look"]
    refused = [
        place
        for place in sorted(mine, key=lambda place: "logout" in place)  # last, because it ends the session
        if not is_let_in(client.post(world.address(place), {"key": KEY, "format": "csv"}))
    ]
    assert refused == []


def test_a_bulk_action_is_offered_and_done_as_the_table_specifies(letter, client, world):
    for place, row in ACTIONS.items():
        page, name = place.split(" ")
        chosen = {"action": name, "_selected_action": world.rows[page], "index": "0", "post": "yes"}
        offered = letter != "V" and name in actions_offered(client, f"/{page}")
        assert offered == (letter in row.do), place
        if letter in row.do:
            before = world.state()
            client.post(f"/{page}", chosen)
            assert world.state() != before, place
            OutsideChange.objects.update(state=OutsideChange.State.OPEN)
        else:
            with world.unchanged() as about:
                about(place)
                client.post(f"/{page}", chosen)


def actions_offered(client: Client, page: str) -> set[str]:
    request = client.get(page).wsgi_request
    pages = {reverse(admin_urlname(model._meta, "changelist")): one for model, one in admin.site._registry.items()}
    return set(pages[page].get_actions(request))


def test_each_action_requires_its_own_permission(sign_in, world):
    """A user with every permission except the one that the table names is refused, by the page and by the action."""
    client = sign_in(None)
    user = User.objects.get(username="nobody")
    user.user_permissions.set(Permission.objects.all())
    wrong = []
    for place, row in {**PAGES, **ACTIONS}.items():
        page, _, name = place.partition(" ")
        for needs, verb in ((row.see_needs, "get"), (row.do_needs, "post")):
            if "." not in needs:
                continue
            app, codename = needs.split(".")
            names = [*codename.split("/"), codename.replace("view_", "change_")]
            rights = Permission.objects.filter(content_type__app_label=app, codename__in=names)
            user.user_permissions.remove(*rights)
            if name:
                let_in = name in actions_offered(client, f"/{page}")
            else:
                let_in = is_let_in(getattr(client, verb)(world.address(page)))
            if let_in:
                wrong.append((place, verb))
            user.user_permissions.add(*rights)
    assert wrong == []


def test_a_post_without_the_token_of_its_page_is_refused(sign_in, world):
    forger = Client(enforce_csrf_checks=True)
    forger.cookies = sign_in("superuser").cookies
    with world.unchanged() as about:
        for place, row in PAGES.items():
            if "S" in row.do and place != "admin/login/":
                about(place)
                assert forger.post(world.address(place)).status_code in (403, 405), place
