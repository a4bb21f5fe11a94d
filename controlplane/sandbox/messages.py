"""Requests and responses, independent of sockets."""

import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Protocol

Json = dict[str, Any]


def new_trace_id() -> str:
    return secrets.token_hex(16)


class Headers(Protocol):
    def get(self, name: str, /) -> str | None: ...


@dataclass(slots=True)
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: Headers
    body: bytes
    base_url: str = ""
    trace_id: str = field(default_factory=new_trace_id)

    @property
    def query_text(self) -> str:
        return "&".join(f"{name}={value}" for name, values in self.query.items() for value in values)


@dataclass(slots=True)
class Answer:
    content: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None  # sent unchanged instead of `content`
    content_type: str = "application/json"

    def payload(self) -> bytes:
        if self.raw is not None:
            return self.raw
        # Escaped to ASCII and with NaN allowed: an overlay may contain a lone surrogate or a NaN on purpose.
        return json.dumps(self.content, separators=(",", ":")).encode()
