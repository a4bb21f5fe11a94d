"""The owner's lifecycle through the pages alone, with worker and beat running, verified with the official SDK.

It also takes screenshots for `docs/screenshots/`.
"""

import re

import pytest
from elevenlabs import ElevenLabs
from playwright.sync_api import Page, expect

from tests.browser.conftest import messages, screenshot
from tests.browser.console import Console
from tests.browser.site import Site

pytestmark = pytest.mark.browser

SID, TOKEN = "AC" + "7" * 32, "f" * 32
NUMBER = "+1 415 555 0123"
LISTED_AFTER = 3600  # seconds on the sandbox's clock, which is advanced once the page is polling


def create_agent(page: Page, name: str) -> None:
    page.goto("/admin/agents/agent/add/")
    page.locator("#id_name").fill(name)
    page.locator("#id_first_message").fill(f"Hello, this is {name}.")
    page.locator("#id_system_prompt").fill(f"You are {name}. You help callers.")
    screenshot(page, "agent-create")
    page.get_by_role("button", name="Create").click()
    expect(messages(page)).to_contain_text(f"Created the agent {name}.")


def choose_agent(page: Page, name: str) -> None:
    """In the open dialog: type, wait until the list has one row, and check that it is shown as the new agent."""
    search = page.get_by_placeholder("Type a name or id")
    expect(search).to_be_focused()
    search.press_sequentially(name, delay=20)  # a fast typist
    option = page.locator("#cp-agent option", has_text=name)
    expect(option).to_have_count(1)
    expect(page.locator("#cp-agent option")).to_have_count(1)
    expect(page.locator("[data-chosen]")).to_contain_text(name)


def test_the_lifecycle(staff: Page, site: Site) -> None:
    page, console = staff, Console(site)
    console.send("PATCH", "/_sandbox/settings", {"listed_after": LISTED_AFTER})
    remote = ElevenLabs(base_url=site.sandbox, api_key="sk_sandbox")
    expect(page.get_by_text("Sandbox", exact=True).first).to_be_visible()
    page.goto("/admin/numbers/phonenumber/")
    expect(page.get_by_text("No numbers yet")).to_be_visible()
    screenshot(page, "numbers-empty")

    create_agent(page, "Support Bot")

    page.goto("/admin/numbers/phonenumber/add/")
    page.locator("#id_phone_number").fill("+1 (415) 555-0123")
    page.locator("#id_label").fill("Main line")
    page.locator("#id_sid").fill(SID)
    page.locator("#id_token").fill(TOKEN)
    screenshot(page, "number-import")
    page.get_by_role("button", name="Import").click()
    expect(messages(page)).to_contain_text(f"Imported {NUMBER}.")
    row = page.locator("#result_list tr", has_text=NUMBER)
    expect(row.get_by_text("Importing")).to_be_visible()
    screenshot(page, "number-importing")
    url = page.url
    console.post("/_sandbox/clock", {"advance": LISTED_AFTER})
    expect(row.get_by_text("Unassigned")).to_be_visible(timeout=30_000)  # the open page updates itself
    assert page.url == url

    row.get_by_role("button", name="no agent").click()
    choose_agent(page, "Support Bot")
    screenshot(page, "number-assign")
    page.get_by_role("button", name="Assign", exact=True).click()
    expect(messages(page)).to_contain_text(f"Assigned {NUMBER} to Support Bot")
    expect(row.get_by_text("Assigned", exact=True)).to_be_visible()
    number_id = remote.conversational_ai.phone_numbers.list()[0].phone_number_id

    def answered_by() -> str:
        assigned = remote.conversational_ai.phone_numbers.get(number_id).assigned_agent
        return assigned.agent_name if assigned else ""

    assert answered_by() == "Support Bot"

    create_agent(page, "Sales Bot")
    page.goto("/admin/numbers/phonenumber/")
    row.get_by_role("button", name="Support Bot").click()
    choose_agent(page, "Sales Bot")
    screenshot(page, "number-move")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(messages(page)).to_have_text(re.compile("Moved .* from Support Bot ….{4} to Sales Bot ….{4}"))
    screenshot(page, "number-moved")
    assert answered_by() == "Sales Bot"

    page.goto("/admin/agents/agent/")
    page.get_by_role("link", name="Support Bot").first.click()
    screenshot(page, "agent")
    page.get_by_role("link", name="Delete").first.click()
    expect(page.get_by_text("answers no number")).to_be_visible()
    screenshot(page, "agent-delete")
    page.get_by_role("button", name="Delete Support Bot").click()
    expect(messages(page)).to_contain_text("Deleted the agent Support Bot")
    left = remote.conversational_ai.agents.list().agents
    assert [agent.name for agent in left] == ["Sales Bot"]

    page.goto("/admin/agents/agent/")
    page.get_by_role("link", name="Sales Bot").first.click()
    page.get_by_role("link", name="Delete").first.click()
    page.get_by_label(re.compile("Unassign")).check()
    screenshot(page, "agent-delete-with-numbers")
    page.get_by_role("button", name="Delete Sales Bot").click()
    expect(page.get_by_text("2 of 2 steps done")).to_be_visible(timeout=30_000)  # done by the worker
    screenshot(page, "change-set")
    assert answered_by() == ""
    assert remote.conversational_ai.agents.list().agents == []

    page.goto("/admin/numbers/phonenumber/")
    row.get_by_role("link", name="Remove").click()
    expect(page.get_by_role("button", name=f"Remove {NUMBER} from ElevenLabs")).to_be_visible()
    screenshot(page, "number-remove")
    page.get_by_role("button", name=f"Remove {NUMBER} from ElevenLabs").click()
    expect(messages(page)).to_contain_text(f"Removed {NUMBER} from ElevenLabs.")
    assert remote.conversational_ai.phone_numbers.list() == []

    page.goto("/admin/operations/operation/")
    expect(page.locator("#result_list tbody tr")).to_have_count(9)
    expect(page.locator("#result_list tbody tr").get_by_text("done", exact=True)).to_have_count(9)
    screenshot(page, "activity")
    page.get_by_role("link", name=re.compile("Move .* from Support Bot")).click()
    expect(page.get_by_text("ElevenLabs answered the request.")).to_be_visible()
    screenshot(page, "operation")
    page.goto("/admin/mirror/syncrun/")
    screenshot(page, "sync")
