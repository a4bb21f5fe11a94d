"""What was left at another remote, or in another workspace: named, never touched, and dropped by a plain word."""

import pytest
from django.contrib.auth.models import User

from controlplane.lifecycle import cleanup
from controlplane.lifecycle.models import MAX_REPORTS, Asked, Report
from tests.lifecycle.conftest import newest, nothing_is_left
from tests.lifecycle.test_cleaning_up import FORBIDDEN

pytestmark = pytest.mark.django_db


@pytest.fixture
def left_elsewhere(only, lifecycle, remote) -> Report:
    """Two agents and a number that a run could not remove; by now another workspace is configured."""
    only("create", "import", "remove")
    remote.fault("DELETE", "*", "status", status=403, body=FORBIDDEN, times=99)
    assert lifecycle()[0] == 4
    remote.clear_faults()
    Report.objects.update(workspace="workspace_other")
    return newest()


def test_it_is_named_and_not_touched(left_elsewhere, lifecycle, remote):
    before = remote.call_report()["last_id"]
    status, printed = lifecycle("--clean-up")
    assert status == 4
    assert printed.count("this is another workspace") == 3
    assert "--clean-up --forget leaves it there" in printed
    assert {call["method"] for call in remote.calls(since=before)} == {"GET"}


def test_it_stands_on_the_list(left_elsewhere, client):
    user = User.objects.create_superuser("olga", password="x")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    assert "unexpected, 3 left over" in client.get("/admin/lifecycle/report/").content.decode()


def test_somebody_leaves_it_there_and_it_is_named_no_more(left_elsewhere, lifecycle, remote, client):
    User.objects.create_superuser("olga", password="x")
    before = remote.call_report()["last_id"]
    status, printed = lifecycle("--clean-up", "--forget", "--user", "olga")
    assert status == 0, printed
    assert printed.count("Forgotten, and still there: ") == 3
    assert "Support Bot agent_" in printed
    assert lifecycle("--clean-up") == (0, "Nothing is left of earlier runs.\n")
    assert {call["method"] for call in remote.calls(since=before)} == {"GET"}
    assert not nothing_is_left(remote)

    left_elsewhere.refresh_from_db()
    assert len(left_elsewhere.data["left"]) == 3, "the report goes on telling it"
    client.force_login(User.objects.get(), backend="django.contrib.auth.backends.ModelBackend")
    assert "left over" not in client.get("/admin/lifecycle/report/").content.decode()
    page = client.get(f"/admin/lifecycle/report/{left_elsewhere.pk}/change/").content.decode()
    assert "Left in place." in page
    assert "olga (manage.py lifecycle, run by" in page
    assert "tries again" not in page
    Report.objects.bulk_create(Report(base_url="http://127.0.0.1:1", actor_name="x") for _ in range(MAX_REPORTS))
    cleanup.delete_old_reports()
    assert not Report.objects.filter(pk=left_elsewhere.pk).exists()


def test_it_does_not_come_back_with_the_other_workspace(left_elsewhere, lifecycle, remote):
    lifecycle("--clean-up", "--forget")
    Report.objects.update(workspace="workspace_sandbox")
    assert lifecycle("--clean-up")[0] == 0
    assert not nothing_is_left(remote)


def test_what_is_here_is_removed_and_not_forgotten(only, lifecycle, remote):
    only("create", "import")
    remote.fault("DELETE", "*", "status", status=403, body=FORBIDDEN, times=99)
    assert lifecycle()[0] == 4
    status, printed = lifecycle("--clean-up", "--forget")
    assert (status, "Forgotten" in printed) == (4, False)
    remote.clear_faults()
    assert lifecycle("--clean-up", "--forget")[0] == 0
    assert nothing_is_left(remote)
    assert not Asked.objects.exclude(forgotten_at=None).exists()


def test_a_killed_run_elsewhere_ends_with_it(left_elsewhere, lifecycle):
    Report.objects.update(state=Report.State.RUNNING)
    lifecycle("--clean-up", "--forget")
    left_elsewhere.refresh_from_db()
    assert left_elsewhere.state == Report.State.BROKEN_OFF


def test_it_is_said_with_clean_up_only(lifecycle, remote):
    status, printed = lifecycle("--forget")
    assert (status, printed) == (1, "--forget goes with --clean-up.")
    assert remote.calls() == []
