"""An auditor finds who moved a number last Tuesday and why, and which agent answered before, exports that, and runs an
integrity check. The whole site ran with last Tuesday's clock, and was started again today."""

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import messages, screenshot, signed_in
from tests.browser.console import Console, sync_until
from tests.browser.site import Site, new_database, running

pytestmark = pytest.mark.browser

HISTORY = "/admin/audit/entry/"
NUMBER = "+1 555 010 0123"
WHY, BACK = "Night shift is ill", "Night shift is back"
OLIVE = ("olive", "evening-bindings-7")
TODAY = datetime.now(UTC)
TUESDAY = TODAY.replace(hour=18, minute=0, second=0) - timedelta(days=(TODAY.weekday() - 1) % 7 or 7)


def make_an_auditor(page: Page) -> None:
    name, password = OLIVE
    page.goto("/admin/auth/user/add/")
    page.get_by_label("Username").fill(name)
    for field in ("password1", "password2"):
        page.locator(f"[name={field}]").fill(password)
    page.get_by_label("Auditors").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(messages(page)).to_contain_text(name)


def move(page: Page, old: str, new: str, justification: str) -> None:
    page.goto("/admin/numbers/phonenumber/")
    page.locator("tr", has_text=NUMBER).locator(".cp-picker").click()
    dialog = page.locator("#cp-dialog")
    search = dialog.get_by_placeholder("Type a name or id")
    expect(search).to_be_focused()
    search.press_sequentially(new, delay=20)
    expect(dialog.locator("[data-chosen]")).to_contain_text(new)
    dialog.get_by_text("Add a reason").click()
    dialog.get_by_label("Reason").fill(justification)
    dialog.get_by_label("Ticket").fill("OPS-7")
    dialog.get_by_role("button", name="Move", exact=True).click()
    expect(messages(page)).to_have_text(re.compile(f"Moved .* from {old} ….{{4}} to {new}"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, static_root: Path, browser: Browser) -> Iterator[Site]:
    """The number was moved last Tuesday after six, and moved back today."""
    var = tmp_path_factory.mktemp("var")
    with new_database(var) as database:
        ago = TODAY - TUESDAY
        with running(var, static_root, database, ago=ago) as then, signed_in(browser, then) as staff:
            console = Console(then)
            support = console.do("create_agent", name="Support Bot")["agent_id"]
            console.do("create_agent", name="Sales Bot")
            console.do("add_number", phone_number="+15550100123", label="Main line", agent_id=support)
            console.post("/_sandbox/clock", {"advance": 10})
            sync_until(staff, then, "/admin/numbers/phonenumber/", staff.get_by_text(NUMBER))
            make_an_auditor(staff)
            move(staff, "Support Bot", "Sales Bot", WHY)
        with running(var, static_root, database, known=then) as now:
            with signed_in(browser, now) as staff:
                move(staff, "Sales Bot", "Support Bot", BACK)
            yield now


@pytest.fixture
def auditor(site: Site, browser: Browser) -> Iterator[Page]:
    with signed_in(browser, site, *OLIVE) as page:
        yield page


def narrow_down_to(page: Page, day: datetime) -> None:
    page.locator("a:visible", has_text="Filters").first.click()
    for end in ("from", "to"):
        page.locator(f"[name=at_{end}_0]").fill(f"{day:%Y-%m-%d}")
    page.get_by_role("button", name=re.compile("Apply filters", re.IGNORECASE)).click()


def known_at(page: Page, moment: datetime) -> str:
    """The agent that answered the number then, from the page for a point in time."""
    page.locator("[name=at]").fill(f"{moment:%Y-%m-%dT%H:%M:%S}")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("[name=at]")).to_have_value(re.compile(f"{moment:%Y-%m-%dT%H:%M}"))
    return page.locator("tbody tr", has_text=NUMBER).inner_text()


def test_an_auditor_finds_the_answers(auditor: Page, site: Site) -> None:
    page = auditor
    [number] = Console(site).get("/v1/convai/phone-numbers")
    support = number["assigned_agent"]["agent_id"]  # since it was moved back today
    page.goto(HISTORY)
    page.get_by_role("textbox", name="Search").or_(page.locator("input[name=q]")).first.fill("555 010 0123")
    page.keyboard.press("Enter")
    moves = page.locator("#result_list tr", has_text="Support Bot").filter(has_text="Sales Bot")
    expect(moves.filter(has_text=BACK).first).to_be_visible()
    narrow_down_to(page, TUESDAY)
    moved = moves.filter(has_text=WHY)
    expect(moved.first).to_contain_text("admin")
    expect(moves.filter(has_text=BACK)).to_have_count(0)  # moved back today
    screenshot(page, "history")
    moved.filter(has_text="agent:").get_by_role("link", name=re.compile("agent:")).first.click()
    for words in (WHY, "OPS-7", "admin", "Before and after"):
        expect(page.get_by_text(words).first).to_be_visible()
    expect(page.get_by_role("link", name="Undo")).to_have_count(0)
    screenshot(page, "history-entry")
    when = page.locator("dt", has_text="When").locator("xpath=following-sibling::dd[1]").inner_text()
    at = datetime.strptime(when.partition(" UTC")[0], "%d %b %Y, %H:%M:%S").replace(tzinfo=UTC)
    assert at.date() == TUESDAY.date()

    page.get_by_role("link", name="History").first.click()
    page.get_by_role("link", name="State at").click()
    assert "Sales Bot" in known_at(page, at + timedelta(seconds=1))
    assert "Support Bot" in known_at(page, at - timedelta(seconds=1))
    screenshot(page, "history-at-a-time")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    with open(download.value.path(), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["number"], row["agent"], row["agent_id"]) for row in rows] == [
        ("'+15550100123", f"Support Bot …{support[-4:]}", support)
    ]
    page.locator("tbody tr", has_text=NUMBER).get_by_role("link", name=re.compile("Assignment history")).click()
    answered = page.locator("tbody tr")
    expect(answered).to_have_count(3)
    for row, agent in enumerate(["Support Bot", "Sales Bot", "Support Bot"]):
        expect(answered.nth(row)).to_contain_text(agent)
    screenshot(page, "history-who-answered")

    page.get_by_role("link", name="Integrity check").click()
    page.get_by_role("button", name="Verify now").click()
    expect(page.get_by_text("All sealed entries verified")).to_be_visible(timeout=60_000)
    screenshot(page, "history-whole")
    page.get_by_role("link", name="Data retention").click()
    expect(page.get_by_role("heading", name="Data retention", level=2)).to_be_visible()
    screenshot(page, "history-kept")
