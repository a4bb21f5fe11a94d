"""An object with invalid data is left out with a reason, on both databases alike: the rest is stored, the run is
complete, and an existing row keeps its last good state."""

import json
from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest

from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.mirror.models import OutsideChange, SyncRun
from numbers.models import PhoneNumber
from tests.crossed import cases
from tests.mirror.fixtures import AGENTS, NUMBERS, WHATS, changed, known, made, model_of, run_over_all, text_of
from tests.operations.clock import Clock

pytestmark = pytest.mark.django_db

DEEP = json.loads("[" * 500 + "]" * 500)
# Values that no database stores, anywhere in an object: the JSON text and the expected reason.
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
# Valid data: unknown fields, and values that may be introduced later.
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
    overlay_each(clock, {remote_id: text})


def overlay_each(clock: Clock, texts: Mapping[str, str | None]) -> None:
    """Sent as raw JSON text, which may hold values that a JSON library refuses to write."""
    clock.passes(2)
    for remote_id, text in texts.items():
        clock.remote._ok("POST", "/_sandbox/console", {"action": "overlay", "id": remote_id, "set": text})


def left_out(run: SyncRun) -> list[tuple[str, str]]:
    assert run.quarantined == len(run.left_out)
    return [(one["what"], one["id"]) for one in run.left_out]


def ids_of(clock: Clock, what: str) -> list[str]:
    """The ids in the order of the list."""
    if what == "agent":
        return [row["agent_id"] for row in clock.remote.get(AGENTS, page_size=100)["agents"]]
    return [row["phone_number_id"] for row in clock.remote.get("/v1/convai/phone-numbers")]


def id_of(clock: Clock, what: str) -> str:
    """The id of the first object."""
    return ids_of(clock, what)[0]


# One of each class on its own, as a new object of one kind and a known object of the other: a text that no database
# stores, one that is too large to be parsed, a value too long for its column, and a value of the wrong type.
# test_all_of_them_at_once covers the others.
UNKEPT, ILL_FITTING = ["NUL", "larger than 4 MB"], ["longer than 300", "field"]


def alone(what: str, texts: dict[str, str], classes: list[str]) -> list[Any]:
    """A case for each text. All but the first of each class are slow."""
    left = list(classes)
    all_of_them = []
    for text, why in texts.items():
        found = [one for one in left if one in why]
        left = [one for one in left if one not in found]
        marks = () if found else pytest.mark.slow
        all_of_them.append(pytest.param(what, text, why, marks=marks, id=f"{what} {text[:60]}"))
    assert not left
    return all_of_them


def bad(classes: dict[str, list[str]]) -> list[Any]:
    return [case for what in WHATS for case in alone(what, {**UNSTORABLE, **WRONG[what]}, classes[what])]


@pytest.mark.parametrize(("what", "text", "why"), bad({"number": UNKEPT, "agent": ILL_FITTING}))
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


@pytest.mark.parametrize(("what", "text", "why"), bad({"number": ILL_FITTING, "agent": UNKEPT}))
def test_a_known_one_keeps_its_last_good_state(what, text, why, clock):
    rows = known(clock, what)
    bad, *others = rows
    before = (text_of(bad), bad.remote_data, bad.digest)
    entries = Entry.objects.count()
    overlay(clock, bad.remote_id, text)
    for _ in range(2):
        run = run_over_all(full=True)
        assert left_out(run) == [(f"{what}s", bad.remote_id)]
        assert (text_of(bad), bad.remote_data, bad.digest) == before
        assert (bad.missing_since, bad.gone_at) == (None, None), "a listed row is not missing"
    assert Entry.objects.count() == entries
    changed(clock, others[0], "New")
    run_over_all()
    assert text_of(others[0]) == "New"
    overlay(clock, bad.remote_id, None)
    run = run_over_all(full=True)
    assert (run.quarantined, OutsideChange.objects.count()) == (0, 1)


DETAILS = {**UNSTORABLE, '{"x": ' + "9" * 5000 + "}": "is no JSON"}


@pytest.mark.parametrize(("what", "text", "why"), alone("agent", DETAILS, ["NUL", "larger than 4 MB", "is no JSON"]))
def test_only_in_the_details(what, text, why, clock):
    """The list does not contain the invalid value."""
    rows = known(clock, what)
    data = clock.remote.get(f"/v1/convai/agents/{rows[0].remote_id}")
    raw = json.dumps(data)[:-1] + ", " + text[1:]
    clock.remote.fault("GET", f"/v1/convai/agents/{rows[0].remote_id}", "status", status=200, raw=raw.encode(), times=2)
    run = run_over_all(full=True)
    assert left_out(run) == [("agents", rows[0].remote_id)]


@pytest.mark.parametrize("what", WHATS)
def test_what_is_strange_is_kept(what, clock):
    """Each of them on an object of its own, next to an unchanged object."""
    strange = dict(zip(known(clock, what, len(STRANGE[what]) + 1), STRANGE[what], strict=False))
    for row, values in strange.items():
        config = values.get("conversation_config")
        if config:  # an overlay replaces whole top-level values
            data = clock.remote.get(f"/v1/convai/agents/{row.remote_id}")["conversation_config"]
            values = {**values, "conversation_config": {**data, **{k: {**data[k], **v} for k, v in config.items()}}}
        overlay(clock, row.remote_id, json.dumps(values))
    run = run_over_all(full=True)
    assert (run.quarantined, run.changed) == (0, len(strange)), run.left_out
    for row, values in strange.items():
        assert text_of(row) == "Odd", values
        for name, value in values.items():
            if name == "token":
                assert name not in row.remote_data
            elif name in row.remote_data and name != "conversation_config":
                kept = row.remote_data[name]
                assert (float(kept) if isinstance(value, float) else kept) == value, values
    entries = Entry.objects.count()
    for _ in range(2):
        run = run_over_all(full=True)
        assert (run.quarantined, run.changed) == (0, 0), "an unchanged row must not count as changed"
    assert Entry.objects.count() == entries


@pytest.mark.parametrize(
    ("what", "are_known"), cases(product(WHATS, [False, True]), [("agent", True), ("number", False)])
)
def test_all_of_them_at_once(what, are_known, clock):
    """One page with every text and one good row. The largest text is left out, because a page cannot hold it."""
    texts = {text: why for text, why in {**UNSTORABLE, **WRONG[what]}.items() if len(text) < 1_000_000}
    made(clock, what, len(texts) + 1)
    if are_known:
        run_over_all()
    ids = ids_of(clock, what)
    bad = dict(zip(ids, texts, strict=False))
    before = list(model_of(what).objects.order_by("pk").values())
    overlay_each(clock, bad)
    run = run_over_all(full=True)
    assert sorted(left_out(run)) == sorted((f"{what}s", remote_id) for remote_id in bad)
    for one in run.left_out:
        assert texts[bad[one["id"]]] in one["why"], one
    if are_known:
        assert left_as_they_were(what, before)
    else:
        assert [row.remote_id for row in model_of(what).objects.all()] == [ids[-1]]


def left_as_they_were(what: str, before: list[dict[str, Any]]) -> bool:
    """Compares everything but the times at which the run read the rows."""
    looked = {"last_seen", "details_read_at"}
    now = list(model_of(what).objects.order_by("pk").values())
    return [{k: v for k, v in row.items() if k not in looked} for row in now] == [
        {k: v for k, v in row.items() if k not in looked} for row in before
    ]


NO_IDS = ["../../agents", "", None, 7, "x" * 65, "a b", "\ud800", {"id": "x"}, "a\0"]


@pytest.mark.parametrize("what", WHATS)
def test_rows_without_an_id(what, clock):
    rows = known(clock, what)
    key, field, path = (
        ("agents", "agent_id", AGENTS) if what == "agent" else ("phone_numbers", "phone_number_id", NUMBERS)
    )
    listed = clock.remote.get(path)[key]
    bad = [{**listed[0], field: remote_id} for remote_id in NO_IDS]
    text = json.dumps({key: [*bad, *listed], "has_more": False, "next_cursor": None})
    clock.remote.fault(
        "GET", path, "status", status=200, raw=text.encode(), query="archived=false" if what == "agent" else ""
    )
    run = run_over_all()
    assert (run.quarantined, run.changed, run.added) == (len(NO_IDS), 0, 0)
    assert all("no id" in one["why"] for one in run.left_out)
    assert model_of(what).objects.filter(missing_since=None).count() == len(rows)


def test_fifty_are_named_and_all_are_counted(clock):
    clock.remote.reset(numbers=52)
    overlay_each(clock, dict.fromkeys(ids_of(clock, "number"), '{"label": null}'))
    run = run_over_all()
    assert (run.quarantined, len(run.left_out)) == (52, 50)


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
