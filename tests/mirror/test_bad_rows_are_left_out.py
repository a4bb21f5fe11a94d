"""Whatever one object holds, it costs that object only, on both databases alike: it is left out with its reason, the
rest is stored, the run is complete, and a row that was good before stays as it was."""

import json
from typing import Any

import pytest

from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.mirror.models import OutsideChange, SyncRun
from numbers.models import PhoneNumber
from tests.mirror.scenes import AGENTS, NUMBERS, changed, known, made, model_of, run_over_all, text_of
from tests.operations.clock import Clock

pytestmark = pytest.mark.django_db

DEEP = json.loads("[" * 500 + "]" * 500)
# Anywhere in an object: what no database keeps, as JSON text, with the reason that is given.
UNSTORABLE = {
    '{"x": "a\\u0000b"}': "NUL",
    '{"a\\u0000b": 1}': "NUL",
    '{"x": "\\ud800"}': "half of a character",
    '{"x": ["\\udfff"]}': "half of a character",
    '{"x": NaN}': "infinite or no number",
    '{"x": -Infinity}': "infinite or no number",
    '{"x": 1e999}': "infinite or no number",
    '{"x": 1180591620717411303424}': "larger than 64 bits",
    '{"x": -9223372036854775809}': "larger than 64 bits",
    json.dumps({"x": DEEP}): "nested deeper",
    json.dumps({"x": "y" * 5_000_000}): "larger than 4 MB",
}
LONG = "x" * 301
WRONG: dict[str, dict[str, str]] = {
    "number": {
        json.dumps({"label": LONG}): "its label is longer than 300",
        json.dumps({"phone_number": LONG}): "its phone_number is longer than 300",
        json.dumps({"label": None}): "field label",
        json.dumps({"label": 5}): "field label",
        json.dumps({"phone_number": ["+1"]}): "field phone_number",
        json.dumps({"provider": {"name": "twilio"}}): "field provider",
        json.dumps({"supports_inbound": "true"}): "field supports_inbound",
        json.dumps({"assigned_agent": "agent_x"}): "field assigned_agent",
        json.dumps({"assigned_agent": {"agent_id": 7}}): "field assigned_agent.agent_id",
        json.dumps({"assigned_agent": {"agent_id": "a" * 65}}): "the id of its agent is longer than 64",
        '{"label": "\\ud83d"}': "half of a character",
    },
    "agent": {
        json.dumps({"name": LONG}): "its name is longer than 300",
        json.dumps({"name": None}): "field name",
        json.dumps({"name": ["Bot"]}): "field name",
        json.dumps({"tags": "vip"}): "field tags",
        json.dumps({"tags": [1]}): "field tags",
        json.dumps({"archived": "no", "platform_settings": []}): "field",
        json.dumps({"updated_at_unix_secs": 10**18, "metadata": {"updated_at_unix_secs": 10**18}}): "field",
        json.dumps({"updated_at_unix_secs": -1, "metadata": {"created_at_unix_secs": 1.5}}): "field",
        json.dumps({"last_call_time_unix_secs": 1e18}): "field last_call_time_unix_secs",
        json.dumps({"last_call_time_unix_secs": "today"}): "field last_call_time_unix_secs",
    },
}
# What is no error: unknown fields, and words that nobody knew when this was written.
STRANGE: dict[str, list[dict[str, Any]]] = {
    "number": [
        {"provider": "provider_of_tomorrow" * 5, "label": "Odd"},
        {"provider": "sip_trunk", "label": "Odd", "inbound_trunk": {"x": [None, True, 1.5, "\U0001f600"]}},
        {"provider": "exotel", "label": "Odd", "new": {"deeply": {"nested": ["a"] * 50}}},
        {"label": "Odd", "supports_outbound": False, "phone_number": "sip:user@example.com"},
        {"label": "Odd", "assigned_agent": {"agent_id": "", "agent_name": None}},
        {"label": "Odd", "big": 2**62, "small": -(2**63), "tiny": 1e-300, "large": 1e300, "zero": -0.0},
        {"label": "Odd", "token": "not to be kept", "text": "</script>\u202e"},
    ],
    "agent": [
        {"name": "Odd", "status_of_tomorrow": {"kind": "experimental"}},
        {"name": "Odd", "access_info": {"role": "emperor"}},
        {"name": "Odd", "last_call_time_unix_secs": 253_402_300_799},
        {"name": "Odd", "tags": ["\U0001f600", ""]},
        {"name": "Odd", "platform_settings": {"archived": "perhaps"}},
        {"name": "Odd", "conversation_config": {"agent": {"language": "tlh" * 20, "prompt": {"llm": "m" * 200}}}},
        {"name": "Odd", "conversation_config": {"tts": {"voice_id": "v" * 200}}},
        {"name": "Odd", "conversation_config": {"tts": {"speed": 1e300, "pitch": 1e22}}},
    ],
}


@pytest.fixture(autouse=True)
def two_reads_at_once(settings):
    settings.ELEVENLABS_MAX_CONCURRENCY = 2


def overlay(clock: Clock, remote_id: str, text: str | None) -> None:
    """By hand, because JSON text may hold what no request body may."""
    clock.passes(2)
    clock.remote._ok("POST", "/_sandbox/console", {"action": "overlay", "id": remote_id, "set": text})


def left_out(run: SyncRun) -> list[tuple[str, str]]:
    assert run.quarantined == len(run.left_out)
    return [(one["what"], one["id"]) for one in run.left_out]


def id_of(clock: Clock, what: str) -> str:
    """Of the first that is there."""
    if what == "agent":
        return str(clock.remote.get(AGENTS)["agents"][0]["agent_id"])
    return str(clock.remote.get("/v1/convai/phone-numbers")[0]["phone_number_id"])


BAD = [(what, text, why) for what in ("agent", "number") for text, why in {**UNSTORABLE, **WRONG[what]}.items()]
NAMES = [f"{what} {text[:60]}" for what, text, _ in BAD]


@pytest.mark.parametrize(("what", "text", "why"), BAD, ids=NAMES)
def test_a_new_one(what, text, why, clock):
    made(clock, what, 3)
    bad = id_of(clock, what)
    overlay(clock, bad, text)
    for _ in range(2):
        run = run_over_all()
        assert left_out(run) == [(f"{what}s", bad)]
        assert why in run.left_out[0]["why"]
        assert "xxxx" not in run.left_out[0]["why"], "a reason names the field, not the value"
    assert model_of(what).objects.count() == 2
    overlay(clock, bad, None)
    assert run_over_all().added == 1


@pytest.mark.parametrize(("what", "text", "why"), BAD, ids=NAMES)
def test_a_known_one_keeps_its_last_good_state(what, text, why, clock):
    rows = known(clock, what)
    bad, *others = rows
    before = (text_of(bad), bad.remote_data, bad.digest)
    told = Entry.objects.count()
    overlay(clock, bad.remote_id, text)
    for _ in range(2):
        run = run_over_all(full=True)
        assert left_out(run) == [(f"{what}s", bad.remote_id)]
        assert (text_of(bad), bad.remote_data, bad.digest) == before
        assert (bad.missing_since, bad.gone_at) == (None, None), "it was listed"
    assert Entry.objects.count() == told
    changed(clock, others[0], "New")
    run_over_all()
    assert text_of(others[0]) == "New"
    overlay(clock, bad.remote_id, None)
    run = run_over_all(full=True)
    assert (run.quarantined, OutsideChange.objects.count()) == (0, 1)


@pytest.mark.parametrize("text", [*UNSTORABLE, '{"x": ' + "9" * 5000 + "}"], ids=lambda text: text[:40])
def test_only_in_the_details(text, clock):
    """The list shows nothing of it."""
    rows = known(clock, "agent")
    data = clock.remote.get(f"/v1/convai/agents/{rows[0].remote_id}")
    raw = json.dumps(data)[:-1] + ", " + text[1:]
    clock.remote.fault("GET", f"/v1/convai/agents/{rows[0].remote_id}", "status", status=200, raw=raw.encode(), times=2)
    run = run_over_all(full=True)
    assert left_out(run) == [("agents", rows[0].remote_id)]


@pytest.mark.parametrize(
    ("what", "values"),
    [(what, values) for what, some in STRANGE.items() for values in some],
    ids=lambda value: json.dumps(value)[:60],
)
def test_what_is_strange_is_kept(what, values, clock):
    known(clock, what, 2)
    row = model_of(what).objects.get(remote_id=id_of(clock, what))
    config = values.get("conversation_config")
    if config:  # laid over what is shown of the agent, whole
        data = clock.remote.get(f"/v1/convai/agents/{row.remote_id}")["conversation_config"]
        values = {**values, "conversation_config": {**data, **{k: {**data[k], **v} for k, v in config.items()}}}
    overlay(clock, row.remote_id, json.dumps(values))
    run = run_over_all(full=True)
    assert (run.quarantined, run.changed) == (0, 1), run.left_out
    row.refresh_from_db()
    assert text_of(row) == "Odd"
    for name, value in values.items():
        if name == "token":
            assert name not in row.remote_data
        elif name in row.remote_data and name != "conversation_config":
            assert float(row.remote_data[name]) == value if isinstance(value, float) else row.remote_data[name] == value
    told = Entry.objects.count()
    for _ in range(2):
        run = run_over_all(full=True)
        assert (run.quarantined, run.changed) == (0, 0), "it is the same as before"
    assert Entry.objects.count() == told


def test_all_of_them_at_once(clock):
    """One page holds them all, and one good row."""
    texts = [text for text in {**UNSTORABLE, **WRONG["number"]} if len(text) < 1_000_000]
    made(clock, "number", len(texts) + 1)
    rows = clock.remote.get("/v1/convai/phone-numbers")
    for row, text in zip(rows, texts, strict=False):
        overlay(clock, row["phone_number_id"], text)
    run = run_over_all()
    assert run.quarantined == len(texts)
    assert [row.remote_id for row in PhoneNumber.objects.all()] == [rows[-1]["phone_number_id"]]


@pytest.mark.parametrize("remote_id", ["../../agents", "", None, 7, "x" * 65, "a b", "\ud800", {"id": "x"}, "a\0"])
@pytest.mark.parametrize("what", ["agent", "number"])
def test_a_row_without_an_id(what, remote_id, clock):
    rows = known(clock, what)
    key, field, path = (
        ("agents", "agent_id", AGENTS) if what == "agent" else ("phone_numbers", "phone_number_id", NUMBERS)
    )
    listed = clock.remote.get(path)[key]
    text = json.dumps({key: [{**listed[0], field: remote_id}, *listed], "has_more": False, "next_cursor": None})
    clock.remote.fault(
        "GET", path, "status", status=200, raw=text.encode(), query="archived=false" if what == "agent" else ""
    )
    run = run_over_all()
    assert (run.quarantined, run.changed, run.added) == (1, 0, 0)
    assert "no id" in run.left_out[0]["why"]
    assert model_of(what).objects.filter(missing_since=None).count() == len(rows)


def test_fifty_are_named_and_all_are_counted(clock):
    made(clock, "number", 60)
    for row in clock.remote.get("/v1/convai/phone-numbers"):
        overlay(clock, row["phone_number_id"], '{"label": null}')
    run = run_over_all()
    assert (run.quarantined, len(run.left_out)) == (60, 50)


def test_a_number_is_kept_though_its_agent_cannot_be(clock):
    made(clock, "agent", 1)
    bad = id_of(clock, "agent")
    clock.remote.console("add_number", phone_number="+15550100123", label="Main", agent_id=bad)
    clock.passes(10)
    overlay(clock, bad, json.dumps({"name": LONG}))
    run_over_all()
    line = PhoneNumber.objects.get()
    assert (line.bound_to, line.agent) == (bad, None)
    overlay(clock, bad, None)
    run_over_all()
    line.refresh_from_db()
    assert line.agent == Agent.objects.get(remote_id=bad)
