"""How an agent's configuration is merged, validated and completed with defaults."""

import json
from typing import Any

import pytest
import requests

from tests.sandbox_process import Sandbox

AGENTS = "/v1/convai/agents"


def patch(sandbox: Sandbox, agent_id: str, **body: Any) -> requests.Response:
    return sandbox.call("PATCH", f"{AGENTS}/{agent_id}", json=body)


def test_defaults(sandbox: Sandbox) -> None:
    config = sandbox.get(f"{AGENTS}/{sandbox.create_agent()}")["conversation_config"]
    assert config["agent"]["language"] == "en"
    assert config["agent"]["prompt"]["llm"] == "gemini-2.5-flash"
    assert config["agent"]["prompt"]["temperature"] == 0.0
    assert config["tts"]["model_id"] == "eleven_flash_v2"
    assert config["tts"]["voice_id"] == "cjVigY5qzO86Huf0OWal"
    assert (config["tts"]["stability"], config["tts"]["speed"], config["tts"]["similarity_boost"]) == (0.5, 1.0, 0.8)
    assert config["turn"]["turn_timeout"] == 7.0
    assert config["conversation"]["max_duration_seconds"] == 600


def test_objects_merge_arrays_are_replaced_null_clears(sandbox: Sandbox) -> None:
    agent_id = sandbox.create_agent(
        agent={"first_message": "Hello", "prompt": {"prompt": "Be kind.", "tool_ids": ["a", "b"], "timezone": "UTC"}},
        language_presets={"de": {"overrides": {}}, "fr": {"overrides": {}}},
    )
    changed = patch(
        sandbox,
        agent_id,
        conversation_config={
            "agent": {"prompt": {"tool_ids": ["c"], "timezone": None, "temperature": None}},
            "language_presets": {"de": None},
        },
        tags=["x"],
    ).json()
    agent, prompt = changed["conversation_config"]["agent"], changed["conversation_config"]["agent"]["prompt"]
    assert (agent["first_message"], prompt["prompt"]) == ("Hello", "Be kind.")
    assert (prompt["tool_ids"], prompt["timezone"], prompt["temperature"]) == (["c"], None, None)
    assert list(changed["conversation_config"]["language_presets"]) == ["fr"]
    assert changed["tags"] == ["x"]
    assert patch(sandbox, agent_id, tags=["y"]).json()["tags"] == ["y"]


def test_unknown_keys_are_dropped_without_a_word(sandbox: Sandbox) -> None:
    agent_id = sandbox.create_agent()
    response = patch(
        sandbox, agent_id, webhook_url="https://x.example", conversation_config={"agent": {"mood": 1}, "brain": {}}
    )
    assert response.status_code == 200
    assert "mood" not in response.text
    assert "brain" not in response.json()["conversation_config"]
    assert "webhook_url" not in response.json()


@pytest.mark.parametrize(
    ("language", "model", "fits"),
    [
        ("en", "eleven_flash_v2", True),
        ("en", "eleven_turbo_v2", True),
        ("en", "eleven_multilingual_v2", True),
        ("en", "eleven_v3_conversational", True),
        ("en", "eleven_v4_turbo", True),
        ("en", "eleven_flash_v2_5", False),
        ("en", "eleven_turbo_v2_5", False),
        ("fr", "eleven_flash_v2_5", True),
        ("de", "eleven_turbo_v2_5", True),
        ("fr", "eleven_flash_v2", False),
        ("es", "eleven_multilingual_v2", False),
        ("es", "eleven_v3_conversational", False),
        ("fr", None, False),
    ],
)
def test_language_and_voice_model(sandbox: Sandbox, language: str, model: str | None, fits: bool) -> None:
    config = {"agent": {"language": language}, "tts": {"model_id": model} if model else {}}
    body = {"name": "Bot", "conversation_config": config}
    responses = [
        sandbox.call("POST", f"{AGENTS}/create", json=body),
        patch(sandbox, sandbox.create_agent(), conversation_config=config),
    ]
    for response in responses:
        assert response.ok == fits
        if not fits:
            detail = response.json()["detail"]
            assert (response.status_code, detail["status"]) == (400, "input_invalid")
            assert "turbo or flash v2" in json.loads(detail["message"])[0]["msg"]


@pytest.mark.parametrize(
    ("config", "param"),
    [
        ({"tts": {"stability": 1.5}}, "tts.stability"),
        ({"tts": {"speed": 0.5}}, "tts.speed"),
        ({"tts": {"similarity_boost": -1}}, "tts.similarity_boost"),
        ({"agent": {"prompt": {"llm": "gpt-99"}}}, "agent.prompt.llm"),
        ({"agent": {"language": None}}, "agent.language"),
        ({"turn": {"soft_timeout_config": None}}, "turn.soft_timeout_config"),
        ({"turn": {"soft_timeout_config": {"message": ""}}}, "turn.soft_timeout_config.message"),
        ({"agent": {"prompt": {"cascade_timeout_seconds": 60}}}, "agent.prompt.cascade_timeout_seconds"),
    ],
)
def test_a_wrong_value_is_422_at_create_and_400_at_patch(sandbox: Sandbox, config: dict[str, Any], param: str) -> None:
    created = sandbox.call("POST", f"{AGENTS}/create", json={"conversation_config": config})
    assert created.status_code == 422
    assert created.json()["detail"][0]["loc"] == ["body", "conversation_config", *param.split(".")]
    patched = patch(sandbox, sandbox.create_agent(), conversation_config=config)
    detail = patched.json()["detail"]
    assert (patched.status_code, detail["code"], detail["param"]) == (400, "invalid_parameters", param)
    assert detail["message"].startswith("Invalid conversation config: ")


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"tts": {"voice_id": "nobody"}}, "invalid_voice_id"),
        ({"agent": {"prompt": {"temperature": 3}}}, "invalid_parameters"),
        ({"agent": {"prompt": {"llm": "custom-llm"}}}, "invalid_parameters"),
    ],
)
def test_business_rules(sandbox: Sandbox, config: dict[str, Any], code: str) -> None:
    created = sandbox.call("POST", f"{AGENTS}/create", json={"conversation_config": config})
    patched = patch(sandbox, sandbox.create_agent(), conversation_config=config)
    for response in (created, patched):
        assert (response.status_code, response.json()["detail"]["code"]) == (400, code)


def test_no_round_trip(sandbox: Sandbox) -> None:
    agent_id = sandbox.create_agent()
    config = sandbox.get(f"{AGENTS}/{agent_id}")["conversation_config"]
    response = patch(sandbox, agent_id, conversation_config=config)
    assert (response.status_code, response.json()["detail"]["status"]) == (400, "both_tools_and_tool_ids_provided")


def test_expressive_mode_is_taken_back_where_the_model_cannot(sandbox: Sandbox) -> None:
    agent_id = sandbox.create_agent(tts={"expressive_mode": True, "model_id": "eleven_flash_v2"})
    assert sandbox.get(f"{AGENTS}/{agent_id}")["conversation_config"]["tts"]["expressive_mode"] is False
    changed = patch(sandbox, agent_id, conversation_config={"tts": {"model_id": "eleven_v3_conversational"}})
    assert changed.ok


def test_versions(sandbox: Sandbox) -> None:
    agent_id = sandbox.create_agent()
    first = sandbox.get(f"{AGENTS}/{agent_id}")["version_id"]
    assert patch(sandbox, agent_id, name="Other").json()["version_id"] == first
    assert patch(sandbox, agent_id, platform_settings={"archived": True}).json()["version_id"] == first
    second = patch(sandbox, agent_id, conversation_config={"agent": {"first_message": "Hi"}}).json()["version_id"]
    assert second != first
    third = patch(sandbox, agent_id, conversation_config={"agent": {"first_message": "Hi"}}).json()["version_id"]
    assert third not in (first, second)
    assert sandbox.call("GET", f"{AGENTS}/{agent_id}?version_id={first}").status_code == 404


def test_duplicate_copies_everything_but_the_numbers(sandbox: Sandbox) -> None:
    sandbox.settings(listed_after=0)
    agent_id = sandbox.create_agent("Bot", agent={"first_message": "Hello"})
    sandbox.import_number(agent_id=agent_id)
    copy_id = sandbox.call("POST", f"{AGENTS}/{agent_id}/duplicate", json={}).json()["agent_id"]
    copy = sandbox.get(f"{AGENTS}/{copy_id}")
    assert (copy["name"], copy["phone_numbers"]) == ("Bot (Copy)", [])
    assert copy["conversation_config"]["agent"]["first_message"] == "Hello"
    assert len(sandbox.get(f"{AGENTS}/{agent_id}")["phone_numbers"]) == 1
