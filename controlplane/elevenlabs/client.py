"""The client: one method for each ElevenLabs endpoint in use. Every failure raises an ElevenLabsError."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Self, TypeVar

from .base_url import SANDBOX_KEY
from .errors import BadShape, NoSuchRoute, NotSent
from .paging import every_page, every_row
from .schemas import (
    Agent,
    AgentSummary,
    Json,
    Llm,
    Page,
    PhoneNumber,
    User,
    Voice,
    VoicePage,
    is_id,
    unstorable,
)
from .scrub import mask_permanently, scrub, secret_values, secrets_in_memory
from .traffic import Traffic
from .transport import Call, Transport

AGENTS = "/v1/convai/agents"
# Only the authored part of a workflow: generated elements must not be sent back as if they were authored.
AUTHORED = {"include_procedure_generated_workflow_elements": "false"}
NUMBERS = "/v1/convai/phone-numbers"
NUMBERS_PAGED = "/v1/convai/v2/phone-numbers"
MAX_SUMMARIES = 100

RemoteObject = TypeVar("RemoteObject", Agent, PhoneNumber)


class ElevenLabs:
    """A client for one workspace, used for one click or one task. `calls` lists the calls made with it.

    The underlying connections are kept per thread, so creating a client for each click is cheap.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        read_deadline: float = 20.0,
        write_deadline: float = 10.0,
        patience: float = 45.0,
        traffic: Traffic | None = None,
        urgent: bool = False,
    ) -> None:
        """Deadlines in seconds for one attempt; `patience` for all attempts of a read. ValueError for an invalid
        URL."""
        if key != SANDBOX_KEY:
            mask_permanently(key)
        self._http = Transport(
            base_url,
            key,
            read_deadline=read_deadline,
            write_deadline=write_deadline,
            patience=patience,
            traffic=traffic,
            urgent=urgent,
        )
        self._numbers_are_paged = True

    @classmethod
    def with_transport(cls, transport: Transport) -> Self:
        """For tests that supply their own transport."""
        client = cls.__new__(cls)
        client._http, client._numbers_are_paged = transport, True
        return client

    def __repr__(self) -> str:
        return f"<ElevenLabs {self._http.base_url}>"

    @property
    def base_url(self) -> str:
        return self._http.base_url

    @property
    def calls(self) -> list[Call]:
        return self._http.calls

    @property
    def last_call(self) -> Call | None:
        return self.calls[-1] if self.calls else None

    # --- Agents -----------------------------------------------------------------------------------------------

    def list_agents(
        self, *, archived: bool = False, cursor: str | None = None, page_size: int = 100, search: str | None = None
    ) -> Page:
        """The remote hides archived agents from a plain list: request both kinds to see all."""
        params = {"archived": "true" if archived else "false", "page_size": page_size}
        return Page.parse(self._http.read(AGENTS, _params(**params, cursor=cursor, search=search)), "agents")

    def agent_pages(self, archived: bool = False, search: str | None = None) -> Iterator[Page]:
        """Every page. Ends without an error only if the remote reported the end of the list."""
        return every_page(lambda cursor: self.list_agents(archived=archived, cursor=cursor, search=search))

    def all_agents(self, archived: bool = False, search: str | None = None) -> Iterator[Json]:
        """The rows of `agent_pages`."""
        return every_row(self.agent_pages(archived, search))

    def agent_summaries(self, ids: Sequence[str]) -> dict[str, AgentSummary | None]:
        """Summaries by id. None: the remote has no such agent. An id that is missing could not be determined."""
        wanted = [_id(agent_id) for agent_id in dict.fromkeys(ids)]
        found: dict[str, AgentSummary | None] = {}
        for start in range(0, len(wanted), MAX_SUMMARIES):
            batch = wanted[start : start + MAX_SUMMARIES]
            answer = self._http.read(f"{AGENTS}/summaries", {"agent_ids": batch})
            if not isinstance(answer, dict):
                raise BadShape("ElevenLabs' answer is not a set of agents.")
            for agent_id in batch:
                entry = answer.get(agent_id)
                entry = entry if isinstance(entry, dict) else {}
                if entry.get("status") == "success":
                    with suppress(BadShape):
                        found[agent_id] = AgentSummary.parse(entry.get("data"))
                elif entry.get("status") == "failure":
                    reasons = (str(entry.get("error_code")), str(entry.get("error_status")))
                    if any(reason == "404" or reason.endswith("not_found") for reason in reasons):
                        found[agent_id] = None
        return found

    def get_agent(self, agent_id: str) -> Agent:
        return _about(agent_id, Agent.parse(self._http.read(f"{AGENTS}/{_id(agent_id)}", AUTHORED)))

    def create_agent(self, body: Json) -> str:
        return _new_id(self._http.write("POST", f"{AGENTS}/create", body), "agent_id")

    def update_agent(self, agent_id: str, patch: Json) -> Agent:
        """Objects are merged, lists are replaced, null clears; a `workflow` replaces the whole workflow. Unknown keys
        are silently dropped: read back."""
        answer = self._http.write("PATCH", f"{AGENTS}/{_id(agent_id)}", patch, params=AUTHORED)
        return _about(agent_id, Agent.parse(answer))

    def duplicate_agent(self, agent_id: str, *, name: str) -> str:
        return _new_id(self._http.write("POST", f"{AGENTS}/{_id(agent_id)}/duplicate", {"name": name}), "agent_id")

    def delete_agent(self, agent_id: str) -> None:
        """Raises NotFound if it was already deleted."""
        self._http.write("DELETE", f"{AGENTS}/{_id(agent_id)}", answer_needed=False)

    # --- Phone numbers ----------------------------------------------------------------------------------------

    def list_numbers(
        self,
        *,
        cursor: str | None = None,
        page_size: int = 100,
        phone_number: str | None = None,
        agent_id: str | None = None,
        search: str | None = None,
    ) -> Page:
        """Falls back to the older list if there is no paged one: a bare array, filtered by agent only."""
        agent = _id(agent_id) if agent_id is not None else None
        if self._numbers_are_paged:
            params = _params(
                cursor=cursor, page_size=page_size, phone_number=phone_number, agent_id=agent, search=search
            )
            try:
                return Page.parse(self._http.read(NUMBERS_PAGED, params), "phone_numbers", more_if_unsaid=False)
            except NoSuchRoute:
                if cursor is not None:  # a partial list must not continue as a complete one
                    raise
        rows = self.list_numbers_legacy(agent).rows
        self._numbers_are_paged = False
        if phone_number is not None:
            rows = [row for row in rows if row.get("phone_number") == phone_number]
        if search is not None:
            rows = [row for row in rows if search.lower() in f"{row.get('label')} {row.get('phone_number')}".lower()]
        return Page(rows, None, False)

    def list_numbers_legacy(self, agent_id: str | None = None) -> Page:
        """The bare array, also if the remote has the paged list."""
        found = self._http.read(NUMBERS, _params(agent_id=agent_id))
        return Page.parse({"rows": found, "has_more": False}, "rows")

    def number_pages(
        self, *, phone_number: str | None = None, agent_id: str | None = None, page_size: int = 100
    ) -> Iterator[Page]:
        """As `agent_pages`."""
        filters = {"phone_number": phone_number, "agent_id": agent_id}
        return every_page(lambda cursor: self.list_numbers(cursor=cursor, page_size=page_size, **filters))

    def all_numbers(
        self, *, phone_number: str | None = None, agent_id: str | None = None, page_size: int = 100
    ) -> Iterator[Json]:
        """The rows of `number_pages`."""
        return every_row(self.number_pages(phone_number=phone_number, agent_id=agent_id, page_size=page_size))

    def get_number(self, number_id: str) -> PhoneNumber:
        return _about(number_id, PhoneNumber.parse(self._http.read(f"{NUMBERS}/{_id(number_id)}")))

    def import_number(self, body: Json) -> str:
        """The body contains the carrier's credentials, which are masked during this call."""
        with secrets_in_memory(*secret_values(body)):
            try:
                return _new_id(self._http.write("POST", NUMBERS, body), "phone_number_id")
            finally:
                body = {}  # tracebacks show local variables

    def update_number(self, number_id: str, patch: Json) -> PhoneNumber:
        """`{"agent_id": None}` unbinds the number."""
        return _about(number_id, PhoneNumber.parse(self._http.write("PATCH", f"{NUMBERS}/{_id(number_id)}", patch)))

    def delete_number(self, number_id: str) -> None:
        """Removes it from ElevenLabs only. Raises NotFound if it was already removed."""
        self._http.write("DELETE", f"{NUMBERS}/{_id(number_id)}", answer_needed=False)

    # --- Voices, language models and the key's user -------------------------------------------------------------

    def list_voices(
        self, *, search: str | None = None, page_token: str | None = None, page_size: int = 30
    ) -> VoicePage:
        """Voices that cannot be parsed or displayed are left out: a picker with the others is better than none."""
        params = _params(search=search, next_page_token=page_token, page_size=page_size, include_total_count="false")
        page = Page.parse(self._http.read("/v2/voices", params), "voices", cursor_key="next_page_token")
        voices = []
        for row in page.rows:
            with suppress(BadShape):
                if not unstorable(row):  # a lone surrogate cannot be rendered either
                    voices.append(Voice.parse(row))
        return VoicePage(voices, page.next_cursor, page.has_more)

    def get_voice(self, voice_id: str) -> Voice:
        return Voice.parse(self._http.read(f"/v1/voices/{_id(voice_id)}"))

    def list_llms(self) -> list[Llm]:
        """As with voices, models that cannot be parsed or displayed are left out."""
        answer = self._http.read("/v1/convai/llm/list")
        rows = answer.get("llms") if isinstance(answer, dict) else None
        if not isinstance(rows, list):
            raise BadShape("ElevenLabs' answer is not a list of language models.")
        models = []
        for row in rows:
            with suppress(BadShape):
                if isinstance(row, dict) and not unstorable(row):
                    models.append(Llm.parse(row))
        return models

    def get_user(self) -> User:
        """A key that may run agents may lack the scope for this: KeyRefused says nothing about the rest."""
        return User.parse(self._http.read("/v1/user"))


def connect(*, patience: float = 45.0, urgent: bool = False) -> ElevenLabs:
    """The workspace of this project's settings. Raises ValueError if the URL and the key do not belong together.

    `urgent`: a user is waiting, so these requests go before others.
    """
    from django.conf import settings  # the rest of this package does not use Django
    from django.utils.module_loading import import_string

    traffic_for: Callable[[str, str], Traffic] = import_string(settings.ELEVENLABS_TRAFFIC)
    return ElevenLabs(
        settings.ELEVENLABS_BASE_URL,
        settings.ELEVENLABS_API_KEY,
        read_deadline=settings.ELEVENLABS_READ_DEADLINE,
        write_deadline=settings.ELEVENLABS_WRITE_DEADLINE,
        patience=patience,
        traffic=traffic_for(settings.ELEVENLABS_BASE_URL, settings.ELEVENLABS_API_KEY),
        urgent=urgent,
    )


def _params(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _id(value: object) -> str:
    """An id that is safe in a URL path."""
    if not isinstance(value, str) or not is_id(value):
        raise NotSent("This is not an id of ElevenLabs, so nothing was sent.")
    return value


def _about(requested_id: str, answer: RemoteObject) -> RemoteObject:
    """Checks that the answer is about the requested object; otherwise it would be stored as that object."""
    found = answer.agent_id if isinstance(answer, Agent) else answer.phone_number_id
    if found != requested_id:
        raise BadShape(f"ElevenLabs answered about {answer.what}, but not about the requested one.")
    return answer


def _new_id(answer: object, field: str) -> str:
    value = answer.get(field) if isinstance(answer, dict) else None
    if isinstance(value, str) and is_id(value) and scrub(value) == value:  # a credential may look like an id
        return value
    answer = value = None  # tracebacks show local variables, and the answer may repeat a credential
    raise BadShape("ElevenLabs' answer does not name what was made.")
