"""An auditor finds who moved a number and why, what answered it before, takes that away, and has the record read."""

import csv
import re
import time
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Site, picture, told
from tests.browser.console import Console, sync_until

pytestmark = pytest.mark.browser

HISTORY = "/admin/audit/entry/"
NUMBER = "+1 555 010 0123"
WHY = "Night shift is ill"


def make_an_auditor(page: Page) -> None:
    page.goto("/admin/auth/user/add/")
    page.get_by_label("Username").fill("olive")
    for field in ("password1", "password2"):
        page.locator(f"[name={field}]").fill("evening-bindings-7")
    page.get_by_label("Auditors").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(told(page)).to_contain_text("olive")


def move(page: Page) -> None:
    page.goto("/admin/numbers/phonenumber/")
    page.locator("tr", has_text=NUMBER).locator(".cp-picker").click()
    dialog = page.locator("#cp-dialog")
    dialog.get_by_placeholder("Type a name or id").press_sequentially("Sales Bot", delay=20)
    expect(dialog.locator("[data-chosen]")).to_contain_text("Sales Bot")
    dialog.get_by_text("Add a reason").click()
    dialog.get_by_label("Reason").fill(WHY)
    dialog.get_by_label("Ticket").fill("OPS-7")
    dialog.get_by_role("button", name="Move", exact=True).click()
    expect(told(page)).to_have_text(re.compile("Moved .* from Support Bot ….{4} to Sales Bot"))


def test_an_auditor_answers_what_is_asked(staff: Page, site: Site, browser: Browser) -> None:
    console = Console(site)
    support = console.do("create_agent", name="Support Bot")["agent_id"]
    console.do("create_agent", name="Sales Bot")
    console.do("add_number", phone_number="+15550100123", label="Main line", agent_id=support)
    console.post("/_sandbox/clock", {"advance": 10})
    sync_until(staff, "/admin/numbers/phonenumber/", NUMBER)
    make_an_auditor(staff)
    evening = int(time.time()) + 1
    staff.wait_for_function(f"Date.now() > {(evening + 1) * 1000}")  # the box for a moment has whole seconds
    move(staff)

    context = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=site.url, accept_downloads=True)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("Username").fill("olive")
    page.get_by_label("Password").fill("evening-bindings-7")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/")

    page.goto(HISTORY)
    page.get_by_role("textbox", name="Search").or_(page.locator("input[name=q]")).first.fill("555 010 0123")
    page.keyboard.press("Enter")
    moved = page.locator("#result_list tr", has_text="Support Bot").filter(has_text="Sales Bot").filter(has_text=WHY)
    expect(moved.first).to_contain_text("admin")
    picture(page, "history")
    moved.filter(has_text="agent:").get_by_role("link", name=re.compile("agent:")).first.click()
    for words in (WHY, "OPS-7", "admin", "Before and after"):
        expect(page.get_by_text(words).first).to_be_visible()
    expect(page.get_by_role("link", name="Undo")).to_have_count(0)
    picture(page, "history-entry")

    page.get_by_role("link", name="History").first.click()
    page.get_by_role("link", name="At a time").click()
    page.locator("[name=at]").fill(datetime.fromtimestamp(evening, UTC).strftime("%Y-%m-%dT%H:%M:%S"))
    page.get_by_role("button", name="Show").click()
    row = page.locator("tbody tr", has_text=NUMBER)
    expect(row).to_contain_text("Support Bot")
    picture(page, "history-at-a-time")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    with open(download.value.path(), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["number"], row["agent"], row["agent_id"]) for row in rows] == [
        ("'+15550100123", f"Support Bot …{support[-4:]}", support)
    ]
    row.get_by_role("link", name=re.compile("Who answered")).click()
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.locator("tbody tr").first).to_contain_text("Sales Bot")
    picture(page, "history-who-answered")

    page.get_by_role("link", name="Is the record whole?").click()
    page.get_by_role("button", name="Read it now").click()
    expect(page.get_by_text("Every sealed entry is as it was written")).to_be_visible(timeout=60_000)
    picture(page, "history-whole")
    page.get_by_role("link", name="What is kept").click()
    picture(page, "history-kept")
    context.close()
