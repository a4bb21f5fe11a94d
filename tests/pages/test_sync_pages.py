"""The pages of a run and of a paused sync, the button that requests a run, and the header that shows its progress."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from controlplane.audit.models import Entry
from controlplane.mirror import runs
from controlplane.mirror.models import Hold, SyncRun
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from numbers.tasks import sync as sync_task

pytestmark = pytest.mark.django_db
START = "/admin/mirror/syncrun/start/"


@pytest.fixture
def woken(monkeypatch) -> list[str]:
    sent_tasks: list[str] = []
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda task, *_, **__: sent_tasks.append(task.name))
    return sent_tasks


def test_two_who_ask_get_one_run_and_the_worker_starts_it(operator, workspace, woken):
    operator.post(START)
    operator.post(START)
    requested = SyncRun.objects.get(state=SyncRun.State.ASKED)
    assert requested.requested_by.get_username() == "Operators"
    page = operator.get(reverse("admin:mirror_syncrun_change", args=[requested.pk])).content.decode()
    assert "Waiting for a worker" in page
    assert reverse("admin:mirror_syncrun_progress", args=[requested.pk]) in page
    sync_task()
    requested.refresh_from_db()
    assert requested.state == SyncRun.State.COMPLETE
    page = operator.get(reverse("admin:mirror_syncrun_change", args=[requested.pk])).content.decode()
    assert "Nothing had changed" in page
    assert reverse("admin:mirror_syncrun_progress", args=[requested.pk]) not in page


def run_page(operator, **values):
    run = SyncRun.objects.create(ended_at=timezone.now(), **values)
    return operator.get(reverse("admin:mirror_syncrun_change", args=[run.pk])).content.decode()


@pytest.mark.parametrize("state", [SyncRun.State.HELD, SyncRun.State.PARTIAL])
def test_an_inconclusive_run_does_not_claim_that_nothing_changed(operator, state):
    page = run_page(operator, state=state, problem="A reason.", seen=1)
    assert "No change was stored" in page
    assert "Nothing had changed" not in page
    assert "1 object<" in page


def test_a_run_that_is_under_way_is_shown_with_counts(operator, workspace, woken):
    run = SyncRun.objects.create(
        phase="listing numbers", done=1200, due=10000, claimed_until=timezone.now() + timedelta(minutes=1)
    )
    operator.post(START)
    assert woken == []
    assert not SyncRun.objects.filter(state=SyncRun.State.ASKED).exists()
    page = operator.get(reverse("admin:mirror_syncrun_change", args=[run.pk])).content.decode()
    assert "Listing numbers: 1200 of about 10000" in page
    assert "A sync is under way already." in page
    header = operator.get("/admin/mirror/syncrun/picture/").content.decode()
    assert "1200" in header
    assert "of 10000" in header


def test_a_run_that_no_worker_starts_is_reported(operator, workspace, woken):
    operator.post(START)
    SyncRun.objects.filter(state=SyncRun.State.ASKED).update(started_at=timezone.now() - timedelta(minutes=5))
    run = SyncRun.objects.get(state=SyncRun.State.ASKED)
    page = operator.get(reverse("admin:mirror_syncrun_progress", args=[run.pk])).content.decode()
    assert "No worker has picked this up yet." in page


def test_a_task_without_anything_due_lists_nothing(workspace, remote):
    before = len(remote.calls())
    sync_task()
    assert len(remote.calls()) == before
    SyncRun.objects.update(started_at=timezone.now() - timedelta(minutes=2))
    sync_task()
    assert SyncRun.objects.count() == 2


@pytest.fixture
def hold(workspace, remote) -> Hold:
    """Eight numbers are missing from the list."""
    for tail in range(8):
        remote.console("add_number", phone_number=f"+1555010100{tail}", label="Line <b>1</b>")
    remote.advance(10)
    assert sync_all().state == SyncRun.State.COMPLETE
    empty = {"phone_numbers": [], "has_more": False, "next_cursor": None}
    remote.fault("GET", "/v1/convai/v2/phone-numbers", "edit", body=empty)
    assert sync_all().state == SyncRun.State.HELD
    return Hold.objects.get()


def test_what_is_held_is_listed_and_accepted_once(operator, hold, woken, remote):
    address = reverse("admin:mirror_hold_change", args=[hold.pk])
    page = operator.get(address).content.decode()
    assert "10 of 10 numbers were missing from ElevenLabs" in page.replace("&#x27;", "'")
    assert "+1 555 010 1000" in page
    assert "Look up all 10" in page
    assert "sync paused" in operator.get("/admin/numbers/phonenumber/").content.decode()
    assert "10 of 10 numbers are missing from the list" in operator.get("/admin/").content.decode()
    accept = reverse("admin:mirror_hold_accept", args=[hold.pk])
    assert operator.get(accept).status_code == 405
    answers = [operator.post(accept, follow=True).content.decode() for _ in range(2)]
    assert "Accepted." in answers[0]
    assert "Nothing was done: this is accepted by Operators already." in answers[1]
    entries = Entry.objects.filter(kind="hold.accepted")
    assert [entry.actor_name for entry in entries] == ["Operators"]
    assert woken == ["numbers.tasks.sync"]
    assert remote.ledger()[-1]["by"] == "console", "nothing was sent"


def test_accepting_is_not_believing(operator, hold, woken, remote):
    """The numbers still exist: each is fetched by its id, and none is marked as deleted."""
    operator.post(reverse("admin:mirror_hold_accept", args=[hold.pk]))
    empty = {"phone_numbers": [], "has_more": False, "next_cursor": None}
    for _ in range(2):
        remote.fault("GET", "/v1/convai/v2/phone-numbers", "edit", body=empty)
        assert sync_all().state == SyncRun.State.COMPLETE
    assert not PhoneNumber.objects.exclude(gone_at=None).exists()


def test_a_hold_that_passed_asks_nothing_any_more(operator, hold):
    assert sync_all().state == SyncRun.State.COMPLETE
    page = operator.get(reverse("admin:mirror_hold_change", args=[hold.pk])).content.decode()
    assert "resolved by itself" in page
    assert "Look up all" not in page
    assert "sync paused" not in operator.get("/admin/").content.decode()


def test_calls_that_failed_are_shown_with_their_trace_ids(operator, workspace, remote):
    path = "/v1/convai/v2/phone-numbers"
    remote.fault("GET", path, "status", status=500, headers={"x-trace-id": "trace<b>1</b>"}, times=9)
    run = sync_all()
    assert [(call["path"], call["status"], call["tries"]) for call in run.failed_calls] == [(path, 500, 1)]
    page = operator.get(reverse("admin:mirror_syncrun_change", args=[run.pk])).content.decode()
    assert "Calls that failed" in page
    assert run.failed_calls[0]["trace"]
    assert "<b>1</b>" not in page


def test_old_runs_are_pruned_but_not_those_the_mirror_depends_on(workspace):
    old = timezone.now() - timedelta(days=40)
    kept = SyncRun.objects.get()
    SyncRun.objects.update(started_at=old, ended_at=old)
    partial = SyncRun.objects.create(state=SyncRun.State.PARTIAL, started_at=old, ended_at=old)
    recent = SyncRun.objects.create(state=SyncRun.State.PARTIAL, ended_at=timezone.now())
    assert runs.prune() == 1
    assert set(SyncRun.objects.all()) == {kept, recent}
    assert partial.pk not in SyncRun.objects.values_list("pk", flat=True)


def test_one_old_complete_run_per_hour_is_kept_to_show_how_fresh_the_mirror_was(db, settings):
    hour = (timezone.now() - timedelta(days=40)).replace(minute=0, second=0, microsecond=0)
    made = [
        SyncRun.objects.create(state=state, started_at=hour, ended_at=hour + timedelta(minutes=minutes))
        for minutes, state in [(1, "complete"), (58, "complete"), (59, "partial"), (61, "complete"), (119, "complete")]
    ]
    SyncRun.objects.create(state="complete", ended_at=timezone.now())
    assert runs.prune() == 3
    assert set(SyncRun.objects.filter(ended_at__lt=timezone.now() - timedelta(days=1))) == {made[1], made[4]}
    settings.HISTORY_KEPT = timedelta(days=30)
    assert runs.prune() == 2
