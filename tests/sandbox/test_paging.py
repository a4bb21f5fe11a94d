"""Pagination: no row is lost or repeated, in any order, and filters return the matching rows."""

from typing import Any

import pytest

from tests.sandbox_process import Sandbox

AGENTS, NUMBERS = "/v1/convai/agents", "/v1/convai/v2/phone-numbers"


def walk(sandbox: Sandbox, path: str, size: int, **query: Any) -> list[list[dict[str, Any]]]:
    pages, cursor, used = [], None, set()
    while True:
        assert cursor not in used, "a cursor that leads back to an earlier page"
        used.add(cursor)
        answer = sandbox.get(path, page_size=size, **query, **({"cursor": cursor} if cursor else {}))
        rows = answer["agents"] if path == AGENTS else answer["phone_numbers"]
        assert len(rows) <= size
        pages.append(rows)
        assert answer["has_more"] == (answer["next_cursor"] is not None)
        cursor = answer["next_cursor"]
        if cursor is None:
            return pages


def ids(pages: list[list[dict[str, Any]]], name: str) -> list[str]:
    return [row[name] for page in pages for row in page]


@pytest.mark.parametrize(("size", "agents"), [(1, 6), (7, 40), (20, 40), (100, 40)])
@pytest.mark.parametrize("paging", ["keyset", "offset"])
def test_every_agent_once(sandbox: Sandbox, size: int, agents: int, paging: str) -> None:
    sandbox.reset(agents=agents)
    sandbox.settings(paging=paging)
    for sort_by in ("name", "created_at", "updated_at", "call_count_7d", None):
        for direction in ("asc", "desc"):
            pages = walk(sandbox, AGENTS, size, sort_by=sort_by, sort_direction=direction)
            found = ids(pages, "agent_id")
            assert len(found) == len(set(found)) == agents
            if sort_by == "name":
                names = [row["name"].casefold() for page in pages for row in page]
                assert names == sorted(names, reverse=direction == "desc")


@pytest.mark.parametrize(("size", "numbers"), [(1, 12), (100, 230), (1000, 230)])
def test_every_number_once(sandbox: Sandbox, size: int, numbers: int) -> None:
    sandbox.reset(agents=3, numbers=numbers)
    for sort_by in ("label", "phone_number", None):
        for direction in ("asc", "desc"):
            pages = walk(sandbox, NUMBERS, size, sort_by=sort_by, sort_direction=direction)
            found = ids(pages, "phone_number_id")
            assert len(found) == len(set(found)) == numbers
    assert {row["phone_number_id"] for row in sandbox.get("/v1/convai/phone-numbers")} == set(found)


def test_rows_with_the_same_sort_value(sandbox: Sandbox) -> None:
    made = {sandbox.create_agent("Same") for _ in range(9)}
    for sort_by in ("name", "created_at"):
        assert sorted(ids(walk(sandbox, AGENTS, 2, sort_by=sort_by), "agent_id")) == sorted(made)


def test_deleting_between_pages(sandbox: Sandbox) -> None:
    """By key nothing is lost; by offset the next page skips a row, as an index-backed list may."""
    for paging, lost in (("keyset", 0), ("offset", 1)):
        sandbox.reset(numbers=10)
        sandbox.settings(paging=paging)
        first = sandbox.get(NUMBERS, page_size=5)
        sandbox.console("delete_number", number=first["phone_numbers"][0]["phone_number_id"])
        rest = sandbox.get(NUMBERS, page_size=5, cursor=first["next_cursor"])
        assert len(rest["phone_numbers"]) == 5 - lost


def test_cursor_of_another_order_is_refused(sandbox: Sandbox) -> None:
    sandbox.reset(agents=5)
    cursor = sandbox.get(AGENTS, page_size=2, sort_by="name")["next_cursor"]
    response = sandbox.call("GET", AGENTS, params={"page_size": 2, "cursor": cursor, "sort_by": "created_at"})
    assert response.status_code == 400


def test_agent_filters(sandbox: Sandbox) -> None:
    support = sandbox.create_agent("Support Bot")
    sales = sandbox.create_agent("Sales Bot")
    sandbox.call("PATCH", f"{AGENTS}/{sales}", json={"tags": ["eu", "b"]})
    sandbox.console("archive_agent", agent_id=sandbox.create_agent("Old Bot"))

    def found(**query: Any) -> set[str]:
        return {row["name"] for row in sandbox.get(AGENTS, **query)["agents"]}

    assert found() == {"Support Bot", "Sales Bot"}
    assert found(archived="true") == {"Old Bot"}
    assert found(search="sup") == {"Support Bot"}
    assert found(search="%") == set()
    assert found(tags=["us", "eu"]) == {"Sales Bot"}
    assert found(tags="us") == set()
    assert found(created_by_user_id="@me") == {"Support Bot", "Sales Bot"}
    assert found(created_by_user_id="user_other") == set()
    assert sandbox.get(f"{AGENTS}/{support}")["platform_settings"]["archived"] is False


def test_number_filters(sandbox: Sandbox) -> None:
    sandbox.settings(listed_after=0)
    agent_id = sandbox.create_agent()
    sandbox.import_number("+15551230001", "Front desk", agent_id=agent_id)
    sandbox.import_number("+15551230002", "Back office")
    sandbox.console(
        "add_number", phone_number="+4930123456", label="Berlin", provider="exotel", supports_outbound=False
    )

    def found(**query: Any) -> set[str]:
        return {row["label"] for row in sandbox.get(NUMBERS, **query)["phone_numbers"]}

    assert found() == {"Front desk", "Back office", "Berlin"}
    assert found(agent_id=agent_id) == {"Front desk"}
    assert found(label="OFFICE") == {"Back office"}
    assert found(search="3000") == {"Front desk", "Back office"}
    assert found(phone_number="+49") == {"Berlin"}
    assert found(provider="exotel") == {"Berlin"}
    assert found(supports_outbound="false") == {"Berlin"}
    assert {row["label"] for row in sandbox.get("/v1/convai/phone-numbers", agent_id=agent_id)} == {"Front desk"}
