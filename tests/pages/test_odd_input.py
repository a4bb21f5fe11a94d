"""Invalid keys, parameters and fields get a proper error response, never a 500."""

import re
from itertools import cycle, islice, product
from urllib.parse import parse_qs

import pytest
from django.contrib import admin
from django.contrib.admin.templatetags.admin_urls import admin_urlname
from django.urls import reverse

from controlplane.readonly_admin import StrictAdmin, StrictChangeList
from tests.pages.world import KEY, World, world
from tests.sitemap import PLACE, routes

__all__ = ["world"]
pytestmark = pytest.mark.django_db
ODD_KEYS = [["abc", "9" * 19], pytest.param(["1e3", "1;x", "9" * 400], marks=pytest.mark.slow)]
LISTS = {reverse(admin_urlname(model._meta, "changelist")): page for model, page in admin.site._registry.items()}
LOOKUPS = ["regex=x", "contains=x", "pk=1"]
NUMBERS = "/admin/numbers/phonenumber/"  # uses every feature of a list
OTHER_LOOKUPS = ["pk__regex=^((a|aa)%2B)%2B!$", "pk__in=x", "id__gte=1", "nothing=1", "pk__exact=1"]


@pytest.fixture
def client(sign_in):
    client = sign_in("superuser")
    client.raise_request_exception = False
    return client


@pytest.mark.parametrize("keys", ODD_KEYS, ids=lambda keys: keys[0])
def test_a_key_of_any_form_is_one_that_is_not_there(keys, client, world: World):
    """Also on Django's own views, such as the history of an object."""
    found = {}
    for route in routes():
        if not route.startswith("admin/") or not PLACE.search(route) or "<url>" in route:
            continue
        for key in keys:
            path = "/" + PLACE.sub(lambda _, key=key: key, route)
            for method in ("get", "post") if key == keys[0] else ("get",):  # both look up a key in the same way
                data = {"key": KEY, "post": "yes"} if method == "post" else {}
                status = getattr(client, method)(path, data).status_code
                if status not in (302, 400, 403, 404, 405):
                    found[f"{method} {path[:80]}"] = status
    assert found == {}


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("place", LISTS)
def test_a_list_takes_the_parameters_of_its_filters_and_no_other(place, every, client, workspace):
    """A lookup on any field of any model is refused before it becomes a query. Sampled, or all of them when slow."""
    model = LISTS[place].model
    fields = [field.name for field in model._meta.get_fields() if field.concrete or field.auto_created]
    pairs = product(fields, LOOKUPS) if every else zip(fields, cycle(LOOKUPS), strict=False)
    lookups = [f"{field}__{lookup}" for field, lookup in pairs]
    for query in [*OTHER_LOOKUPS, *lookups]:
        answer = client.get(f"{place}?{query}")
        assert (answer.status_code, answer.headers.get("Location")) in [(302, f"{place}?e=1"), (400, None)], query
    assert isinstance(LISTS[place], StrictAdmin)
    assert issubclass(LISTS[place].get_changelist(None), StrictChangeList)


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_lists_still_answer_their_own_links(every, client, world: World):
    """One link of each kind on a page, by its parameter names. Links that all lists share are followed on one list, or
    on every list when slow."""
    common = {("o",): "?o=1", ("o", "p", "q"): "?o=1&p=1&q=x", ("e",): "?e=1"}
    for page in LISTS:
        links = re.findall(r'href="(\?[^"]*)"', client.get(page).content.decode())
        sorts = {tuple(parse_qs(link[1:])): link for link in (link.replace("&amp;", "&") for link in links)}
        if every or page == NUMBERS:
            sorts |= common
        else:
            sorts = {names: link for names, link in sorts.items() if names not in common}
        for link in sorts.values():
            assert client.get(page + link).status_code == 200, page + link


@pytest.mark.parametrize(
    ("first", "every"),
    [(0, False), pytest.param(0, True, marks=pytest.mark.slow), pytest.param(1, True, marks=pytest.mark.slow)],
)
def test_no_value_of_a_parameter_is_an_error_of_ours(first, every, client, workspace):
    """Each parameter with one of the values here, and with the other one in the slow case. Parameters that all lists
    share are tried on one list, or on every list when slow."""
    values = islice(cycle(("9" * 30, "é' [ 1=1 --")), first, None)
    request = client.get(NUMBERS).wsgi_request
    for page, its in LISTS.items():
        specs = its.get_changelist_instance(request).filter_specs
        common = ["p", "o", "_to_field"] if every or page == NUMBERS else []
        for name in [*common, *(name for spec in specs for name in spec.expected_parameters())]:
            value = next(values)
            assert client.get(page, {name: value}).status_code in (200, 302, 400), (page, name, value)


def test_a_page_of_a_search_that_is_not_there_is_not_found(client, workspace):
    for number in ("x", "-1", "9" * 30):
        assert client.get("/admin/search/", {"s": "sales", "extended": "1", "page": number}).status_code == 404


@pytest.mark.parametrize("place", [place for place, its in LISTS.items() if its.actions])
def test_an_action_on_what_is_no_row_is_refused(place, client, workspace):
    (action, *_) = LISTS[place].actions
    for chosen in ("abc", "\0", "", "1;x", "9" * 19, "1e3"):
        answer = client.post(place, {"action": action, "_selected_action": ["1", chosen], "index": "0"})
        assert answer.status_code == 400, chosen


ONE_OF_EACH_SORT = (NUMBERS, next(place for place, its in LISTS.items() if not its.search_fields))


@pytest.mark.parametrize(
    "place", [pytest.param(one, marks=[] if one in ONE_OF_EACH_SORT else pytest.mark.slow) for one in LISTS]
)
def test_a_search_that_is_too_long_is_not_carried_out(place, client, workspace):
    answer = client.get(place, {"q": "x" * 300_000}, follow=True)
    assert answer.redirect_chain[-1][0] == f"{place}?e=1"
    if LISTS[place].search_fields:
        assert "search with 200 characters at most" in answer.content.decode()


def test_a_field_with_a_nul_is_refused_and_neither_shown_nor_logged(client, workspace, caplog):
    for path in (
        f"/admin/numbers/phonenumber/{workspace.bound.pk}/assign/",
        "/admin/numbers/phonenumber/add/",
        f"/admin/numbers/phonenumber/delete-agent/{workspace.support.pk}/",
        "/admin/login/",
    ):
        answer = client.post(path, {"key": KEY, "q": "a\0canary", "token": "canary-7f3a\0"})
        assert answer.status_code == 400
        assert "canary" not in answer.content.decode() + caplog.text
    cookie = r'sessionid="\000aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"'
    assert client.get("/admin/", headers={"Cookie": cookie}).status_code == 400


def test_a_long_search_for_an_agent_is_reported_in_the_form(client, workspace):
    for path in (
        f"/admin/numbers/phonenumber/{workspace.bound.pk}/assign/",
        "/admin/numbers/phonenumber/add/",
        f"/admin/numbers/phonenumber/delete-agent/{workspace.support.pk}/",
    ):
        answer = client.post(path, {"key": KEY, "q": "x" * 300_000})
        assert answer.status_code == 422
    assert client.get("/admin/numbers/phonenumber/agent-options/", {"q": "x" * 300_000}).status_code == 200
    assert client.get("/admin/search/", {"s": "x" * 300_000, "extended": "1"}).status_code == 200
    assert client.get("/admin/numbers/phonenumber/agent-options/", {"not": "9" * 30}).status_code == 200
