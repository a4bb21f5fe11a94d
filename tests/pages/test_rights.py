"""Every page x everybody: who gets in, who is refused, and that looking changes nothing.

The table names the permission of each page. A page that is missing from it fails the first test, so none is forgotten.
"""

from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from controlplane.audit.models import Entry
from controlplane.mirror.models import Hold, OutsideChange, SyncRun
from controlplane.operations import changesets
from controlplane.operations.models import ChangeSet, Operation, State
from numbers import services
from numbers.sync import sync_all

pytestmark = pytest.mark.django_db

# name: (permission to look, permission to POST, or None where POST is answered 405 or is not ours)
PAGES: dict[str, tuple[str | None, str | None]] = {
    "index": ("", None),
    "agents_agent_changelist": ("agents.view_agent", None),
    "agents_agent_add": ("agents.add_agent", "agents.add_agent"),
    "agents_agent_change": ("agents.view_agent", "agents.change_agent"),
    "agents_agent_delete": ("agents.delete_agent", None),
    "agents_agent_duplicate": ("agents.duplicate_agent", "agents.duplicate_agent"),
    "agents_agent_archive": ("agents.archive_agent", "agents.archive_agent"),
    "agents_agent_voices": ("agents.add_agent", None),
    "agents_agent_voice_names": ("agents.view_agent", None),
    "numbers_retire_agent": ("agents.delete_agent", "agents.delete_agent"),
    "numbers_phonenumber_changelist": ("numbers.view_phonenumber", None),
    "numbers_phonenumber_add": ("numbers.add_phonenumber", "numbers.add_phonenumber"),
    "numbers_phonenumber_change": ("numbers.view_phonenumber", None),
    "numbers_phonenumber_assign": ("numbers.assign_phonenumber", "numbers.assign_phonenumber"),
    "numbers_phonenumber_release": ("numbers.assign_phonenumber", "numbers.assign_phonenumber"),
    "numbers_phonenumber_rename": ("numbers.change_phonenumber", "numbers.change_phonenumber"),
    "numbers_phonenumber_remove": ("numbers.delete_phonenumber", "numbers.delete_phonenumber"),
    "numbers_phonenumber_cells": ("numbers.view_phonenumber", None),
    "numbers_phonenumber_check": (None, "numbers.add_phonenumber"),
    "numbers_phonenumber_orphans": ("numbers.view_phonenumber", "numbers.assign_phonenumber"),
    "numbers_phonenumber_agent_options": ("numbers.assign_phonenumber", None),
    "operations_operation_changelist": ("operations.view_operation", None),
    "operations_operation_change": ("operations.view_operation", None),
    "operations_operation_verdict": ("operations.view_operation", None),
    "operations_operation_check": (None, "operations.settle_operation"),
    "operations_changeset_changelist": ("operations.view_changeset", None),
    "operations_changeset_change": ("operations.view_changeset", None),
    "operations_changeset_steps": ("operations.view_changeset", None),
    "operations_changeset_resume": (None, "operations.resume_changeset"),
    "mirror_syncrun_changelist": ("mirror.view_syncrun", None),
    "mirror_syncrun_change": ("mirror.view_syncrun", None),
    "mirror_syncrun_start": (None, "mirror.add_syncrun"),
    "mirror_syncrun_picture": ("mirror.view_syncrun", None),
    "mirror_syncrun_progress": ("mirror.view_syncrun", None),
    "mirror_hold_changelist": ("mirror.view_hold", None),
    "mirror_hold_change": ("mirror.view_hold", None),
    "mirror_hold_accept": (None, "mirror.decide_hold"),
    "health_card": ("mirror.view_syncrun", None),
    "mirror_outsidechange_changelist": ("mirror.view_outsidechange", None),
    "mirror_outsidechange_change": ("mirror.view_outsidechange", None),
    "mirror_outsidechange_adopt": (None, "mirror.decide_outsidechange"),
    "mirror_outsidechange_ignore": (None, "mirror.decide_outsidechange"),
    "mirror_outsidechange_revert": ("mirror.decide_outsidechange", "mirror.decide_outsidechange"),
    "audit_entry_changelist": ("audit.view_entry", None),
    "audit_entry_change": ("audit.view_entry", None),
    "audit_entry_export": (None, "audit.export_entry"),
    "audit_entry_then": ("audit.view_entry", None),
    "audit_entry_then_export": (None, "audit.export_entry"),
    "audit_entry_then_one": ("audit.view_entry", None),
    "audit_entry_answered": ("audit.view_entry", None),
    "audit_entry_answered_export": (None, "audit.export_entry"),
    "audit_entry_whole": ("audit.view_entry", None),
    "audit_entry_whole_progress": ("audit.view_entry", None),
    "audit_entry_verify": (None, "audit.add_verification"),
    "audit_entry_kept": ("audit.view_entry", None),
    "auth_user_changelist": ("auth.view_user", None),
    "auth_user_delete": ("auth.change_user", None),
    "auth_user_deactivate": (None, "auth.change_user"),
    "auth_group_changelist": ("auth.view_group", None),
}
# Nobody's, not even a superuser's: rows are not made, deleted or told a second time by hand.
CLOSED = {
    "numbers_phonenumber_delete",
    "operations_operation_add",
    "operations_operation_delete",
    "operations_changeset_add",
    "operations_changeset_delete",
    "mirror_syncrun_add",
    "mirror_hold_add",
    "mirror_hold_delete",
    "mirror_syncrun_delete",
    "mirror_outsidechange_add",
    "mirror_outsidechange_delete",
    "audit_entry_add",
    "audit_entry_delete",
}
# Django's own, with Django's own checks.
DJANGOS = {
    "search",
    "login",
    "logout",
    "password_change",
    "password_change_done",
    "autocomplete",
    "jsi18n",
    "view_on_site",
    "app_list",
    "auth_user_add",
    "auth_user_change",
    "auth_user_history",
    "auth_user_password_change",
    "auth_group_add",
    "auth_group_change",
    "auth_group_delete",
    "auth_group_history",
}
# For machines, which do not sign in: tests/health says what they are told.
OPEN = {"healthz", "readyz"}
ROLES = ["Auditors", "Operators", "Administrators"]


def names() -> set[str]:
    found: set[str] = set()

    def walk(patterns: list[URLPattern | URLResolver]) -> None:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns)
            elif pattern.name:
                found.add(pattern.name)

    walk(get_resolver().url_patterns)
    return found


def test_every_page_stands_in_the_table():
    unknown = {name for name in names() - PAGES.keys() - CLOSED - DJANGOS - OPEN if not name.endswith("_history")}
    assert unknown == set()


@pytest.fixture
def address(workspace, remote):
    """address("numbers_phonenumber_assign") -> its path, for a row that is there."""
    op = services.rename(workspace.bound, "Front", shown="Main", key="k", actor=None)
    assert op.state == State.DONE
    change_set = services.retire_agent(workspace.support, None, key="c", actor=None)
    remote.console("assign", number=workspace.free.remote_id, agent_id=workspace.sales.remote_id)
    sync_all()
    rows = {
        "agents_agent": workspace.sales.pk,
        "numbers_retire": workspace.sales.pk,
        "numbers_phonenumber": workspace.bound.pk,
        "operations_operation": op.pk,
        "operations_changeset": change_set.pk,
        "mirror_hold": Hold.objects.create(kind=Hold.Kind.VANISHED, what="numbers", out_of=2).pk,
        "mirror_syncrun": SyncRun.objects.latest("pk").pk,
        "audit_entry": Entry.objects.latest("pk").pk,
        "mirror_outsidechange": OutsideChange.objects.get().pk,
        "auth_user": User.objects.create_user("somebody").pk,
    }

    def address(name: str) -> str:
        if name.startswith("health_"):
            return reverse(name)
        if name.startswith("audit_entry_answered"):
            return reverse(f"admin:{name}", args=[workspace.bound.remote_id])
        if name == "audit_entry_then_one":
            page = reverse(f"admin:{name}", args=["number", workspace.bound.remote_id])
            return f"{page}?{urlencode({'at': timezone.now().isoformat()})}"
        plain = (
            "changelist",
            "add",
            "start",
            "picture",
            "options",
            "orphans",
            "voices",
            "voice_names",
            "index",
            "export",
            "then",
            "whole",
            "whole_progress",
            "verify",
            "kept",
        )
        if name.endswith(plain):
            return reverse(f"admin:{name}")
        args = [next(pk for prefix, pk in rows.items() if name.startswith(prefix))]
        return reverse(f"admin:{name}", args=args)

    return address


def state_of(remote) -> tuple[object, ...]:
    return (
        len(remote.ledger()),
        list(Operation.objects.values_list("pk", "state")),
        list(ChangeSet.objects.values_list("pk", "state")),
        list(OutsideChange.objects.values_list("pk", "state")),
        Entry.objects.exclude(kind="history.exported").count(),
    )


@pytest.mark.parametrize("role", ROLES)
def test_looking_needs_its_permission_and_changes_nothing(role, sign_in, address, remote):
    client = sign_in(role)
    user = client.get("/admin/").wsgi_request.user
    before = state_of(remote)
    for name, (look, _) in PAGES.items():
        answer = client.get(address(name))
        if look is None:
            assert answer.status_code in (403, 405), name
        elif look == "" or user.has_perm(look):
            assert answer.status_code in (200, 302), name
        else:
            assert answer.status_code == 403, name
    assert state_of(remote) == before
    assert not Entry.objects.filter(kind="history.exported").exists()


@pytest.mark.parametrize("role", [None, "Auditors"])
def test_who_may_not_change_anything_cannot_post_anything(role, sign_in, address, remote):
    client = sign_in(role)
    before = state_of(remote)
    for name in PAGES:
        answer = client.post(address(name), {"key": "7b6d3b0e-6c5f-4e53-9f0a-0d3f4a1f9a11", "agent": "1"})
        # In a format that there is, which is an entry; and to have the history read changes nothing of it.
        may_take_away = name.endswith(("_export", "_verify")) and role == "Auditors"
        assert answer.status_code in (403, 405) or PAGES[name][1] is None or may_take_away, (name, answer.status_code)
    assert state_of(remote) == before
    assert changesets.current_steps(ChangeSet.objects.get())[0].state == State.PLANNED


def test_strangers_are_sent_to_sign_in_whatever_they_ask(address, remote):
    before = state_of(remote)
    for name in PAGES:
        for answer in (Client().get(address(name)), Client().post(address(name))):
            assert answer.status_code == 302, name
            assert answer.url.startswith("/admin/login/"), name
    assert state_of(remote) == before


def test_a_post_without_the_token_of_its_page_is_refused(sign_in, address, remote):
    client = sign_in("superuser")
    forger = Client(enforce_csrf_checks=True)
    forger.cookies = client.cookies
    before = state_of(remote)
    for name, (_, change) in PAGES.items():
        if change:
            assert forger.post(address(name)).status_code == 403, name
    assert state_of(remote) == before


def test_rows_are_made_and_deleted_by_nobody_by_hand(sign_in, address, remote):
    client = sign_in("superuser")
    for name in CLOSED:
        assert client.get(address(name)).status_code == 403, name
        assert client.post(address(name), {"post": "yes"}).status_code == 403, name


def test_buttons_are_shown_only_to_who_may_use_them(sign_in, address):
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
