"""The sandbox, as somebody sees and changes it who does not use this app."""

import re

import pytest
import requests
from playwright.sync_api import Page

from tests.browser.conftest import Site


class Console:
    def __init__(self, site: Site) -> None:
        self.url = site.sandbox
        self.session = requests.Session()
        self.session.headers["xi-api-key"] = "sk_sandbox"

    def do(self, action: str, **details: object) -> dict[str, str]:
        return self.post("/_sandbox/console", {"action": action, **details})

    def post(self, path: str, body: object) -> dict[str, str]:
        answer = self.session.post(self.url + path, json=body, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    def get(self, path: str) -> dict[str, object]:
        return self.session.get(self.url + path, timeout=30).json()


def sync_until(page: Page, path: str, words: str | re.Pattern[str]) -> None:
    """Ask for a sync, and look again, until the page at `path` says it: a worker does it, and beat does too."""
    for _ in range(20):
        with page.expect_response("**/syncrun/picture/*"):
            page.get_by_role("button", name="Sync").click()
        page.goto(path)
        if page.get_by_text(words).count():
            return
    pytest.fail(f"{path} never said {words}")
