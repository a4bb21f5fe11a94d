"""Unknown fields are kept, wrong types are errors, and an incomplete list is never accepted as complete."""

import json

import pytest

from controlplane.elevenlabs import Agent, AgentSummary, BadShape, Llm, Outcome, Page, PhoneNumber, Voice, unstorable
from controlplane.elevenlabs.schemas import Remote, User

SUMMARY = {
    "agent_id": "J3Pbu5gP6NNKBscdCdwB", "name": "My Agent", "tags": ["Eleven"], "created_at_unix_secs": 1716153600,
    "access_info": {"is_creator": True, "role": "admin"}, "archived": False, "last_call_time_unix_secs": None,
}  # fmt: skip
AGENT = {
    "agent_id": "agent_1", "name": "A", "conversation_config": {"agent": {"prompt": {"llm": "not-invented-yet"}}},
    "metadata": {"created_at_unix_secs": 1, "updated_at_unix_secs": 2}, "platform_settings": {"archived": True},
    "phone_numbers": [], "tags": [], "version_id": "agtvrsn_1", "workflow": {"nodes": {}},
}  # fmt: skip
NUMBER = {
    "provider": "twilio", "phone_number": "+12345678901", "label": "Support", "phone_number_id": "phnum_1",
    "assigned_agent": {"agent_id": "agent_1", "agent_name": "A", "environment": None, "branch_id": None},
    "supports_inbound": True, "supports_outbound": False,
}  # fmt: skip
GOOD = {
    AgentSummary: SUMMARY,
    Agent: AGENT,
    PhoneNumber: NUMBER,
    Voice: {"voice_id": "v", "name": "V", "category": "premade", "labels": {"accent": "x"}, "preview_url": None},
    Llm: {"llm": "gpt-9", "is_checkpoint": False, "max_tokens_limit": 1, "deprecation_info": {"is_deprecated": True}},
    User: {"user_id": "u", "subscription": {"tier": "pro"}, "workspace_id": "w"},
}


@pytest.mark.parametrize("kind", GOOD)
def test_the_very_json_is_kept_with_unknown_fields(kind: type[Remote]):
    data = {**GOOD[kind], "raw": 1, "_raw": 2, "what": 3, "parse": 4, "model_x": 5, "brand_new": {"deep": [1]}}
    before = json.dumps(data)
    parsed = kind.parse(data)
    assert parsed.raw == data
    assert json.dumps(data) == before


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("wrong", [None, [], "x", 7, {}, {"detail": "Not Found"}])
def test_what_is_no_object_of_the_kind_is_an_error(kind: type[Remote], wrong):
    with pytest.raises(BadShape) as caught:
        kind.parse(wrong)
    assert caught.value.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("kind", GOOD)
def test_every_field_may_be_of_a_wrong_type_and_none_gets_through_changed(kind: type[Remote]):
    """Each field of a valid object in turn gets another value: it is refused, or kept exactly as sent."""
    for name in GOOD[kind]:
        for wrong in (None, 7, 7.5, "7", "canary", True, [], ["x"], [7], {}, {"x": 7}, float("nan")):
            data = {**GOOD[kind], name: wrong}
            parsed, complaint = attempt(kind, data)
            if parsed is None:
                assert name in complaint
                assert "canary" not in complaint
            else:
                got = getattr(parsed, name)
                inner = type(got).__name__ in {"AgentMetadata", "AssignedAgent"}
                assert inner or (type(got) is type(wrong) and (got == wrong or wrong != wrong))


def attempt(kind: type[Remote], data: object):
    try:
        return kind.parse(data), ""
    except BadShape as error:
        return None, str(error)


@pytest.mark.parametrize("bad", ["../x", "", "a b", "a/b", "a" * 65, "a\n", "é"])
def test_an_id_that_no_call_could_use_is_an_error(bad):
    with pytest.raises(BadShape):
        AgentSummary.parse({**SUMMARY, "agent_id": bad})
    with pytest.raises(BadShape):
        PhoneNumber.parse({**NUMBER, "phone_number_id": bad})


@pytest.mark.parametrize("when", [10**18, -1, 2**70])
def test_a_time_beyond_all_calendars_is_an_error(when):
    with pytest.raises(BadShape):
        AgentSummary.parse({**SUMMARY, "created_at_unix_secs": when})


def test_what_the_fields_mean():
    assert Agent.parse(AGENT).archived
    assert not Agent.parse({**AGENT, "platform_settings": {}}).archived
    assert PhoneNumber.parse(NUMBER).agent_id == "agent_1"
    assert PhoneNumber.parse({**NUMBER, "assigned_agent": None}).agent_id is None
    assert PhoneNumber.parse({**NUMBER, "assigned_agent": {"agent_id": "", "agent_name": ""}}).agent_id is None
    assert PhoneNumber.parse({**NUMBER, "provider": "carrier-pigeon"}).provider == "carrier-pigeon"
    assert Llm.parse(GOOD[Llm]).deprecated
    assert not Llm.parse({"llm": "x"}).deprecated


@pytest.mark.parametrize(
    "data",
    [
        None, [], {}, "x", {"agents": None, "has_more": False}, {"agents": {}, "has_more": False},
        {"agents": [None], "has_more": False}, {"agents": ["x"], "has_more": False}, {"detail": "x"},
        {"agents": []}, {"agents": [], "has_more": None}, {"agents": [], "has_more": "false"},
        {"agents": [], "has_more": True}, {"agents": [], "has_more": True, "next_cursor": None},
        {"agents": [], "has_more": True, "next_cursor": ""}, {"agents": [], "has_more": True, "next_cursor": 7},
        {"agents": [], "has_more": False, "next_cursor": 7}, {"phone_numbers": [], "has_more": False},
    ],
)  # fmt: skip
def test_a_page_that_cannot_be_read_to_its_end_is_an_error(data):
    with pytest.raises(BadShape):
        Page.parse(data, "agents")


def test_has_more_decides_whether_a_page_is_the_last():
    assert not Page.parse({"agents": [], "has_more": False, "next_cursor": "123"}, "agents").has_more
    assert Page.parse({"agents": [{"x": 1}], "has_more": True, "next_cursor": "c"}, "agents").rows == [{"x": 1}]
    assert not Page.parse({"phone_numbers": []}, "phone_numbers", more_if_unsaid=False).has_more
    with pytest.raises(BadShape):
        Page.parse({"phone_numbers": [], "next_cursor": "c"}, "phone_numbers", more_if_unsaid=False)


def nested(levels):
    value: object = 1
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"a": "x\0y"}, "NUL"),
        ({"a\0": 1}, "NUL"),
        ({"a": [{"b": "\ud800"}]}, "surrogate"),
        ({"a": float("nan")}, "no number"),
        ({"a": [float("-inf")]}, "infinite"),
        ({"a": 2**63}, "64 bits"),
        ({"a": -(2**63) - 1}, "64 bits"),
        (nested(101), "100 levels"),
        (nested(50_000), "100 levels"),
        ({"a": ["x" * 1000] * 4500}, "4 MB"),
        ({"a": "é" * 2_200_000}, "4 MB"),
        ({"name": "x" * 301}, "name"),
        ({"label": "x" * 301}, "label"),
        ({"phone_number": "1" * 301}, "phone_number"),
    ],
)
def test_a_row_that_the_database_could_not_keep_has_a_reason(row, reason):
    assert reason in (unstorable(row) or "")


@pytest.mark.parametrize(
    "row", [{}, SUMMARY, AGENT, NUMBER, nested(100), {"a": 2**63 - 1, "b": -(2**63), "c": 1e300, "d": "😀", "e": True}]
)
def test_a_good_row_has_none(row):
    assert unstorable(row) is None
