"""The sandbox as a user of the ElevenLabs console sees and changes it, and syncs that fetch those changes."""

import re
from typing import Any

import pytest
import requests
from playwright.sync_api import Locator, Page

from tests.browser.conftest import messages
from tests.browser.site import Site
from tests.workers.waiting import until


class Console:
    def __init__(self, site: Site) -> None:
        self.url = site.sandbox
        self.session = requests.Session()
        self.session.headers["xi-api-key"] = "sk_sandbox"

    def do(self, action: str, **details: object) -> Any:
        return self.post("/_sandbox/console", {"action": action, **details})

    def post(self, path: str, body: object) -> Any:
        return self.send("POST", path, body)

    def send(self, method: str, path: str, body: object) -> Any:
        answer = self.session.request(method, self.url + path, json=body, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    def get(self, path: str) -> Any:
        return self.session.get(self.url + path, timeout=30).json()


def sync(page: Page, site: Site) -> None:
    """Press the button and wait until a run has ended: the requested one, or one that was already running."""
    with page.expect_navigation():
        page.get_by_role("button", name="Sync").click()
    link = messages(page).get_by_role("link", name="Show progress").get_attribute("href")
    [run] = re.findall(r"\d+", link or "")
    is_open = "SELECT 1 FROM mirror_syncrun WHERE id = %s AND ended_at IS NULL"
    until(lambda: not site.database.rows(is_open, int(run)), "the sync has ended")


def sync_until(page: Page, site: Site, path: str, found: Locator) -> None:
    """Sync repeatedly: a run may have started before the change, and some changes are confirmed by a second run."""
    for _ in range(20):
        sync(page, site)
        page.goto(path)
        if found.count():
            return
    pytest.fail(f"{path} never showed {found}")
