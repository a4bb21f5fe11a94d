"""The routing table, with the schemas of queries and bodies."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel, TypeAdapter

from . import account, agent_endpoints, control, number_endpoints, voices
from .errors import plain
from .messages import Answer
from .number_bodies import ANY_IMPORT, NumberPatch
from .state import Call


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    endpoint: Callable[[Call], Answer]
    query: type[BaseModel] | None = None
    body: TypeAdapter[Any] | None = None
    open: bool = False  # no key needed


AGENTS, NUMBERS, CONTROL = "/v1/convai/agents", "/v1/convai/phone-numbers", "/_sandbox"

ROUTES = (
    Route("POST", f"{AGENTS}/create", agent_endpoints.create, body=agent_endpoints.CREATE),
    Route("GET", AGENTS, agent_endpoints.list_page, query=agent_endpoints.AgentsQuery),
    Route("GET", f"{AGENTS}/summaries", agent_endpoints.summaries, query=agent_endpoints.SummariesQuery),
    Route("GET", f"{AGENTS}/*", agent_endpoints.get, query=agent_endpoints.AgentQuery),
    Route("PATCH", f"{AGENTS}/*", agent_endpoints.patch, query=agent_endpoints.AgentQuery, body=agent_endpoints.PATCH),
    Route("DELETE", f"{AGENTS}/*", agent_endpoints.delete),
    Route("POST", f"{AGENTS}/*/duplicate", agent_endpoints.duplicate, body=agent_endpoints.DUPLICATE),
    Route("GET", f"{AGENTS}/*/link", agent_endpoints.link),
    Route("POST", NUMBERS, number_endpoints.import_number, body=ANY_IMPORT),
    Route("GET", NUMBERS, number_endpoints.list_all, query=number_endpoints.AllNumbersQuery),
    Route("GET", "/v1/convai/v2/phone-numbers", number_endpoints.list_page, query=number_endpoints.NumbersQuery),
    Route("GET", f"{NUMBERS}/*", number_endpoints.get),
    Route("PATCH", f"{NUMBERS}/*", number_endpoints.patch, body=TypeAdapter(NumberPatch)),
    Route("DELETE", f"{NUMBERS}/*", number_endpoints.delete),
    Route("GET", "/v1/convai/llm/list", account.list_llms),
    Route("GET", "/v1/convai/conversations", account.conversations, query=account.ConversationsQuery),
    Route("GET", "/v1/user", account.user),
    Route("GET", "/v1/user/subscription", account.subscription),
    Route("GET", "/v1/models", account.models),
    Route("GET", "/v1/voices", voices.list_all_voices),
    Route("GET", "/v1/voices/*", voices.get_voice),
    Route("GET", "/v2/voices", voices.list_voices, query=voices.VoicesQuery),
    Route("GET", f"{CONTROL}/preview/*.wav", voices.preview, open=True),
    Route("GET", f"{CONTROL}/settings", control.get_settings),
    Route("PATCH", f"{CONTROL}/settings", control.change_settings, body=control.CHANGES),
    Route("GET", f"{CONTROL}/faults", control.list_faults),
    Route("POST", f"{CONTROL}/faults", control.add_faults, body=control.FAULTS),
    Route("DELETE", f"{CONTROL}/faults", control.clear_faults),
    Route("GET", f"{CONTROL}/ledger", control.ledger_entries, query=control.LedgerQuery),
    Route("GET", f"{CONTROL}/calls", control.list_calls, query=control.CallsQuery),
    Route("POST", f"{CONTROL}/reset", control.reset, body=control.RESET),
    Route("POST", f"{CONTROL}/clock", control.move_clock, body=control.CLOCK),
    Route("POST", f"{CONTROL}/console", control.act_in_console, body=control.CONSOLE),
)


def pattern(path: str) -> re.Pattern[str]:
    return re.compile("([^/]+)".join(re.escape(part) for part in path.split("*")))


PATTERNS = [(pattern(route.path), route) for route in ROUTES]


def find(method: str, path: str) -> tuple[Route, tuple[str, ...]]:
    allowed = []
    for shape, route in PATTERNS:
        match = shape.fullmatch(path)
        if match is None:
            continue
        if route.method == method:
            return route, tuple(unquote(part) for part in match.groups())
        allowed.append(route.method)
    if allowed:
        raise plain(405, "Method Not Allowed", allow=", ".join(allowed))
    raise plain(404, "Not Found")
