"""Every page and every bulk action x everybody: who may see, who may do, and that looking changes nothing.

`rights.txt` beside this is the table, as it is meant to be; tests/api/test_rights.py holds the API to it. What the site
has and the table does not fails the first test, so nothing is added without being decided.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.templatetags.admin_urls import admin_urlname
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.urls import reverse

from controlplane.api import tokens
from controlplane.audit.models import Entry
from controlplane.lifecycle.models import Report
from controlplane.mirror.models import Hold, OutsideChange, SyncRun
from controlplane.operations.models import State
from numbers import services
from numbers.sync import sync_all
from tests.pages.rights import ACTIONS, PAGES, TABLE
from tests.sandbox_process import Sandbox
from tests.sitemap import actions, filled, routes, verbs

pytestmark = pytest.mark.django_db

EVERYBODY = {"V": "visitor", "N": None, "A": "Auditors", "O": "Operators", "M": "Administrators", "S": "superuser"}
KEY = "7b6d3b0e-6c5f-4e53-9f0a-0d3f4a1f9a11"
WRITE = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|TRUNCATE|CREATE|ALTER|DROP)", re.IGNORECASE)
# What a visit itself leaves behind.
BOOKKEEPING = {"django_session", "sign_in_failurecount", "api_allowance"}


def test_the_table_names_every_address_and_action_of_the_site():
    assert set(TABLE) == {*routes(), *actions(), *verbs()}


@dataclass
class World:
    """One of each thing that a page may be about, and whether anything of it all has changed."""

    remote: Sandbox
    rows: dict[str, object]
    messages: list[str]  # to workers

    def address(self, route: str) -> str:
        return filled(route, self.rows)

    def state(self) -> dict[str, object]:
        """Every row of every table, what was sent to ElevenLabs, and what was said to workers."""
        tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)} - BOOKKEEPING
        sent = [call for call in self.remote.calls() if call["method"] != "GET"]
        state: dict[str, object] = {"sent": sent, "messages": list(self.messages)}
        with connection.cursor() as cursor:
            for table in sorted(tables):
                cursor.execute(f'SELECT * FROM "{table}"')
                state[table] = sorted(map(repr, cursor.fetchall()))
        return state

    @contextmanager
    def unchanged(self) -> Iterator[Callable[[str], None]]:
        """Nothing of it all is changed within. What is yielded is told before each request, to name the guilty one."""
        place, guilty, before = "", [], self.state()

        def told(name: str) -> None:
            nonlocal place
            place = name

        def watch(execute, sql, *args):
            if WRITE.match(sql) and not any(table in sql for table in BOOKKEEPING):
                guilty.append((place, sql))
            return execute(sql, *args)

        with connection.execute_wrapper(watch):
            yield told
        assert guilty == []
        assert self.state() == before


@pytest.fixture
def world(workspace, remote, monkeypatch) -> World:
    """No message leaves for the broker: what would have been said is noted."""
    op = services.rename(workspace.bound, "Front", shown="Main", key="k", actor=None)
    assert op.state == State.DONE
    change_set = services.retire_agent(workspace.support, None, key="c", actor=None)
    remote.console("assign", number=workspace.free.remote_id, agent_id=workspace.sales.remote_id)
    sync_all()
    messages: list[str] = []
    monkeypatch.setattr("controlplane.operations.wake._send", lambda task, _: messages.append(str(task)))
    wanda = User.objects.create_user("wanda", password="x", is_staff=True)
    token, _ = tokens.issue(wanda, name="x", lives=timedelta(days=1), by=None, by_name="system")
    rows: dict[str, object] = {
        "admin/api/token/": token.pk,
        "admin/agents/agent/": workspace.sales.pk,
        "admin/numbers/phonenumber/": workspace.bound.pk,
        "admin/numbers/phonenumber/delete-agent/": workspace.sales.pk,
        "admin/operations/operation/": op.pk,
        "admin/operations/changeset/": change_set.pk,
        "admin/mirror/hold/": Hold.objects.create(kind=Hold.Kind.VANISHED, what="numbers", out_of=2).pk,
        "admin/mirror/syncrun/": SyncRun.objects.latest("pk").pk,
        "admin/mirror/outsidechange/": OutsideChange.objects.get().pk,
        "admin/audit/entry/": Entry.objects.latest("pk").pk,
        "admin/audit/entry/<int:pk>/undo/": Entry.objects.get(
            kind="number.changed", cause="operation", cause_id=str(op.pk)
        ).pk,
        "admin/audit/entry/answered/": workspace.bound.remote_id,
        "admin/audit/entry/then/": ("number", workspace.bound.remote_id),
        "admin/auth/user/": wanda.pk,
        "admin/lifecycle/report/": Report.objects.create(base_url=remote.url, actor_name="system").pk,
        "admin/auth/group/": Group.objects.create(name="Night shift").pk,
        "admin/r/": 1,
        "api/agents/": workspace.support.remote_id,
        "api/numbers/": workspace.bound.remote_id,
        "api/operations/": op.pk,
        "api/change-sets/": change_set.pk,
        "api/sync/": SyncRun.objects.latest("pk").pk,
        "admin/": "no-such-page",
    }
    return World(remote, rows, messages)


@pytest.fixture(params=EVERYBODY)
def letter(request) -> str:
    return request.param


@pytest.fixture
def client_of(sign_in) -> Callable[[str], Client]:
    return lambda letter: Client() if letter == "V" else sign_in(EVERYBODY[letter])


def is_let_in(answer) -> bool:
    to_sign_in = answer.status_code == 302 and answer.url.startswith("/admin/login/")
    return not to_sign_in and answer.status_code not in (403, 404, 405)


@pytest.fixture
def client(letter, sign_in) -> Client:
    return Client() if letter == "V" else sign_in(EVERYBODY[letter])


def nasty(world: World, place: str) -> dict[str, object]:
    """What the pages of Django's own would act upon, and the start of what ours would."""
    pk = world.rows.get(place, 1)
    form = {"post": "yes", "_save": "Save", "key": KEY, "agent": "1", "label": "x", "username": "x", "format": "csv"}
    return form | {"action": "delete_selected", "_selected_action": pk, "index": "0", "form-TOTAL_FORMS": 0}


def test_who_sees_what_and_looking_changes_nothing(letter, client, world):
    found = {}
    with world.unchanged() as about:
        for place in PAGES:
            about(place)
            found[place] = is_let_in(client.get(world.address(place)))
    assert found == {place: letter in row.see for place, row in PAGES.items()}


@pytest.mark.parametrize(
    ("verb", "letter"), [("head", "A"), ("head", "S"), ("put", "S"), ("patch", "S"), ("delete", "S")]
)
def test_no_other_verb_changes_anything(verb, letter, client, world):
    with world.unchanged() as about:
        for place, row in PAGES.items():
            about(place)
            let_in = is_let_in(getattr(client, verb)(world.address(place)))
            assert letter in row.see or not let_in, place


def test_who_may_not_do_it_is_refused_and_nothing_is_changed_or_sent(letter, client, world):
    found = {}
    with world.unchanged() as about:
        for place, row in PAGES.items():
            if row.do_needs == "look" or letter not in row.do:
                about(place)
                found[place] = is_let_in(client.post(world.address(place), nasty(world, place)))
    assert found == {place: letter in PAGES[place].do for place in found}
    assert letter == "S" or any(not let_in for let_in in found.values())


def test_who_may_do_it_is_let_in(letter, client, world):
    mine = [place for place, row in PAGES.items() if letter in row.do and row.do_needs != "look"]
    refused = [
        place
        for place in sorted(mine, key=lambda place: "logout" in place)  # the last
        if not is_let_in(client.post(world.address(place), {"key": KEY, "format": "csv"}))
    ]
    assert refused == []


def test_a_bulk_action_is_offered_and_done_as_the_table_says(letter, client, world):
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


def test_each_deed_asks_for_its_own_permission(sign_in, world):
    """Somebody with every right but the one that the table names is refused, by the page and by the action."""
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


def test_buttons_are_shown_only_to_who_may_use_them(sign_in, world):
    numbers = reverse("admin:numbers_phonenumber_changelist")
    auditor = sign_in("Auditors").get(numbers).content.decode()
    operator = sign_in("Operators").get(numbers).content.decode()
    for deed in ("assign", "release", "rename", "remove", "Sync"):
        assert deed in operator
    for deed in ("/assign/", "/release/", "/rename/", "/remove/", "syncrun/start", ">Import<"):
        assert deed not in auditor


def test_the_sync_button_asks_a_worker_and_says_so(operator, monkeypatch):
    asked = []
    monkeypatch.setattr("celery.canvas.Signature.apply_async", lambda task, *_, **__: asked.append(task.task))
    answer = operator.post(reverse("admin:mirror_syncrun_start"), headers={"Referer": "http://evil.example/"})
    assert answer.url == "/admin/"
    assert asked == ["numbers.tasks.sync"]
    assert "Syncing. The header says how far it is." in operator.get("/admin/").content.decode()
    assert SyncRun.objects.get().state == SyncRun.State.ASKED
