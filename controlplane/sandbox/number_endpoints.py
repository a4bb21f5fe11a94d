"""Endpoints of numbers: `/v1/convai/phone-numbers`, and its second list."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from . import paging, phone_numbers
from .messages import Answer
from .number_bodies import (
    OUTBOUND_ONLY,
    ExotelImport,
    NumberPatch,
    SipTrunkImport,
    TwilioImport,
    as_e164,
    refuse_bad_twilio,
)
from .state import Call, SandboxState

Provider = Literal["twilio", "sip_trunk", "exotel"]


class NumbersQuery(BaseModel):
    page_size: Annotated[int, Field(ge=1, le=1000)] = 100
    search: str | None = None
    label: str | None = None
    phone_number: str | None = None
    provider: Provider | None = None
    supports_outbound: bool | None = None
    agent_id: str | None = None
    branch_id: str | None = None
    sort_by: Literal["label", "phone_number"] | None = None
    sort_direction: Literal["asc", "desc"] = "asc"
    cursor: str | None = None


class AllNumbersQuery(BaseModel):
    provider: Provider | None = None
    agent_id: str | None = None
    branch_id: str | None = None


SORTED_BY = {None: "seq", "label": "label_key", "phone_number": "phone_number"}


def import_number(call: Call) -> Answer:
    body: TwilioImport | ExotelImport | SipTrunkImport = call.body
    number = body.model_dump(include={"phone_number", "label", "provider", "supports_inbound", "supports_outbound"})
    trunk = None
    if isinstance(body, SipTrunkImport):
        trunk = body.model_dump(mode="json", include={"inbound_trunk_config", "outbound_trunk_config"})
    else:
        number["phone_number"] = body.phone_number = as_e164(body.phone_number)
    if isinstance(body, TwilioImport):
        refuse_bad_twilio(body)
        if body.phone_number == OUTBOUND_ONLY:
            number["supports_inbound"] = False
    phone_number_id = phone_numbers.add(call.world, call.cause, number=number, agent_id=body.agent_id, trunk=trunk)
    return Answer({"phone_number_id": phone_number_id})


def filters(world: SandboxState, query: AllNumbersQuery | NumbersQuery) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [("listed_at <= ?", world.state.now())]
    found += [
        (f"{column} = ?", value)
        for column in ("provider", "agent_id", "branch_id")
        if (value := getattr(query, column)) is not None
    ]
    return found


def list_page(call: Call) -> Answer:
    query: NumbersQuery = call.query
    where = filters(call.world, query)
    if query.search is not None:
        where.append(("instr(label_key || ' ' || phone_number, ?) > 0", query.search.casefold()))
    if query.label is not None:
        where.append(("instr(label_key, ?) > 0", query.label.casefold()))
    if query.phone_number is not None:
        where.append(("instr(phone_number, ?) > 0", query.phone_number))
    if query.supports_outbound is not None:
        where.append(("supports_outbound = ?", query.supports_outbound))
    page = paging.read(
        call.state,
        "numbers",
        where=where,
        order=paging.Order(SORTED_BY[query.sort_by], query.sort_direction == "desc"),
        size=query.page_size,
        cursor=query.cursor,
        by_offset=call.world.settings.paging == "offset",
    )
    return Answer(
        {
            "phone_numbers": phone_numbers.shown(call.world, page.rows),
            "next_cursor": page.next_cursor,
            "has_more": page.next_cursor is not None,
        }
    )


def list_all(call: Call) -> Answer:
    """The older list: a bare array of all numbers."""
    where = filters(call.world, call.query)
    sql = f"SELECT * FROM numbers WHERE {' AND '.join(text for text, _ in where)} ORDER BY seq"  # noqa: S608 - constants
    rows = call.state.db.execute(sql, [value for _, value in where]).fetchall()
    return Answer(phone_numbers.shown(call.world, rows))


def get(call: Call) -> Answer:
    row = phone_numbers.find(call.world, call.ids[0])
    return Answer(phone_numbers.shown(call.world, [row])[0])


def patch(call: Call) -> Answer:
    body: NumberPatch = call.body
    changes = body.model_dump(mode="json", include=body.model_fields_set)
    phone_numbers.patch(call.world, call.cause, call.ids[0], changes)
    return get(call)


def delete(call: Call) -> Answer:
    phone_numbers.delete(call.world, call.cause, call.ids[0])
    return Answer(None)
