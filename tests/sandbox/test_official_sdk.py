"""Verification with the official SDK: it runs the whole lifecycle, and its models parse every response."""

from typing import Any

import pytest
from elevenlabs.client import ElevenLabs
from elevenlabs.conversational_ai.phone_numbers.types import PhoneNumbersCreateRequestBody_Twilio as TwilioImport
from elevenlabs.core.api_error import ApiError
from elevenlabs.types import (
    AgentConfig,
    ConversationalConfig,
    PromptAgentApiModelOutput,
    TtsConversationalConfigOutput,
)

from tests.sandbox_process import Sandbox

ONCE: Any = {"max_retries": 0}


@pytest.fixture
def client(sandbox: Sandbox) -> ElevenLabs:
    return ElevenLabs(api_key=sandbox.key, base_url=sandbox.url, timeout=20)


def config(first_message: str) -> ConversationalConfig:
    return ConversationalConfig(
        agent=AgentConfig(first_message=first_message, prompt=PromptAgentApiModelOutput(prompt="Be kind.")),
        tts=TtsConversationalConfigOutput(voice_id="EXAVITQu4vr4xnSDxMaL"),
    )


def test_whole_lifecycle(sandbox: Sandbox, client: ElevenLabs) -> None:
    agents, numbers = client.conversational_ai.agents, client.conversational_ai.phone_numbers

    support = agents.create(
        name="Support Bot", tags=["demo"], conversation_config=config("Hello"), request_options=ONCE
    ).agent_id
    sales = agents.create(name="Sales Bot", conversation_config=config("Hi"), request_options=ONCE).agent_id
    page = agents.list(page_size=100, request_options=ONCE)
    assert {agent.agent_id for agent in page.agents} == {support, sales}
    assert not page.has_more

    read = agents.get(support, request_options=ONCE)
    assert read.name == "Support Bot"
    assert read.tags == ["demo"]
    assert read.conversation_config.agent.first_message == "Hello"
    assert read.conversation_config.tts.voice_id == "EXAVITQu4vr4xnSDxMaL"
    assert read.phone_numbers == []
    changed = agents.update(support, name="Help Bot", request_options=ONCE)
    assert (changed.name, changed.version_id) == ("Help Bot", read.version_id)

    copy = agents.duplicate(support, name="Help Bot 2", request_options=ONCE).agent_id
    assert agents.get(copy, request_options=ONCE).conversation_config.agent.first_message == "Hello"
    summaries = agents.summaries.get(agent_ids=[copy, "agent_none"], request_options=ONCE)
    assert summaries[copy].status == "success"
    assert summaries["agent_none"].status == "failure"

    number = numbers.create(
        request=TwilioImport(phone_number="+15551230001", label="Main", sid="AC" + "a" * 32, token="x"),
        request_options=ONCE,
    ).phone_number_id
    assert numbers.list_v_2(request_options=ONCE).phone_numbers == []
    sandbox.advance(5)
    (listed,) = numbers.list_v_2(request_options=ONCE).phone_numbers
    assert (listed.phone_number_id, listed.provider, listed.assigned_agent) == (number, "twilio", None)
    assert [each.phone_number_id for each in numbers.list(request_options=ONCE)] == [number]

    assigned = numbers.update(number, agent_id=support, request_options=ONCE)
    assert assigned.assigned_agent.agent_name == "Help Bot"
    assert [each.phone_number_id for each in agents.get(support, request_options=ONCE).phone_numbers] == [number]
    swapped = numbers.update(number, agent_id=sales, label="Sales line", request_options=ONCE)
    assert (swapped.assigned_agent.agent_id, swapped.label) == (sales, "Sales line")
    assert numbers.update(number, agent_id=None, request_options=ONCE).assigned_agent is None
    assert numbers.get(number, request_options=ONCE).label == "Sales line"

    agents.update(sales, platform_settings={"archived": True}, request_options=ONCE)
    assert sales not in {agent.agent_id for agent in agents.list(request_options=ONCE).agents}
    (archived,) = agents.list(archived=True, request_options=ONCE).agents
    assert (archived.agent_id, archived.archived) == (sales, True)

    numbers.delete(number, request_options=ONCE)
    for agent in (support, sales, copy):
        agents.delete(agent, request_options=ONCE)
    assert agents.list(request_options=ONCE).agents == []
    assert numbers.list(request_options=ONCE) == []
    with pytest.raises(ApiError) as refused:
        agents.get(support, request_options=ONCE)
    assert refused.value.status_code == 404
    assert [entry["kind"] for entry in sandbox.ledger()] == [
        "create_agent",
        "create_agent",
        "update_agent",
        "duplicate_agent",
        "import_number",
        "update_number",
        "update_number",
        "update_number",
        "update_agent",
        "delete_number",
        "delete_agent",
        "delete_agent",
        "delete_agent",
    ]


def test_what_the_forms_offer(client: ElevenLabs) -> None:
    assert "gemini-2.5-flash" in {each.llm for each in client.conversational_ai.llm.list(request_options=ONCE).llms}
    found, token = [], None
    while True:
        page = client.voices.search(page_size=20, next_page_token=token, request_options=ONCE)
        found += [voice.voice_id for voice in page.voices]
        token = page.next_page_token
        if not page.has_more:
            break
    assert len(found) == len(set(found)) == page.total_count >= 30
    assert client.voices.get("cjVigY5qzO86Huf0OWal", request_options=ONCE).name == "Eric"
    assert client.user.get(request_options=ONCE).workspace_id == "workspace_sandbox"
    assert client.user.subscription.get(request_options=ONCE).status == "active"
    assert client.models.list(request_options=ONCE)
    assert client.conversational_ai.conversations.list(request_options=ONCE).conversations == []
