"""`manage.py live_check`: it reads only, says what is wrong and how to mend it, and its exit status goes by that."""

import json
import re
from collections.abc import Callable
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from controlplane.elevenlabs import connect, transport
from controlplane.lifecycle import live
from controlplane.mirror.models import SyncRun

pytestmark = pytest.mark.django_db

NUMBERS, AGENTS = "/v1/convai/v2/phone-numbers", "/v1/convai/agents"


@pytest.fixture
def live_check(remote) -> Callable[..., tuple[int, dict]]:
    """live_check() -> (exit status, {check: what it says})."""

    def run() -> tuple[int, dict]:
        printed = StringIO()
        status = 0
        try:
            call_command("live_check", "--json", stdout=printed)
        except SystemExit as ended:
            status = int(ended.code or 0)
        return status, {check["name"]: check for check in json.loads(printed.getvalue())}

    return run


def lacks(scope: str) -> dict:
    words = f"The API key you used is missing the permission {scope} to execute this operation."
    detail = {"type": "authentication_error", "code": "unauthorized", "message": words, "status": "missing_permissions"}
    return {"fault": "status", "status": 401, "body": {"detail": detail}, "times": 9}


def test_all_is_well_and_nothing_but_reads_was_sent(live_check, remote):
    remote.reset(agents=3, numbers=5)
    status, checks = live_check()
    assert status == 0
    assert {check["level"] for check in checks.values()} == {"ok"}
    names = {
        "key",
        "scopes",
        "workspace",
        "page shapes",
        "schemas",
        "unknown fields",
        "clock",
        "latency",
        "assumptions",
    }
    assert set(checks) == names
    assert "lines 29, 42, 43, 48 of docs/assumptions.md" in checks["assumptions"]["says"]
    assert "a cursor leads to the next page" in checks["page shapes"]["says"]
    assert checks["schemas"]["says"].startswith("9 rows read")
    assert {call["method"] for call in remote.calls()} == {"GET"}
    assert remote.ledger() == []


def test_without_json_each_check_is_one_line(remote, live_check):
    remote.fault("GET", "/v2/voices", **lacks("voices_read"))
    printed = StringIO()
    call_command("live_check", stdout=printed)
    lines = printed.getvalue().splitlines()
    assert re.match(r"ok    key: http://127\.0\.0\.1:\d+ takes it\.", lines[0])
    assert lines[1].startswith("warn  scopes: The key lacks voices_read (voices). convai_read, models_read, user_read")
    assert lines[2].startswith("      Give the key these scopes")


def test_a_key_that_is_refused_and_nothing_more_is_tried(live_check, remote, settings):
    settings.ELEVENLABS_API_KEY = "sk_" + "5" * 40
    status, checks = live_check()
    assert status == 1
    assert set(checks) == {"key"}
    assert "ELEVENLABS_API_KEY" in checks["key"]["mend"]
    assert "5" * 40 not in json.dumps(checks)
    assert len(remote.calls()) == 1


def test_an_address_where_nobody_is(live_check, settings):
    settings.ELEVENLABS_BASE_URL = "http://127.0.0.1:9"
    status, checks = live_check()
    assert (status, checks["connection"]["level"]) == (1, "fail")


def test_an_address_that_is_none(live_check, settings):
    settings.ELEVENLABS_BASE_URL = "https://example.com"
    status, checks = live_check()
    assert (status, checks["address"]["level"]) == (1, "fail")


@pytest.mark.parametrize(
    ("path", "scope", "level"),
    [
        (NUMBERS, "convai_read", "fail"),
        ("/v2/voices", "voices_read", "warn"),
        ("/v1/convai/llm/list", "models_read", "warn"),
        ("/v1/user", "user_read", "warn"),
    ],
)
def test_a_scope_that_is_missing_is_named(path, scope, level, live_check, remote):
    remote.fault("GET", path, **lacks(scope))
    status, checks = live_check()
    assert (status, checks["scopes"]["level"]) == (int(level == "fail"), level)
    assert scope in checks["scopes"]["says"].partition(".")[0]
    assert checks["scopes"]["mend"]
    if scope == "user_read":
        assert checks["workspace"]["level"] == "warn"


def test_another_workspace_than_the_one_shown(live_check):
    SyncRun.objects.create(
        state="complete", remote="127.0.0.1", workspace="workspace_other", claimed_until=timezone.now()
    )
    status, checks = live_check()
    assert (status, checks["workspace"]["level"]) == (1, "fail")


@pytest.mark.parametrize(
    ("fault", "level"),
    [
        ({"fault": "edit", "body": {"has_more": None}, "times": 9}, "fail"),
        ({"fault": "garbage", "times": 9}, "fail"),
        ({"fault": "status", "status": 404, "body": {"detail": "Not Found"}, "times": 9}, "warn"),
        ({"fault": "status", "status": 500, "times": 9}, "warn"),
        ({"fault": "status", "status": 401, "body": {"detail": "No."}, "times": 9}, "warn"),
    ],
)
def test_a_list_of_another_shape(fault, level, live_check, remote):
    """Without its paged list the older one is read."""
    remote.fault("GET", NUMBERS, **fault)
    status, checks = live_check()
    assert (status, checks["page shapes"]["level"]) == (int(level == "fail"), level)


NOTHING_GOOD = [
    {"fault": "html"},
    {"fault": "status", "status": 500},
    {"fault": "status", "status": 503},
    {"fault": "status", "status": 429},
    {"fault": "garbage"},
    {"fault": "not_http"},
]


@pytest.mark.parametrize("fault", NOTHING_GOOD)
def test_where_nothing_good_is_answered_nothing_is_called_good(fault, live_check, remote, monkeypatch):
    """A page of some proxy, or a remote that is down, tells nothing of the key."""
    monkeypatch.setattr(transport.random, "uniform", lambda *_: 0.0)  # no wait between tries
    remote.fault("GET", "*", times=99, **fault)
    status, checks = live_check()
    assert status == 1
    assert {name for name, check in checks.items() if check["level"] == "ok"} <= {"clock"}
    assert "user_read" not in json.dumps(checks), "the scope is not what is missing"


def test_an_agent_whose_id_is_none_is_not_read(live_check, remote):
    remote.fault("GET", AGENTS, "edit", body={"agents": [{"agent_id": 7}]}, times=9)
    status, checks = live_check()
    assert (status, checks["schemas"]["level"], checks["page shapes"]["level"]) == (1, "fail", "ok")
    assert remote.calls(path=f"{AGENTS}/7") == []


def test_a_time_is_told_in_plain_figures(live_check, remote, monkeypatch):
    """What is left of the patience is no round number."""
    monkeypatch.setattr("controlplane.lifecycle.management.commands.live_check.CLICK_PATIENCE_S", 0.5)
    remote.fault("GET", "*", "hang", times=99)
    status, checks = live_check()
    assert (status, checks["connection"]["says"]) == (1, "ElevenLabs did not answer within 0.5 seconds.")


def test_what_is_not_as_assumed_is_named(live_check, remote):
    remote.fault("GET", "/v1/convai/phone-numbers", "status", status=200, body=[])
    remote.import_number("+15550100123", "Main")
    remote.advance(10)
    status, checks = live_check()
    assert (status, checks["assumptions"]["level"]) == (0, "warn")
    assert "43 (The older list lacks 1 of the 1 numbers of the paged one.)" in checks["assumptions"]["says"]


def test_a_number_that_is_removed_meanwhile_refutes_nothing(live_check, remote):
    number = remote.import_number("+15550100123", "Main")
    remote.advance(10)
    row = remote.get(NUMBERS)
    remote.console("delete_number", number=number)
    remote.fault("GET", NUMBERS, "edit", body={"phone_numbers": row["phone_numbers"]})
    status, checks = live_check()
    assert (status, checks["assumptions"]["level"]) == (0, "ok")


def test_a_cursor_that_leads_nowhere(live_check, remote):
    remote.reset(agents=3)
    first = remote.get(AGENTS, page_size=1)
    remote.fault("GET", AGENTS, "edit", query="cursor=", body={"agents": first["agents"]})
    status, checks = live_check()
    assert (status, checks["page shapes"]["level"]) == (1, "fail")


def test_a_row_that_does_not_fit_and_a_field_that_is_new(live_check, remote):
    remote.reset(numbers=2, agents=1)
    one, other = remote.get("/v1/convai/phone-numbers")
    remote.console("overlay", id=one["phone_number_id"], set={"label": None})
    remote.console("overlay", id=other["phone_number_id"], set={"carrier_notes": "x", "<b>bad</b>": 1})
    status, checks = live_check()
    assert (status, checks["schemas"]["level"]) == (1, "fail")
    assert "field label is not what it should be" in checks["schemas"]["says"]
    unknown = checks["unknown fields"]
    assert unknown["level"] == "ok"
    assert "numbers: carrier_notes" in unknown["says"]
    assert "<b>" not in unknown["says"]


@pytest.mark.parametrize(("seconds", "level", "word"), [(60, "warn", "ahead of"), (-600, "fail", "behind")])
def test_a_clock_that_is_wrong(seconds, level, word, live_check):
    with time_machine.travel(timezone.now().timestamp() + seconds, tick=True):
        status, checks = live_check()
    assert (status, checks["clock"]["level"]) == (int(level == "fail"), level)
    assert (
        f"{abs(seconds)} s {word}" in checks["clock"]["says"]
        or f"{abs(seconds) - 1} s {word}" in (checks["clock"]["says"])
    )


@pytest.mark.parametrize(
    ("path", "fault", "line"),
    [
        (AGENTS, {"fault": "edit", "body": {"has_more": None}}, None),
        (AGENTS, {"fault": "status", "status": 200, "body": {"agents": [], "next_cursor": None}}, 42),
        (f"{AGENTS}/agent_*", {"fault": "edit", "body": {"metadata": {"created_at_unix_secs": 1.5}}}, 48),
    ],
)
def test_what_it_sees_refutes_a_line(path, fault, line, remote):
    remote.reset(agents=1)
    remote.fault("GET", path, **fault)
    _, findings = live.run_checks(connect())
    assert [finding.number for finding in findings if not finding.holds] == ([line] if line else [])


def test_a_slow_remote(live_check, remote, monkeypatch):
    monkeypatch.setattr(live, "SLOW_MS", 40.0)
    remote.settings(latency_ms=60)
    status, checks = live_check()
    assert (status, checks["latency"]["level"]) == (0, "warn")
