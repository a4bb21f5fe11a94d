"""Undo from the timeline as staff use it: the change is reverted at ElevenLabs too, but not after a later change."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import messages, screenshot
from tests.browser.console import Console, sync_until
from tests.browser.site import Site

pytestmark = pytest.mark.browser

LIST, HISTORY = "/admin/numbers/phonenumber/", "/admin/audit/entry/"


class Line:
    """A number of Support Bot, its sandbox, and the state of both in the sandbox."""

    def __init__(self, page: Page, site: Site, digits: str) -> None:
        self.page, self.console = page, Console(site)
        self.support = self.console.do("create_agent", name="Support Bot")["agent_id"]
        self.sales = self.console.do("create_agent", name="Sales Bot")["agent_id"]
        self.night = self.console.do("create_agent", name="Night Desk")["agent_id"]
        number = {"phone_number": f"+1555010{digits}", "label": "Main line", "agent_id": self.support}
        self.id = self.console.do("add_number", **number)["phone_number_id"]
        self.words = f"+1 555 010 {digits}"
        self.console.post("/_sandbox/clock", {"advance": 10})  # so that it is listed
        sync_until(page, site, LIST, page.get_by_text(self.words))

    def agent(self) -> str:
        """The id of the agent that answers it, from the sandbox."""
        shown = self.console.get(f"/v1/convai/phone-numbers/{self.id}")
        return shown["assigned_agent"]["agent_id"]

    def writes(self) -> int:
        return len(self.console.get("/_sandbox/ledger")["entries"])

    def move(self, agent: str, name: str) -> None:
        self.page.goto(LIST)
        self.page.locator("tr", has_text=self.words).locator(".cp-picker").click()
        dialog = self.page.locator("#cp-dialog")
        dialog.get_by_placeholder("Type a name or id").press_sequentially(agent, delay=20)
        expect(dialog.locator("[data-chosen]")).to_contain_text(name)
        dialog.get_by_role("button", name="Move", exact=True).click()
        expect(messages(self.page)).to_have_text(re.compile(f"Moved .* to {name}"))

    def entry_of(self, words: str) -> None:
        """Open the entry of this change in the timeline."""
        self.page.goto(HISTORY)
        change = self.page.locator("#result_list tr", has_text=self.words).filter(has_text="agent:")
        change.get_by_role("link", name=re.compile(words)).first.click()
        expect(self.page.get_by_role("heading", name="Before and after")).to_be_visible()


def undo_dialog(page: Page) -> Locator:
    page.get_by_role("link", name="Undo …").click()
    dialog = page.locator("#cp-dialog")
    expect(dialog).to_be_visible()
    return dialog


def test_a_swap_is_undone_from_the_timeline(staff: Page, site: Site) -> None:
    line = Line(staff, site, "0123")
    line.move(line.sales, "Sales Bot")
    assert line.agent() == line.sales
    before = line.writes()

    line.entry_of("Support Bot.* → Sales Bot")
    entry = staff.url
    dialog = undo_dialog(staff)
    expect(dialog.locator(".cp-change")).to_have_text(re.compile("Now.*Sales Bot.*Then.*Support Bot", re.DOTALL))
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()  # a single key does not confirm
    assert (line.agent(), line.writes()) == (line.sales, before), "opening the dialog sends nothing"
    screenshot(staff, "history-undo")
    dialog.get_by_role("button", name="Undo", exact=True).click()

    expect(messages(staff)).to_have_text(re.compile("Moved .* from Sales Bot ….{4} to Support Bot"))
    assert (line.agent(), line.writes()) == (line.support, before + 1)
    staff.goto(LIST)
    expect(staff.locator("tr", has_text=line.words)).to_contain_text("Support Bot")
    staff.goto(entry)
    undone = staff.locator("dt", has_text="Undone").locator("xpath=following-sibling::dd[1]")
    expect(undone).to_contain_text("by admin")
    expect(undone.get_by_role("link", name=re.compile("Move .* to Support Bot"))).to_be_visible()
    expect(undone).to_contain_text("done")
    expect(staff.get_by_role("link", name="Undo …")).to_have_count(0)  # only once
    screenshot(staff, "history-undone")
    line.entry_of("Sales Bot.* → Support Bot")
    staff.get_by_role("link", name=re.compile("history entry")).click()
    expect(staff).to_have_url(entry)


def test_nothing_is_undone_where_the_number_has_moved_on(staff: Page, site: Site) -> None:
    line = Line(staff, site, "0124")
    line.move(line.sales, "Sales Bot")
    line.entry_of("Support Bot.* → Sales Bot")
    entry = staff.url
    dialog = undo_dialog(staff)

    # The number is moved in the console while this dialog is open, so that the dialog is outdated.
    line.console.do("assign", number=line.id, agent_id=line.night)
    before = line.writes()
    dialog.get_by_role("button", name="Undo", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("Not sent.")
    expect(dialog.get_by_role("alert")).to_contain_text("Night Desk")
    screenshot(staff, "history-not-undone")
    assert (line.agent(), line.writes()) == (line.night, before)

    # From then on the entry itself shows that and has no button, and neither has its undo page.
    staff.goto(entry)
    expect(
        staff.get_by_text("Cannot be undone. It was changed again since then, and is something else now.")
    ).to_be_visible()
    expect(staff.get_by_role("link", name="Undo …")).to_have_count(0)
    staff.goto(entry.replace("change", "undo"))
    expect(staff.get_by_text(re.compile("Current value: +Night Desk"))).to_be_visible()
    expect(staff.get_by_role("button", name="Undo", exact=True)).to_have_count(0)
    assert (line.agent(), line.writes()) == (line.night, before)


NODES = {
    "start": {"type": "start", "edge_order": ["e1"]},
    "triage": {"type": "override_agent", "label": "Triage", "edge_order": ["e2"]},
    "refunds": {"type": "override_agent", "label": "Refunds"},
}
EDGES = {"e1": {"source": "start", "target": "triage"}, "e2": {"source": "triage", "target": "refunds"}}


def test_one_label_of_a_workflow_is_changed_in_the_json_field_and_undone(staff: Page, site: Site) -> None:
    console = Console(site)
    workflow = {"nodes": NODES, "edges": EDGES, "prevent_subagent_loops": False}
    body = {"name": "Flow Bot", "conversation_config": {}, "workflow": workflow}
    made = console.post("/v1/convai/agents/create", body)["agent_id"]
    shown = f"/v1/convai/agents/{made}"
    sync_until(staff, site, "/admin/agents/agent/", staff.get_by_text("Flow Bot"))

    staff.get_by_role("link", name="Flow Bot").first.click()
    staff.get_by_text("Advanced", exact=True).click()
    field = staff.get_by_label("Other settings, as JSON")
    field.fill('{"workflow": {"nodes": {"billing": {"label": "Billing"}}}}')
    staff.get_by_role("button", name="Save", exact=True).click()
    expect(staff.get_by_text("“workflow.nodes.billing” needs “type”").first).to_be_visible()
    screenshot(staff, "agent-workflow-refused")
    assert console.get(shown)["workflow"] == workflow

    field.fill('{"workflow": {"nodes": {"triage": {"label": "First questions"}}}}')
    staff.get_by_role("button", name="Save", exact=True).click()
    expect(messages(staff)).to_contain_text("workflow node “triage”, label")
    relabelled = {**NODES, "triage": {**NODES["triage"], "label": "First questions"}}
    assert console.get(shown)["workflow"] == {**workflow, "nodes": relabelled}

    messages(staff).get_by_role("link", name="Undo").click()
    staff.get_by_role("button", name="Undo", exact=True).click()
    expect(messages(staff)).to_contain_text("workflow node “triage”, label")
    assert console.get(shown)["workflow"] == workflow


def test_a_move_names_the_branch_that_it_clears_and_undo_restores_it(staff: Page, site: Site) -> None:
    line = Line(staff, site, "0177")
    branch = "agtbrch_4e0f1a7cnight"
    line.console.do("patch_number", number=line.id, patch={"branch_id": branch, "environment": "staging"})
    sync_until(staff, site, LIST, staff.get_by_text("branch …ight"))
    screenshot(staff, "number-branch")
    row = staff.locator("tr", has_text=line.words)
    row.locator(".cp-picker").click()
    dialog = staff.locator("#cp-dialog")
    expect(dialog.locator(".is-warning")).to_contain_text(f"answered by the branch {branch} of Support Bot")
    screenshot(staff, "number-branch-move")
    staff.keyboard.press("Escape")

    line.move(line.sales, "Sales Bot")
    expect(messages(staff)).to_contain_text(f"The branch {branch} of Support Bot")
    bound = line.console.get(f"/v1/convai/phone-numbers/{line.id}")["assigned_agent"]
    assert (bound["agent_id"], bound["branch_id"], bound["environment"]) == (line.sales, None, "staging")

    messages(staff).get_by_role("link", name="Undo").click()
    staff.get_by_role("button", name="Undo", exact=True).click()
    expect(messages(staff)).to_have_text(re.compile("Moved .* to Support Bot"))
    bound = line.console.get(f"/v1/convai/phone-numbers/{line.id}")["assigned_agent"]
    assert (bound["agent_id"], bound["branch_id"], bound["environment"]) == (line.support, branch, "staging")
