"""Every URL, API method and bulk action of the site, from the URL resolver and the registry of the admin."""

import re
from collections.abc import Iterator, Mapping
from inspect import getclosurevars, isfunction
from itertools import product, repeat

from django.contrib import admin
from django.urls import URLPattern, URLResolver, get_resolver
from ninja.operation import PathView

PLACE = re.compile(r"<[^>]+>")  # "<int:pk>"
GROUP = re.compile(r"\(\?P<\w+>([^)]*)\)")  # "(?P<app_label>agents|numbers)"


def routes() -> list[str]:
    """ "admin/agents/agent/<path:object_id>/change/" and all others, except those of the API."""
    return sorted({route for route, pattern in _walk(get_resolver().url_patterns, "") if not _methods(pattern)})


def verbs() -> list[str]:
    """ "PATCH api/agents/<agent_id>" and all others of the API, where each method requires its own permission."""
    places = _walk(get_resolver().url_patterns, "")
    return sorted({f"{method} {route}" for route, pattern in places for method in _methods(pattern)})


def _methods(pattern: URLPattern) -> list[str]:
    """The methods of a URL whose methods have separate functions."""
    view = getclosurevars(pattern.callback).nonlocals.get("self") if isfunction(pattern.callback) else None
    return [one for operation in view.operations for one in operation.methods] if isinstance(view, PathView) else []


def _walk(patterns: list[URLPattern | URLResolver], before: str) -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        for route in _plain(str(pattern.pattern)):
            if isinstance(pattern, URLResolver):
                yield from _walk(pattern.url_patterns, before + route)
            else:
                yield before + route, pattern


def _plain(route: str) -> Iterator[str]:
    """Expand a regular expression to one route for each of its choices. `.*` becomes a placeholder."""
    choices = [["<url>"] if text == ".*" else text.split("|") for text in GROUP.findall(route)]
    for chosen in product(*choices):
        filled = iter(chosen)
        yield GROUP.sub(lambda _, filled=filled: next(filled), route).removeprefix("^").removesuffix("$")


def filled(route: str, rows: Mapping[str, object]) -> str:
    """The URL with the key of an existing row, which `rows` holds for the longest matching prefix of the route."""
    begins = max((begin for begin in rows if route.startswith(begin)), key=len, default="")
    key = rows.get(begins)
    parts = iter(key) if isinstance(key, tuple) else repeat(key)
    return "/" + PLACE.sub(lambda _: str(next(parts)), route)


def actions() -> list[str]:
    """ "admin/mirror/outsidechange/ adopt": and all others, including those that the site offers for every list."""
    return sorted(
        f"admin/{model._meta.app_label}/{model._meta.model_name}/ {name}"
        for model, page in admin.site._registry.items()
        for name in {
            *(action if isinstance(action, str) else action.__name__ for action in page.actions or ()),
            *(name for name, _ in admin.site.actions),
        }
    )
