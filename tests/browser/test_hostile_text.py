"""Forty texts that look like markup, scripts or URLs, in every field that other people fill, on every page: the parsed
page has no element, attribute or kind of URL that it does not have with plain letters.

The texts are in groups, each short enough for one name. Testing each of them alone takes minutes.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import call_command
from django.db import connection  # noqa: F401 - used by the mark below
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.test import Client
from django.utils import timezone
from django.utils.cache import patch_cache_control
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from agents import catalogue
from tests.browser.conftest import FITS_WITHIN, TOO_WIDE
from tests.hostile import STRINGS, WHOLE, WORST, twin
from tests.hostile_world import NAME, Rows, build
from tests.pages.rights import TABLE
from tests.sitemap import filled

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif("connection.vendor != 'sqlite'", reason="the pages are the same on both databases"),
]

Skeleton = Counter[str]
# Every page that a superuser may view, except those of Django's that only redirect or are not pages.
NO_PAGE = re.compile(
    r"|admin/login/|readyz|healthz|api/docs|api/openapi.json|admin/jsi18n/|.*/<path:object_id>/|admin/agents/agent/<.*>/(history|delete)/"
)
ROUTES = [place for place, row in TABLE.items() if "S" in row.see and " " not in place and not NO_PAGE.fullmatch(place)]
SEARCHED = re.compile(r"admin/\w+/\w+/|.*/(then|agent-options)/")
# The content of these is also on another page of the same object, from the same template.
PARTS = re.compile(r".*/(history|cells|verdict|steps|progress|password)/")
OBJECT_ROUTES = [route for route in ROUTES if "<" in route and not PARTS.fullmatch(route)]


def grouped(texts: list[str]) -> list[str]:
    """The texts combined into fewer strings, none of which is truncated where a name may have `NAME` characters."""
    groups = texts[:1]
    for text in texts[1:]:
        both = f"{groups[-1]} {text}"
        groups[-1:] = [both] if len(both) < NAME else [groups[-1], text]
    return groups


GROUPS = grouped(STRINGS)
# One of each shape that changes the layout: by length, and by number of lines.
SHAPES = ["x", "x" * 70, "x" * 150, *(twin(text) for text in (*STRINGS[-2:], WHOLE))]
HOW = [
    ("texts", "shapes"),
    [
        pytest.param(GROUPS, [twin(text) for text in GROUPS], id="in groups"),
        pytest.param(STRINGS, SHAPES, id="alone", marks=pytest.mark.slow),
    ],
]

# The skeleton of a document: each element with its position, the names of its attributes, the kind of its URLs, and the
# code that it would run. Text and other values are ignored, as are numbers, which identify rows.
SKELETON = """
const skeleton = (root) => {
    const addresses = new Set(["href", "src", "action", "formaction", "srcset", "data", "poster", "ping", "xlink:href",
        "hx-get", "hx-post"]);
    const kind = (value) => {
        let url;
        try { url = new URL(value, location.href); } catch { return "none"; }
        return url.origin === location.origin ? "here" : url.protocol;
    };
    const runs = (name) => /^(on|x-|@|:|hx-)/.test(name);
    const described = (attribute) => {
        if (addresses.has(attribute.name)) return `${attribute.name}=${kind(attribute.value)}`;
        return runs(attribute.name) ? `${attribute.name}=${attribute.value.replace(/\\d+/g, "N")}` : attribute.name;
    };
    const found = {};
    const walk = (element, above) => {
        const names = [...element.attributes].map(described).sort().join(" ");
        const path = `${above}>${element.localName}`;
        const key = `${path} [${names}]`;
        found[key] = (found[key] || 0) + 1;
        for (const child of element.children) walk(child, path);
        if (element.localName === "template") for (const child of element.content.children) walk(child, path);
    };
    walk(root, "");
    return found;
};
"""
# Values next to the name of a setting, which may be as long as the page is wide; hidden elements have no width.
NARROW = """[...document.querySelectorAll(".cp-facts > dd")].some((one) => one.offsetWidth && one.offsetWidth < 150)"""
OF_DOCUMENTS = f"""(pages) => {{ {SKELETON}
    return pages.map((page) => skeleton(new DOMParser().parseFromString(page, "text/html").documentElement));
}}"""


def superuser(rows: Rows) -> Client:
    """A signed-in superuser with a hostile name."""
    person = User.objects.get(pk=rows["admin/auth/user/"])
    person.is_superuser = True
    person.save()
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def is_wrong(message: ConsoleMessage) -> bool:
    """A policy violation or a missing resource, except the icon, which a bare fragment does not declare."""
    return message.type == "error" and not message.location["url"].endswith("/favicon.ico")


class Visitor:
    """A user in a browser who records what no page may do."""

    def __init__(self, browser: Browser, client: Client, url: str, remote_url: str) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=url)
        session = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": url}
        self.context.add_cookies([session])
        self.page: Page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("dialog", lambda dialog: (self.note(f"a dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("pageerror", lambda error: self.note(f"a script fails: {error}"))
        self.page.on("console", lambda message: self.note(message.text) if is_wrong(message) else None)
        known = (url, remote_url, "data:")
        self.page.on("request", lambda request: request.url.startswith(known) or self.note(f"asks {request.url}"))

    def note(self, what: str) -> None:
        self.wrong.append(f"{self.page.url}: {what}")

    def skeleton(self, address: str) -> Skeleton:
        self.page.goto(address)
        if self.page.evaluate(NARROW):
            self.note("a value has no room next to its name")
        if self.page.evaluate("document.styleSheets.length > 0"):  # a bare fragment has none; its page is checked
            for wide in self.page.evaluate(TOO_WIDE, FITS_WITHIN):
                self.note(f"too wide: {wide}")
        return self.skeleton_of("html")

    def skeleton_of(self, part: str) -> Skeleton:
        self.page.wait_for_function("!document.querySelector('.htmx-request')")  # polling fragments have loaded
        look = f"(part) => {{ {SKELETON} return skeleton(document.querySelector(part)) }}"
        return Counter(self.page.evaluate(look, part))

    def skeletons(self, rows: Rows, sought: str) -> Iterator[tuple[str, Skeleton]]:
        for route in ROUTES:
            yield route, self.skeleton(filled(route, rows))
        now = timezone.localtime().strftime("%Y-%m-%dT%H:%M:%S")
        for address in (
            "admin/agents/agent/?look=list&state=all",
            "admin/mirror/outsidechange/?state=all",
            f"admin/audit/entry/then/?at={now}",
            f"admin/audit/entry/then/?at={now}&what=agents",
            *(f"{route}?q={{}}" for route in ROUTES if SEARCHED.fullmatch(route)),
            "admin/agents/agent/voices/?voice_search={}&voice_id={}&stored={}",
            "admin/search/?s={}",
        ):
            yield address.replace(now, "now"), self.skeleton("/" + address.replace("{}", quote(sought)))
        yield "a dialog", self.in_a_dialog()
        yield "the palette", self.in_the_palette()

    def in_a_dialog(self) -> Skeleton:
        self.page.goto("/admin/numbers/phonenumber/?q=5550100000")
        self.page.locator(".cp-picker").first.click()
        expect(self.page.get_by_placeholder("Type a name or id")).to_be_focused()
        return self.skeleton_of("#cp-dialog")

    def in_the_palette(self) -> Skeleton:
        self.page.goto("/admin/")
        self.page.keyboard.press("Control+k")
        expect(self.page.locator("#search-input-command")).to_be_focused()
        self.page.keyboard.type("5550100")
        expect(self.page.locator("#command-results li").first).to_be_visible()
        return self.skeleton_of("#command-results")


def kept(serve: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """The browser caches styles and scripts between pages, as it does on the real site."""

    def serve_once(handler: StaticFilesHandler, request: HttpRequest) -> HttpResponseBase:
        answer = serve(handler, request)
        patch_cache_control(answer, max_age=3600)
        return answer

    return serve_once


@pytest.fixture
def as_long_as_it_takes(monkeypatch, settings, remote):
    """Every list on one page, a mirror that does not become stale meanwhile, and audio that is allowed from this test's
    remote."""
    settings.PICTURE_STALE_AFTER = timedelta(days=1)
    monkeypatch.setattr(StaticFilesHandler, "serve", kept(StaticFilesHandler.serve))
    for page in admin.site._registry.values():
        monkeypatch.setattr(page, "list_per_page", 2000)
    settings.CONTENT_SECURITY_POLICY = {
        "DIRECTIVES": settings.CONTENT_SECURITY_POLICY["DIRECTIVES"] | {"media-src": ["'self'", remote.url]}
    }


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(600)
@pytest.mark.parametrize(*HOW)
def test_no_page_becomes_another_and_nothing_is_run(texts, shapes, as_long_as_it_takes, remote, live_server, browser):
    worlds: list[dict[str, Skeleton]] = []
    for like in (twin, str):
        call_command("flush", interactive=False, verbosity=0)
        remote.reset()
        catalogue.cache.clear()
        rows = build(remote, [like(text) for text in (*texts, WHOLE)])[-1]
        catalogue.voices()  # so that no page requests their names later
        visitor = Visitor(browser, superuser(rows), live_server.url, remote.url)
        worlds.append(dict(visitor.skeletons(rows, f"no such {like(WORST)}")))
        visitor.context.close()
        assert visitor.wrong == []
    harmless, hostile = worlds
    assert differences(harmless, hostile) == {}


def differences(harmless: dict[str, Skeleton], hostile: dict[str, Skeleton]) -> dict[str, tuple[Skeleton, Skeleton]]:
    """{page: (what was added, what was lost)}"""
    both = {place: (hostile[place] - known, known - hostile[place]) for place, known in harmless.items()}
    return {place: pair for place, pair in both.items() if any(pair)}


def nearest(skeleton: Skeleton, known: list[Skeleton]) -> tuple[Skeleton, Skeleton]:
    """What was added and what was lost, compared with the most similar known skeleton."""
    pairs = ((skeleton - one, one - skeleton) for one in known)
    return min(pairs, key=lambda pair: sum(map(len, pair)))


@pytest.mark.django_db
@pytest.mark.timeout(600)
@pytest.mark.parametrize(*HOW)
def test_each_text_on_each_page_of_one_object(texts, shapes, remote, browser):
    page = browser.new_context().new_page()
    every = build(remote, [*shapes, *texts])
    client = superuser(every[0])

    def skeletons(route: str) -> list[Skeleton]:
        answers = [client.get(filled(route, rows)) for rows in every]
        assert {answer.status_code for answer in answers} == {200}, route
        documents = [answer.content.decode() for answer in answers]
        return [Counter(found) for found in page.evaluate(OF_DOCUMENTS, documents)]

    wrong: dict[tuple[str, str], object] = {}
    for route in OBJECT_ROUTES:
        found = skeletons(route)
        known, others = found[: len(shapes)], found[len(shapes) :]
        for text, skeleton in zip(texts, others, strict=True):
            if skeleton not in known:
                wrong[route, text[:40]] = nearest(skeleton, known)
    page.context.close()
    assert wrong == {}
