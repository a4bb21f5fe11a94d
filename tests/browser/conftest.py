"""The whole application as `make run` starts it: web, worker, beat and sandbox as processes, and Chromium.

A site is started once per pytest process. Each test module gets it reset to its state after the start.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.reset import Resettable
from tests.browser.site import Site, new_database, running

SCREENSHOTS = os.environ.get("SCREENSHOTS", "")  # a directory; `make screenshots` sets it
SWITCHES = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
# The elements that are wider than the rendered page and the buttons narrower than their text; empty once everything
# fits. Text has other widths until the fonts are loaded, and elements have no width until Alpine has started
# (`x-cloak`).
TOO_WIDE = """async (patience) => {
    const drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const root = document.documentElement;
    const buttons = document.getElementsByClassName("cp-button");
    const tight = () => [...buttons].filter((one) => one.scrollWidth > one.clientWidth + 1);
    const ends = performance.now() + patience;
    do {
        await drawn();
        await document.fonts.ready;
        if (!root.hasAttribute("x-cloak") && root.scrollWidth <= window.innerWidth && !tight().length) return [];
    } while (performance.now() < ends);
    const found = [...document.querySelectorAll("body *")].filter((one) => {
        const box = one.getBoundingClientRect();
        return box.width && box.right > window.innerWidth + 0.5;
    }).concat(tight());
    const named = (one) => `<${one.localName} id="${one.id}" class="${one.className}"> ends at `
        + `${Math.round(one.getBoundingClientRect().right)}: ${(one.textContent || "").trim().slice(0, 60)}`;
    return [`${root.scrollWidth} pixels in a window of ${window.innerWidth}`, ...found.slice(0, 20).map(named)];
}"""
FITS_WITHIN = 10_000  # milliseconds
# Instead of 5 and 30 s, so that a busy machine does not fail the tests.
expect.set_options(timeout=20_000)
PAGE_WITHIN = 60_000


def screenshot(page: Page, name: str, without: Locator | None = None) -> None:
    """Take a screenshot for the documentation, if requested. `without` is masked because it shows a secret."""
    if SCREENSHOTS:
        Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(SCREENSHOTS, f"{name}.png"), mask=[without] if without else [], mask_color="#888")


def assert_fits(page: Page) -> None:
    """The page needs no horizontal scrolling."""
    too_wide = page.evaluate(TOO_WIDE, FITS_WITHIN)
    assert not too_wide, "\n".join([page.url, *too_wide])


def assert_colours(page: Page, colours: str) -> None:
    """`light` or `dark`. Alpine sets the class."""
    dark = expect(page.locator("html"))
    (dark.to_contain_class if colours == "dark" else dark.not_to_contain_class)("dark")


def messages(page: Page) -> Locator:
    """The messages about the last action. A live region for screen readers repeats them a moment later."""
    return page.locator("#cp-messages")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test also starts the site, which takes minutes on a busy machine."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def static_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by all sites of this process: collecting the files takes as long as the rest of a start."""
    return tmp_path_factory.mktemp("static")


@pytest.fixture(scope="session")
def shared_site(
    browser_type_launch_args: dict[str, object], tmp_path_factory: pytest.TempPathFactory, static_root: Path
) -> Iterator[Resettable]:
    """Depends on Chromium's arguments so that no site is started without Chromium."""
    var = tmp_path_factory.mktemp("var")
    with new_database(var) as database, running(var, static_root, database) as site:
        yield Resettable(site)


@pytest.fixture(scope="module")
def site(shared_site: Resettable) -> Site:
    shared_site.reset()
    return shared_site.site


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, object]:
    found = shutil.which("chromium")
    if found is None:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail("Chromium is not installed, and REQUIRE_BROWSER is set.")
        pytest.skip("Chromium is not installed.")
    return {"executable_path": found, "args": SWITCHES.split()}


@contextmanager
def signed_in(browser: Browser, site: Site, user: str = "", password: str = "") -> Iterator[Page]:
    """A page signed in as the first administrator, or as the given user. A script error on any page fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=site.url)
    context.set_default_timeout(PAGE_WITHIN)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto("/")
    page.get_by_label("Username").fill(user or site.user)
    page.get_by_label("Password").fill(password or site.password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/")
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def staff(browser: Browser, site: Site) -> Iterator[Page]:
    with signed_in(browser, site) as page:
        yield page
