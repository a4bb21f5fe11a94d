"""Every response is validated against the official OpenAPI document, if a copy of it is available."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import requests
from jsonschema import Draft202012Validator

from tests.sandbox_process import ROOT, Sandbox

DOCUMENT = ROOT.parent / "shared" / "elevenlabs-openapi.json"
IMPORT = {"provider": "twilio", "phone_number": "+15551230001", "label": "Main", "sid": "AC" + "a" * 32, "token": "x"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    if not Path(DOCUMENT).exists():
        pytest.skip("no copy of the OpenAPI document")
    loaded: dict[str, Any] = json.loads(DOCUMENT.read_text())
    return loaded


class Judge:
    def __init__(self, sandbox: Sandbox, document: dict[str, Any]) -> None:
        self.sandbox, self.document, self.judged = sandbox, document, 0

    def call(self, method: str, path: str, **options: Any) -> Any:
        response = self.sandbox.call(method, path, **options)
        self.judge(method, path.partition("?")[0], response)
        return response.json() if response.content else None

    def judge(self, method: str, path: str, response: requests.Response) -> None:
        responses = self.operation(method, path)["responses"]
        assert str(response.status_code) in responses, (method, path, response.status_code, response.text[:500])
        content = responses[str(response.status_code)].get("content")
        if content and content["application/json"].get("schema"):
            schema = {**content["application/json"]["schema"], "components": self.document["components"]}
            errors = [
                f"{'.'.join(map(str, error.absolute_path))}: {error.message[:300]}"
                for error in Draft202012Validator(schema).iter_errors(response.json())
            ]
            assert not errors, (method, path, errors)
            self.judged += 1

    def operation(self, method: str, path: str) -> dict[str, Any]:
        exact = self.document["paths"].get(path, {}).get(method.lower())
        if exact:
            return exact  # type: ignore[no-any-return]
        for template, item in self.document["paths"].items():
            if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path) and method.lower() in item:
                return item[method.lower()]  # type: ignore[no-any-return]
        raise AssertionError(f"{method} {path} is not in the document")


def test_every_answer_is_valid(sandbox: Sandbox, document: dict[str, Any]) -> None:
    judge = Judge(sandbox, document)
    made = [
        judge.call("POST", "/v1/convai/agents/create", json={"conversation_config": {}, "name": "Plain"})["agent_id"],
        judge.call("POST", "/v1/convai/agents/create", json=full_agent())["agent_id"],
    ]
    made.append(judge.call("POST", f"/v1/convai/agents/{made[1]}/duplicate", json={})["agent_id"])
    sandbox.settings(listed_after=0)
    numbers = [
        judge.call("POST", "/v1/convai/phone-numbers", json=body)["phone_number_id"] for body in imports(made[0])
    ]
    for agent_id in made:
        judge.call("GET", f"/v1/convai/agents/{agent_id}")
    judge.call("PATCH", f"/v1/convai/agents/{made[0]}", json={"platform_settings": {"widget": {"variant": "tiny"}}})
    judge.call("GET", "/v1/convai/agents")
    judge.call("GET", "/v1/convai/agents?archived=true&sort_by=updated_at")
    judge.call("GET", "/v1/convai/agents/summaries", params={"agent_ids": [made[0], "agent_unknown"]})
    for number_id in numbers:
        judge.call("GET", f"/v1/convai/phone-numbers/{number_id}")
        judge.call("PATCH", f"/v1/convai/phone-numbers/{number_id}", json={"agent_id": made[1]})
    judge.call("PATCH", f"/v1/convai/phone-numbers/{numbers[2]}", json={"store_sip_messages": False})
    judge.call("DELETE", f"/v1/convai/agents/{made[1]}")  # their numbers are now unassigned
    for path in ("/v1/convai/phone-numbers", "/v1/convai/v2/phone-numbers", "/v1/convai/v2/phone-numbers?page_size=1"):
        judge.call("GET", path)
    judge.call("DELETE", f"/v1/convai/phone-numbers/{numbers[0]}")
    for path in ("/v2/voices?page_size=100", "/v1/user", "/v1/convai/llm/list", "/v1/convai/conversations"):
        judge.call("GET", path)
    judge.call("GET", "/v1/convai/agents?page_size=0")
    judge.call("POST", "/v1/convai/phone-numbers", json={"provider": "twilio", "label": 5})
    judge.call("POST", "/v1/convai/agents/create", data="{")
    sandbox.call("POST", "/_sandbox/reset", json={"agents": 12, "numbers": 40})
    judge.call("GET", "/v1/convai/v2/phone-numbers")
    for agent in judge.call("GET", "/v1/convai/agents")["agents"]:
        judge.call("GET", f"/v1/convai/agents/{agent['agent_id']}")
    assert judge.judged > 40


def test_the_judge_can_fail(sandbox: Sandbox, document: dict[str, Any]) -> None:
    agent_id = sandbox.create_agent()
    sandbox.console("overlay", id=agent_id, set={"tags": "none"})
    with pytest.raises(AssertionError, match="tags"):
        Judge(sandbox, document).call("GET", f"/v1/convai/agents/{agent_id}")


def full_agent() -> dict[str, Any]:
    return {
        "name": "Rezeption",
        "tags": ["de", "test"],
        "conversation_config": {
            "agent": {
                "language": "de",
                "first_message": "Guten Tag",
                "prompt": {"prompt": "Sei kurz.", "llm": "gpt-4o-mini", "temperature": 0.4, "tool_ids": ["tool_1"]},
            },
            "tts": {"model_id": "eleven_flash_v2_5", "voice_id": "sbxGreta0deHalloWelt", "speed": 1.1},
            "turn": {"turn_eagerness": "patient", "soft_timeout_config": {"timeout_seconds": 3, "message": "Moment"}},
            "language_presets": {"en": {"overrides": {"agent": {"first_message": "Hello", "language": "en"}}}},
        },
        "platform_settings": {"archived": True, "privacy": {"retention_days": 30}, "auth": {"enable_auth": True}},
    }


def imports(agent_id: str) -> list[dict[str, Any]]:
    sip = {
        "provider": "sip_trunk",
        "phone_number": "+15551230003",
        "label": "Trunk",
        "inbound_trunk_config": {"credentials": {"username": "u", "password": "p"}},
        "outbound_trunk_config": {"address": "sip.example.com", "transport": "tls"},
    }
    exotel = {
        "provider": "exotel",
        "phone_number": "+915551230004",
        "label": "Exotel",
        "account_sid": "x",
        "api_key": "k",
        "api_token": "t",
        "api_subdomain": "api.in.exotel.com",
        "app_id": "1",
    }
    return [{**IMPORT, "agent_id": agent_id}, {**IMPORT, "phone_number": "+15551230002"}, sip, exotel]
