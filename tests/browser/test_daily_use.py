"""Less usual ways of working: two tabs, double clicks, keyboard only, a narrow dark screen."""

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import assert_colours, assert_fits, messages, screenshot
from tests.browser.console import Console, sync_until
from tests.browser.site import Database, Site

pytestmark = pytest.mark.browser

LIST = "/admin/numbers/phonenumber/"
REFUSED = "CREATE TRIGGER refused BEFORE INSERT ON audit_entry"
NEXT = itertools.count(4242)
PAGES = [
    "/admin/",
    LIST,
    f"{LIST}add/",
    "/admin/agents/agent/",
    "/admin/agents/agent/?look=list",
    "/admin/agents/agent/add/",
    "/admin/operations/operation/",
    "/admin/operations/changeset/",
    "/admin/mirror/syncrun/",
    "/admin/auth/user/",
]


class Remote(Console):
    front_desk = ""  # the id of the agent

    def patches(self) -> int:
        return len(self.get("/_sandbox/calls?method=PATCH")["calls"])


@pytest.fixture(scope="module")
def remote(site: Site) -> Remote:
    remote = Remote(site)
    remote.front_desk, *_ = (
        remote.do("create_agent", name=name)["agent_id"] for name in ("Front Desk", "Night Desk", "Third Desk")
    )
    return remote


@dataclass
class Line:
    """A number assigned to Front Desk, in the list."""

    remote: Remote
    number: str

    def picker(self, page: Page) -> Locator:
        return page.locator("tr", has_text=self.number).locator(".cp-picker")


@pytest.fixture
def line(staff: Page, site: Site, remote: Remote) -> Line:
    tail = next(NEXT)
    remote.do("add_number", phone_number=f"+1555010{tail}", label="Main", agent_id=remote.front_desk)
    remote.post("/_sandbox/clock", {"advance": 10})  # so that it is listed
    line = Line(remote, f"+1 555 010 {tail}")
    sync_until(staff, site, LIST, line.picker(staff))
    return line


@contextmanager
def lets_no_entry_in(database: Database) -> Iterator[None]:
    """A trigger in the database of the site that rejects history entries."""
    with database.connect() as owner:
        if database.is_sqlite:
            owner.execute(f"{REFUSED} BEGIN SELECT RAISE(ABORT, 'not written'); END")
        else:
            body = "$$ BEGIN RAISE EXCEPTION 'not written'; END $$"
            owner.execute(f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS {body}")
            owner.execute(f"{REFUSED} FOR EACH ROW EXECUTE FUNCTION refuse()")
        try:
            yield
        finally:
            owner.execute("DROP TRIGGER refused" if database.is_sqlite else "DROP FUNCTION refuse CASCADE")


def choose(page: Page, name: str) -> None:
    search = page.get_by_placeholder("Type a name or id")
    expect(search).to_be_focused()  # without a click
    search.press_sequentially(name, delay=20)
    expect(page.locator("[data-chosen]")).to_contain_text(name)


def test_two_tabs_a_double_click_and_the_keyboard(staff: Page, line: Line, site: Site) -> None:
    first, second = staff, staff.context.new_page()
    second.goto(LIST)
    line.picker(second).click()
    choose(second, "Third Desk")

    # Keyboard only: Enter opens the dialog, the focus is in the search, Enter confirms.
    line.picker(first).focus()
    first.keyboard.press("Enter")
    expect(first.get_by_placeholder("Type a name or id")).to_be_focused()
    choose(first, "Night Desk")
    first.keyboard.press("Enter")
    expect(messages(first)).to_have_text(re.compile("Moved .* from Front Desk ….{4} to Night Desk"))
    before = line.remote.patches()

    # The other tab still shows Front Desk: nothing is sent, and it shows the current agent.
    second.get_by_role("button", name="Move", exact=True).click()
    expect(second.get_by_role("alert")).to_contain_text("Not sent.")
    expect(second.get_by_role("alert")).to_contain_text("Night Desk")
    assert line.remote.patches() == before
    second.get_by_role("button", name="Move", exact=True).dblclick()
    expect(messages(second)).to_have_text(re.compile("Moved .* from Night Desk ….{4} to Third Desk"))
    assert line.remote.patches() == before + 1

    # Escape closes the dialog and returns the focus.
    line.picker(first).focus()
    first.keyboard.press("Enter")
    expect(first.get_by_placeholder("Type a name or id")).to_be_focused()
    first.keyboard.press("Escape")
    expect(first.locator("#cp-dialog")).to_be_hidden()
    expect(line.picker(first)).to_be_focused()


def test_a_dialog_reports_that_the_write_could_not_be_recorded(staff: Page, line: Line, site: Site) -> None:
    line.picker(staff).click()
    choose(staff, "Night Desk")
    staff.get_by_text("Add a reason").click()
    staff.get_by_label("Reason").fill("Callers wait")
    before = line.remote.patches()
    with lets_no_entry_in(site.database):
        staff.get_by_role("button", name="Move", exact=True).click()
        alert = staff.locator("#cp-dialog").get_by_role("alert")
        expect(alert).to_contain_text("Not sent. Your request could not be recorded here")
        expect(alert).not_to_contain_text("not written")
        expect(staff.get_by_label("Reason")).to_have_value("Callers wait")
        screenshot(staff, "not-on-record")
    assert line.remote.patches() == before


def test_only_an_agent_that_fits_what_was_typed_last_is_chosen(staff: Page, line: Line) -> None:
    """A user types, sees the list, types something else, and presses Enter before the list is updated."""
    line.picker(staff).click()
    search = staff.get_by_placeholder("Type a name or id")
    choose(staff, "Night")
    before = line.remote.patches()
    search.fill("Third")
    search.press("Enter")
    expect(staff.locator("[data-chosen]")).to_contain_text("Third Desk")
    assert line.remote.patches() == before
    search.press("Enter")
    expect(messages(staff)).to_have_text(re.compile("Moved .* to Third Desk"))
    assert line.remote.patches() == before + 1


def test_deleting_is_never_one_key_away(staff: Page, line: Line) -> None:
    """The focus is on Cancel, and Enter in the search for a successor does not delete."""
    staff.goto("/admin/agents/agent/")
    card = staff.locator("article", has_text="Third Desk")
    card.get_by_role("link", name=re.compile("Delete")).click()
    dialog = staff.locator("#cp-dialog")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
    staff.keyboard.press("Escape")
    staff.locator("article", has_text="Front Desk").get_by_role("link", name=re.compile("Delete")).click()
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
    search = dialog.get_by_placeholder("Type a name or id")
    search.press_sequentially("Third", delay=20)
    expect(dialog.locator("[data-chosen]")).to_contain_text("Third Desk")
    search.press("Enter")
    expect(dialog).to_be_visible()
    expect(dialog.locator("#cp-agent")).to_be_focused()


def test_a_form_on_a_page_of_its_own_stays_there(staff: Page, line: Line) -> None:
    staff.goto(line.picker(staff).get_attribute("href") or "")
    staff.get_by_role("button", name="Move", exact=True).click()
    expect(staff.get_by_text("Choose an agent.").first).to_be_visible()
    expect(staff.locator("#cp-dialog")).to_be_hidden()
    choose(staff, "Night Desk")
    staff.get_by_role("button", name="Move", exact=True).click()
    expect(messages(staff)).to_have_text(re.compile("Moved .* to Night Desk"))


def test_a_lost_answer_is_shown_as_unconfirmed_and_checked(staff: Page, line: Line) -> None:
    fault = {"method": "PATCH", "path": "/v1/convai/phone-numbers/*", "fault": "status", "status": 500, "when": "after"}
    line.remote.post("/_sandbox/faults", [fault])
    line.picker(staff).click()
    choose(staff, "Night Desk")
    staff.get_by_role("button", name="Move", exact=True).click()
    expect(staff.locator("#verdict").get_by_text("unconfirmed")).to_be_visible()
    staff.get_by_role("button", name="Check now").click()
    expect(staff.get_by_text(re.compile("Read back from ElevenLabs"))).to_be_visible()
    expect(staff.locator("#verdict").get_by_text("done", exact=True)).to_be_visible()


def test_a_voice_can_be_heard_before_it_is_chosen(staff: Page, line: Line) -> None:
    staff.goto("/admin/agents/agent/add/")
    preview = staff.locator("audio").first
    preview.wait_for()
    loaded = preview.evaluate(
        """audio => new Promise((resolve, reject) => {
            audio.addEventListener("loadeddata", () => resolve(audio.duration));
            audio.addEventListener("error", () => reject(new Error("refused: " + audio.src)));
            audio.load(); audio.muted = true; audio.play();
        })"""
    )
    assert loaded > 0


def test_no_page_is_wider_than_a_narrow_dark_screen(browser: Browser, site: Site, staff: Page, line: Line) -> None:
    context = browser.new_context(
        viewport={"width": 400, "height": 800},
        color_scheme="dark",
        base_url=site.url,
        storage_state=staff.context.storage_state(),
    )
    page = context.new_page()
    for path in PAGES:
        page.goto(path)
        assert_fits(page)
        assert_colours(page, "dark")
        expect(page.get_by_text("Sandbox", exact=True).first).to_be_visible()
    context.close()
