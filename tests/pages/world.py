"""One row of each kind that has a page, users of each role, and a check that nothing changed."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client

from controlplane.api import tokens
from controlplane.audit.models import Entry
from controlplane.lifecycle.models import Report
from controlplane.mirror.models import Hold, OutsideChange, SyncRun
from controlplane.operations.models import State
from numbers.sync import sync_all
from tests import number_writes as services
from tests.pages.rights import PAGES, Row
from tests.sandbox_process import Sandbox
from tests.sitemap import filled

EVERYBODY = {"V": "visitor", "N": None, "A": "Auditors", "O": "Operators", "M": "Administrators", "S": "superuser"}
KEY = "7b6d3b0e-6c5f-4e53-9f0a-0d3f4a1f9a11"
WRITE = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|TRUNCATE|CREATE|ALTER|DROP)", re.IGNORECASE)
# A page view itself writes to these tables.
BOOKKEEPING = {"django_session", "sign_in_failurecount", "api_allowance"}


@dataclass
class World:
    """One object of each kind that has a page, and a check whether any of them has changed."""

    remote: Sandbox
    rows: dict[str, object]
    messages: list[str]  # to workers

    def address(self, route: str) -> str:
        return filled(route, self.rows)

    def state(self) -> dict[str, object]:
        """Every row of every table, the requests sent to ElevenLabs, and the messages sent to workers."""
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
        """Assert that nothing changes inside the block. The yielded function names the request that follows."""
        place, guilty, before = "", [], self.state()

        def set_place(name: str) -> None:
            nonlocal place
            place = name

        def watch(execute, sql, *args):
            if WRITE.match(sql) and not any(table in sql for table in BOOKKEEPING):
                guilty.append((place, sql))
            return execute(sql, *args)

        with connection.execute_wrapper(watch):
            yield set_place
        assert guilty == []
        assert self.state() == before


@pytest.fixture
def world(workspace, remote, monkeypatch) -> World:
    """No message reaches the broker; each one is recorded instead."""
    op = services.set_label(workspace.bound, "Front", shown="Main", key="k", actor=None)
    assert op.state == State.DONE
    change_set = services.delete_agent_with_numbers(workspace.support, None, key="c", actor=None)
    remote.console("assign", number=workspace.free.remote_id, agent_id=workspace.sales.remote_id)
    sync_all()
    messages: list[str] = []
    monkeypatch.setattr("controlplane.enqueue._send", lambda task, _: messages.append(str(task)))
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


@pytest.fixture(params=[pytest.param(one, marks=[] if one == "V" else pytest.mark.slow) for one in EVERYBODY])
def letter(request) -> str:
    """The gate tests only the visitor with every page; the other roles are tested at each border: see `border`."""
    return request.param


def border(who: str) -> list[str]:
    """The strongest role without access and the weakest with access: these two are enough to test a permission."""
    may_not = [one for one in EVERYBODY if one not in who]
    may = [one for one in EVERYBODY if one in who]
    return may_not[-1:] + may[:1]


def is_let_in(answer) -> bool:
    to_sign_in = answer.status_code == 302 and answer.url.startswith("/admin/login/")
    return not to_sign_in and answer.status_code not in (403, 404, 405)


@pytest.fixture
def everybody(sign_in) -> dict[str, Client]:
    return {letter: Client() if letter == "V" else sign_in(role) for letter, role in EVERYBODY.items()}


@pytest.fixture
def client(letter, sign_in) -> Client:
    return Client() if letter == "V" else sign_in(EVERYBODY[letter])


@pytest.fixture(params=["even", "odd"])
def pages(request) -> dict[str, Row]:
    """Every other page of the table: a single test of all of them would exceed the time limit."""
    return dict(list(PAGES.items())[request.param == "odd" :: 2])
