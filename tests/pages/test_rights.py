"""Every page x every role: who may view it, and that viewing changes nothing.

`rights.txt` is the specification; test_rights_to_write.py and tests/api/test_rights.py check the rest of the site.
The first test fails if the site has a URL that the table does not list, so that every addition is a decision.
"""

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from controlplane.mirror.models import SyncRun
from tests.pages.rights import TABLE
from tests.pages.world import EVERYBODY, border, client, everybody, is_let_in, letter, pages, world
from tests.sitemap import actions, routes, verbs

__all__ = ["client", "everybody", "letter", "pages", "world"]

pytestmark = pytest.mark.django_db


def test_the_table_names_every_address_and_action_of_the_site():
    assert set(TABLE) == {*routes(), *actions(), *verbs()}


def test_a_role_has_the_rights_of_whom_the_table_names(everybody):
    """The permission named in the table is held by exactly the roles that the table lists."""
    permissions = {f"{one.content_type.app_label}.{one.codename}" for one in Permission.objects.all()}
    wrong = []
    for person, role in EVERYBODY.items():
        user = User.objects.get(username=role or "nobody") if person != "V" else None
        for place, row in TABLE.items():
            for needs, who in ((row.see_needs, row.see), (row.do_needs, row.do)):
                if "." in needs:
                    app, _, codenames = needs.partition(".")
                    names = [f"{app}.{one}" for one in codenames.split("/")]
                    assert permissions.issuperset(names), place
                    names += [one.replace(".view_", ".change_") for one in names]
                    may = user is not None and any(map(user.has_perm, names))
                elif needs == "some":
                    may = user is not None and user.has_module_perms(place.split("/")[1])
                elif needs in ("anybody", "staff", "superuser", "nobody"):
                    may = person in {"anybody": "VNAOMS", "staff": "NAOMS", "superuser": "S", "nobody": ""}[needs]
                else:
                    continue
                if may != (person in who):
                    wrong.append((person, place, needs))
    assert wrong == []


def test_on_both_sides_of_each_border_and_looking_changes_nothing(everybody, world, pages):
    wrong = []
    with world.unchanged() as about:
        for place, row in pages.items():
            about(place)
            for person in border(row.see):
                if is_let_in(everybody[person].get(world.address(place))) != (person in row.see):
                    wrong.append((person, place))
    assert wrong == []


def test_who_sees_what_and_looking_changes_nothing(letter, client, world, pages):
    found = {}
    with world.unchanged() as about:
        for place in pages:
            about(place)
            found[place] = is_let_in(client.get(world.address(place)))
    assert found == {place: letter in row.see for place, row in pages.items()}


@pytest.mark.parametrize(
    ("verb", "letter"),
    [
        ("put", "S"),
        pytest.param("head", "S", marks=pytest.mark.slow),
        pytest.param("head", "A", marks=pytest.mark.slow),
        pytest.param("patch", "S", marks=pytest.mark.slow),
        pytest.param("delete", "S", marks=pytest.mark.slow),
    ],
)
def test_no_other_verb_changes_anything(verb, letter, client, world, pages):
    with world.unchanged() as about:
        for place, row in pages.items():
            about(place)
            let_in = is_let_in(getattr(client, verb)(world.address(place)))
            assert letter in row.see or not let_in, place


def test_buttons_are_shown_only_to_who_may_use_them(sign_in, world):
    numbers = reverse("admin:numbers_phonenumber_changelist")
    auditor = sign_in("Auditors").get(numbers).content.decode()
    operator = sign_in("Operators").get(numbers).content.decode()
    for action in ("assign", "release", "rename", "remove", "Sync"):
        assert action in operator
    for action in ("/assign/", "/release/", "/rename/", "/remove/", "syncrun/start", ">Import<"):
        assert action not in auditor


def test_the_sync_button_notifies_a_worker_and_reports_it(operator, monkeypatch):
    sent_tasks = []
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda task, *_, **__: sent_tasks.append(task.name))
    answer = operator.post(reverse("admin:mirror_syncrun_start"), headers={"Referer": "http://evil.example/"})
    assert answer.url == "/admin/"
    assert sent_tasks == ["numbers.tasks.sync"]
    assert "Syncing. The header shows the progress." in operator.get("/admin/").content.decode()
    assert SyncRun.objects.get().state == SyncRun.State.ASKED
