"""Each method: the request it sends, the responses it accepts, and when it raises an error."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
import responses

from controlplane.elevenlabs import (
    BadShape,
    ElevenLabs,
    ElevenLabsError,
    KeyRefused,
    NoSuchRoute,
    NotFound,
    Outcome,
    paging,
)

from .conftest import KEY

BASE = "https://api.elevenlabs.io"
AGENT = {"agent_id": "agent_1", "name": "A", "conversation_config": {}}
NUMBER = {"phone_number_id": "phnum_1", "phone_number": "+1", "label": "L", "provider": "twilio"}


@pytest.fixture
def remote():
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def labs():
    return ElevenLabs(BASE, KEY)


def queries(remote):
    return [parse_qs(urlsplit(call.request.url).query) for call in remote.calls]


def test_agents_are_listed_with_the_requested_filters(remote, labs):
    remote.get(f"{BASE}/v1/convai/agents", json={"agents": [AGENT], "has_more": True, "next_cursor": "c&d=e"})
    page = labs.list_agents(archived=True, cursor="a b", page_size=7, search="x&y")
    assert (page.rows, page.next_cursor, page.has_more) == ([AGENT], "c&d=e", True)
    assert queries(remote) == [{"archived": ["true"], "page_size": ["7"], "cursor": ["a b"], "search": ["x&y"]}]


def test_a_whole_list_is_read_page_by_page(remote, labs):
    url = f"{BASE}/v1/convai/agents"
    remote.get(url, json={"agents": [{"n": 1}, {"n": 2}], "has_more": True, "next_cursor": "c1"})
    remote.get(url, json={"agents": [], "has_more": True, "next_cursor": "c2"})
    remote.get(url, json={"agents": [{"n": 3}], "has_more": False, "next_cursor": "ignored"})
    assert [row["n"] for row in labs.all_agents(archived=True)] == [1, 2, 3]
    assert [query.get("cursor") for query in queries(remote)] == [None, ["c1"], ["c2"]]
    assert all(query["archived"] == ["true"] for query in queries(remote))


@pytest.mark.parametrize("cursors", [["a", "a"], ["a", "b", "a"]])
def test_a_list_that_runs_in_a_circle_is_no_list(cursors, remote, labs):
    for cursor in cursors:
        remote.get(f"{BASE}/v1/convai/agents", json={"agents": [AGENT], "has_more": True, "next_cursor": cursor})
    rows = labs.all_agents()
    with pytest.raises(BadShape, match="circle"):
        list(rows)


def test_a_list_without_end_is_given_up(remote, labs, monkeypatch):
    monkeypatch.setattr(paging, "MAX_PAGES", 5)
    for n in range(5):
        remote.get(f"{BASE}/v1/convai/agents", json={"agents": [AGENT], "has_more": True, "next_cursor": str(n)})
    with pytest.raises(BadShape, match="5 pages"):
        list(labs.all_agents())


def test_a_failed_page_raises_after_the_rows_before_it(remote, labs):
    url = f"{BASE}/v1/convai/v2/phone-numbers"
    remote.get(url, json={"phone_numbers": [NUMBER], "has_more": True, "next_cursor": "c1"})
    remote.get(url, status=401, json={"detail": {"status": "invalid_api_key", "message": "no"}})
    rows = labs.all_numbers()
    assert next(rows) == NUMBER
    with pytest.raises(KeyRefused):
        next(rows)


def test_an_agent_is_made_changed_copied_and_deleted(remote, labs):
    remote.post(f"{BASE}/v1/convai/agents/create", json={"agent_id": "agent_1"})
    remote.patch(f"{BASE}/v1/convai/agents/agent_1", json={**AGENT, "name": "B"})
    remote.post(f"{BASE}/v1/convai/agents/agent_1/duplicate", json={"agent_id": "agent_2"})
    remote.delete(f"{BASE}/v1/convai/agents/agent_1", status=204)
    assert labs.create_agent({"name": "A", "conversation_config": {}}) == "agent_1"
    assert labs.update_agent("agent_1", {"name": "B"}).name == "B"
    assert labs.duplicate_agent("agent_1", name="C") == "agent_2"
    assert labs.delete_agent("agent_1") is None
    bodies = [json.loads(call.request.body) if call.request.body else None for call in remote.calls]
    assert bodies == [{"name": "A", "conversation_config": {}}, {"name": "B"}, {"name": "C"}, None]


def test_a_number_is_imported_bound_unbound_and_deleted(remote, labs):
    url = f"{BASE}/v1/convai/phone-numbers"
    remote.post(url, json={"phone_number_id": "phnum_1"})
    remote.patch(f"{url}/phnum_1", json={**NUMBER, "assigned_agent": {"agent_id": "agent_1", "agent_name": "A"}})
    remote.patch(f"{url}/phnum_1", json={**NUMBER, "assigned_agent": None})
    remote.delete(f"{url}/phnum_1", body="null")
    body = {"provider": "twilio", "phone_number": "+1", "label": "L", "sid": "AC1", "token": "secret-1"}
    assert labs.import_number(body) == "phnum_1"
    assert body["token"] == "secret-1"
    assert labs.update_number("phnum_1", {"agent_id": "agent_1"}).agent_id == "agent_1"
    assert labs.update_number("phnum_1", {"agent_id": None}).agent_id is None
    assert labs.delete_number("phnum_1") is None
    assert json.loads(remote.calls[2].request.body) == {"agent_id": None}


@pytest.mark.parametrize(("status", "body"), [(200, b""), (200, b"null"), (204, b""), (202, b"{}"), (200, b'"ok"')])
def test_a_delete_needs_no_answer_but_success(status, body, remote, labs):
    remote.delete(f"{BASE}/v1/convai/agents/agent_1", status=status, body=body)
    labs.delete_agent("agent_1")


def test_a_delete_answered_by_a_web_page_is_unclear(remote, labs):
    """The response came from something between the client and the remote."""
    remote.delete(f"{BASE}/v1/convai/agents/agent_1", body="<html>Welcome to the hotel</html>")
    with pytest.raises(ElevenLabsError) as caught:
        labs.delete_agent("agent_1")
    assert caught.value.outcome is Outcome.UNKNOWN


def test_a_delete_of_a_missing_object_is_reported(remote, labs):
    message = {"detail": {"status": "document_not_found", "message": "Document with id agent_1 not found."}}
    remote.delete(f"{BASE}/v1/convai/agents/agent_1", status=404, json=message)
    with pytest.raises(NotFound) as caught:
        labs.delete_agent("agent_1")
    assert caught.value.missing == "agent_1"


@pytest.mark.parametrize("answer", [{}, {"agent_id": None}, {"agent_id": ""}, {"agent_id": "../x"}, {"agent_id": 7}])
def test_something_made_without_a_usable_id_is_unclear(answer, remote, labs):
    remote.post(f"{BASE}/v1/convai/agents/create", json=answer)
    with pytest.raises(BadShape) as caught:
        labs.create_agent({})
    assert caught.value.outcome is Outcome.UNKNOWN


def test_summaries_show_which_agents_exist_and_which_do_not_and_omit_the_rest(remote, labs):
    ok = {"status": "success", "data": {"agent_id": "a", "name": "A"}}
    remote.get(
        f"{BASE}/v1/convai/agents/summaries",
        json={
            "a": ok,
            "gone": {"status": "failure", "error_code": 404, "error_status": "document_not_found", "error_message": ""},
            "gone2": {"status": "failure", "error_code": "agent_not_found", "error_status": None},
            "locked": {"status": "failure", "error_code": 403, "error_status": "forbidden"},
            "odd": {"status": "success", "data": None},
            "odd2": None,
            "other": ok,
        },
    )
    found = labs.agent_summaries(["a", "gone", "gone2", "locked", "odd", "odd2", "unsaid", "a"])
    assert {name: summary and summary.name for name, summary in found.items()} == {
        "a": "A", "gone": None, "gone2": None,
    }  # fmt: skip
    assert queries(remote)[0]["agent_ids"] == ["a", "gone", "gone2", "locked", "odd", "odd2", "unsaid"]


def test_summaries_are_requested_a_hundred_at_a_time(remote, labs):
    assert labs.agent_summaries([]) == {}
    for _ in range(3):
        remote.get(f"{BASE}/v1/convai/agents/summaries", json={})
    labs.agent_summaries([f"a{n}" for n in range(201)])
    assert [len(query["agent_ids"]) for query in queries(remote)] == [100, 100, 1]


def test_numbers_are_listed_with_the_requested_filters(remote, labs):
    remote.get(f"{BASE}/v1/convai/v2/phone-numbers", json={"phone_numbers": [NUMBER]})
    page = labs.list_numbers(cursor="c", phone_number="+1 2", agent_id="agent_1", search="x", page_size=9)
    assert (page.rows, page.has_more) == ([NUMBER], False)
    assert queries(remote) == [
        {"cursor": ["c"], "page_size": ["9"], "phone_number": ["+1 2"], "agent_id": ["agent_1"], "search": ["x"]}
    ]


def test_where_there_is_no_paged_list_the_old_one_is_read_and_filtered_here(remote, labs):
    remote.get(f"{BASE}/v1/convai/v2/phone-numbers", status=404, json={"detail": "Not Found"})
    other = {**NUMBER, "phone_number": "+2", "label": "Sales"}
    remote.get(f"{BASE}/v1/convai/phone-numbers", json=[NUMBER, other])
    assert labs.list_numbers(phone_number="+2").rows == [other]
    assert labs.list_numbers(search="sal").rows == [other]
    assert list(labs.all_numbers(agent_id="agent_1")) == [NUMBER, other]
    assert [urlsplit(call.request.url).path for call in remote.calls] == [
        "/v1/convai/v2/phone-numbers", *["/v1/convai/phone-numbers"] * 3,
    ]  # fmt: skip
    assert queries(remote)[3] == {"agent_id": ["agent_1"]}


def test_the_old_list_does_not_stand_in_for_a_missing_object_or_a_half_read_list(remote, labs):
    url = f"{BASE}/v1/convai/v2/phone-numbers"
    remote.get(url, status=404, json={"detail": {"status": "document_not_found", "message": "x"}})
    with pytest.raises(NotFound):
        labs.list_numbers(agent_id="agent_1")
    remote.get(url, status=404, json={"detail": "Not Found"})
    with pytest.raises(NoSuchRoute):
        labs.list_numbers(cursor="c")


@pytest.mark.parametrize("answer", [{}, None, {"phone_numbers": []}, [None], ["x"]])
def test_an_old_list_that_is_none_is_an_error(answer, remote, labs):
    remote.get(f"{BASE}/v1/convai/v2/phone-numbers", status=404, json={"detail": "Not Found"})
    remote.get(f"{BASE}/v1/convai/phone-numbers", json=answer)
    with pytest.raises(BadShape):
        labs.list_numbers()


def test_voices_models_and_user(remote, labs):
    voice = {"voice_id": "v1", "name": "V"}
    remote.get(f"{BASE}/v2/voices", json={"voices": [voice, {"x": 1}], "has_more": True, "next_page_token": "t"})
    remote.get(f"{BASE}/v1/voices/v1", json=voice)
    remote.get(f"{BASE}/v1/convai/llm/list", json={"llms": [{"llm": "gpt"}, {"x": 1}]})
    remote.get(f"{BASE}/v1/user", json={"user_id": "u", "workspace_id": "w"})
    page = labs.list_voices(search="x", page_token="p", page_size=5)
    assert ([v.name for v in page.voices], page.next_page_token, page.has_more) == (["V"], "t", True)
    assert queries(remote)[0] == {
        "search": ["x"], "next_page_token": ["p"], "page_size": ["5"], "include_total_count": ["false"],
    }  # fmt: skip
    assert labs.get_voice("v1").voice_id == "v1"
    assert [llm.llm for llm in labs.list_llms()] == ["gpt"]
    assert labs.get_user().workspace_id == "w"


@pytest.mark.parametrize("answer", [[], {}, {"llms": None}])
def test_no_models_is_an_error_and_not_an_empty_choice(answer, remote, labs):
    remote.get(f"{BASE}/v1/convai/llm/list", json=answer)
    with pytest.raises(BadShape):
        labs.list_llms()


def test_rows_come_as_they_are_even_where_no_database_could_keep_them(remote, labs):
    body = '{"agents": [{"a": NaN, "b": Infinity, "c": "\\ud800\\u0000", "d": %s, "e": %s}], "has_more": false}'
    remote.get(f"{BASE}/v1/convai/agents", body=body % (2**70, "9" * 6000))
    (row,) = labs.list_agents().rows
    assert row["a"] != row["a"]
    assert row["d"] == 2**70
    assert row["e"] == float("inf")


def test_voices_and_models_that_no_page_can_show_are_left_out(remote, labs):
    voices = r'{"voices": [{"voice_id": "v1", "name": "\ud800"}, {"voice_id": "v2", "name": "V"}], "has_more": false}'
    remote.get(f"{BASE}/v2/voices", body=voices)
    remote.get(
        f"{BASE}/v1/convai/llm/list", body=r'{"llms": [{"llm": "\ud800"}, {"llm": "a\u0000"}, 5, {"llm": "gpt"}]}'
    )
    assert [voice.name for voice in labs.list_voices().voices] == ["V"]
    assert [llm.llm for llm in labs.list_llms()] == ["gpt"]


def test_an_answer_about_another_object_is_none(remote, labs):
    remote.get(f"{BASE}/v1/convai/agents/agent_1", json={"agent_id": "agent_2", "name": "x", "conversation_config": {}})
    number = {"phone_number_id": "phnum_2", "phone_number": "+1", "label": ""}
    remote.get(f"{BASE}/v1/convai/phone-numbers/phnum_1", json=number)
    with pytest.raises(BadShape):
        labs.get_agent("agent_1")
    with pytest.raises(BadShape):
        labs.get_number("phnum_1")
