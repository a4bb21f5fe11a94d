"""Template context shared by the history's pages."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest


def admin_context(title: str, request: HttpRequest) -> dict[str, Any]:
    return {**admin.site.each_context(request), "title": title, "subtitle": None}
