"""The faults of single requests in a long sequence of events, for writes and for reads."""

from typing import Any

EFFECT_AFTER = 40  # seconds; before the negative verdict, see tests/operations/test_late_effect.py for later effects
NO_FAULT: dict[str, Any] = {}
LOST: list[dict[str, Any]] = [
    {"fault": "status", "status": 500},
    {"fault": "status", "status": 500, "when": "after"},
    {"fault": "status", "status": 500, "when": "late", "late_seconds": EFFECT_AFTER},
    {"fault": "reset"},
    {"fault": "reset", "when": "after"},
    {"fault": "html", "when": "after"},
    {"fault": "status", "status": 429},
]
WRITING = ["POST", "PATCH", "DELETE"]
READS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/convai/agents", {"fault": "status", "status": 500}),
    ("/v1/convai/v2/phone-numbers", {"fault": "garbage"}),
    ("/v1/convai/v2/phone-numbers", {"fault": "edit", "body": {"phone_numbers": [], "has_more": False}}),
    ("/v1/convai/agents", {"fault": "edit", "query": "archived=false", "body": {"agents": [], "has_more": False}}),
    ("/v1/convai/agents/agent_*", {"fault": "status", "status": 500}),
    ("/v1/convai/agents/agent_*", {"fault": "status", "status": 404}),
    ("/v1/convai/phone-numbers/phnum_*", {"fault": "status", "status": 404}),
    ("/v1/convai/phone-numbers/phnum_*", {"fault": "status", "status": 403}),
    ("/v1/convai/*", {"fault": "status", "status": 401}),
    ("/v1/user", {"fault": "status", "status": 500}),
]
