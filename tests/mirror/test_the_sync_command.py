"""`manage.py sync`: progress, a report, JSON for scripts, and an exit status that shows how complete the run was."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from agents.models import Agent
from controlplane.mirror.models import SyncRun
from numbers.models import PhoneNumber
from tests.operations.clock import Clock

pytestmark = pytest.mark.django_db


def sync(*args: str) -> tuple[int, str]:
    """(exit status, output)."""
    printed = StringIO()
    try:
        call_command("sync", *args, stdout=printed)
    except SystemExit as ended:
        return int(ended.code or 0), printed.getvalue()
    return 0, printed.getvalue()


@pytest.fixture
def filled(clock: Clock) -> Clock:
    clock.remote.reset(agents=3, numbers=8)
    return clock


def test_a_complete_run_reports_what_it_found(filled):
    status, printed = sync()
    assert status == 0
    assert "listing agents" in printed
    assert "reading agents: 0 of about 3" in printed
    assert "Complete in" in printed
    assert "11 listed: 11 added, 0 changed, 0 gone, 0 left out." in printed
    status, printed = sync()
    assert (status, PhoneNumber.objects.count()) == (0, 8)
    assert "11 listed: 0 added, 0 changed" in printed


def test_json_is_all_that_is_printed_for_a_script(filled):
    status, printed = sync("--json")
    run = json.loads(printed)
    assert status == 0
    assert (run["state"], run["seen"], run["added"], run["full"]) == ("complete", 11, 11, False)
    assert run["id"] == SyncRun.objects.get().pk


def test_full_reads_every_agents_details_again(filled):
    sync()
    before = len(filled.remote.calls(path="/v1/convai/agents/agent_*"))
    status, _ = sync("--full")
    assert status == 0
    assert len(filled.remote.calls(path="/v1/convai/agents/agent_*")) - before == 3
    assert SyncRun.objects.first().full


def test_a_partial_run_ends_with_3_and_explains_why(filled):
    filled.remote.fault("GET", "/v1/convai/v2/phone-numbers", "garbage", times=9)
    status, printed = sync()
    assert status == 3
    assert "Partial in" in printed
    assert "The list of numbers could not be read to its end." in printed
    assert Agent.objects.count() == 3


def test_a_held_run_ends_with_4_and_names_the_page_that_decides_it(filled):
    sync()
    empty = {"phone_numbers": [], "has_more": False, "next_cursor": None}
    filled.remote.fault("GET", "/v1/convai/v2/phone-numbers", "edit", body=empty)
    status, printed = sync()
    assert status == 4
    assert "8 of 8 numbers are missing from the list" in printed
    assert "Sync > Holds" in printed


def test_what_was_left_out_is_named(filled):
    bad = filled.remote.get("/v1/convai/phone-numbers")[0]["phone_number_id"]
    filled.remote.console("overlay", id=bad, set={"label": None})
    status, printed = sync()
    assert status == 0
    assert f"Left out: one of the numbers, {bad}: " in printed
    assert "label" in printed


def test_another_run_under_way_is_waited_for_and_then_5(filled):
    SyncRun.objects.create(claimed_until=timezone.now() + timedelta(minutes=1))
    with pytest.raises(CommandError, match="did not end; nothing was done") as ended:
        call_command("sync", "--wait", "0", stdout=StringIO())
    assert ended.value.returncode == 5
    assert not PhoneNumber.objects.exists()
