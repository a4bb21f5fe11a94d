"""Settings of the admin theme: names, colours and navigation."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.functional import SimpleLazyObject


def _lazy_url(url: str) -> Any:
    """Resolved once: the theme compares each URL of the sidebar with each of the tabs, on every page."""
    return SimpleLazyObject(lambda: reverse(url))


def _may(permission: str) -> Any:
    def may(request: HttpRequest) -> bool:
        return request.user.has_perm(permission)

    return may


def _page(title: str, icon: str, url: str, permission: str | None = None, **more: Any) -> dict[str, Any]:
    page = {"title": title, "icon": icon, "link": _lazy_url(url), **more}
    return page | {"permission": _may(permission)} if permission else page


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Agent Control Plane",
    "SITE_HEADER": "Agent Control Plane",
    "SITE_SUBHEADER": "Voice agents and numbers",
    "SITE_SYMBOL": "graphic_eq",
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": False,
    "BORDER_RADIUS": "6px",
    "ENVIRONMENT": "controlplane.dashboard.context.environment",
    "DASHBOARD_CALLBACK": "controlplane.dashboard.overview.overview",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("controlplane/icon.svg")},
    ],
    "TABS": [
        {
            "models": ["operations.operation", "operations.changeset"],
            "items": [
                {
                    "title": "Operations",
                    "link": _lazy_url("admin:operations_operation_changelist"),
                    "permission": _may("operations.view_operation"),
                },
                {
                    "title": "Change sets",
                    "link": _lazy_url("admin:operations_changeset_changelist"),
                    "permission": _may("operations.view_changeset"),
                },
            ],
        },
        {
            "models": ["mirror.syncrun", "mirror.hold"],
            "items": [
                {
                    "title": "Runs",
                    "link": _lazy_url("admin:mirror_syncrun_changelist"),
                    "permission": _may("mirror.view_syncrun"),
                },
                {
                    "title": "Holds",
                    "link": _lazy_url("admin:mirror_hold_changelist"),
                    "permission": _may("mirror.view_hold"),
                },
            ],
        },
    ],
    "STYLES": [
        lambda _: static("controlplane/site.css"),
        lambda _: static("controlplane/activity.css"),
        lambda _: static("controlplane/findings.css"),
    ],
    "SCRIPTS": [
        lambda _: static("controlplane/site.js"),
        lambda _: static("controlplane/picker.js"),
        lambda _: static("controlplane/palette.js"),
    ],
    "COMMAND": {"search_callback": "controlplane.dashboard.command_palette.search"},
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254.604)",
            "100": "oklch(93.2% .032 255.585)",
            "200": "oklch(88.2% .059 254.128)",
            "300": "oklch(80.9% .105 251.813)",
            "400": "oklch(70.7% .165 254.624)",
            "500": "oklch(62.3% .214 259.815)",
            "600": "oklch(54.6% .245 262.881)",
            "700": "oklch(48.8% .243 264.376)",
            "800": "oklch(42.4% .199 265.638)",
            "900": "oklch(37.9% .146 265.522)",
            "950": "oklch(28.2% .091 267.935)",
        },
    },
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    _page("Overview", "dashboard", "admin:index"),
                    _page("Agents", "support_agent", "admin:agents_agent_changelist", "agents.view_agent"),
                    _page("Numbers", "call", "admin:numbers_phonenumber_changelist", "numbers.view_phonenumber"),
                    _page(
                        "Activity",
                        "swap_horiz",
                        "admin:operations_operation_changelist",
                        "operations.view_operation",
                        badge="controlplane.dashboard.context.unconfirmed_badge",
                        badge_variant="warning",
                    ),
                    _page(
                        "External changes",
                        "difference",
                        "admin:mirror_outsidechange_changelist",
                        "mirror.view_outsidechange",
                        badge="controlplane.dashboard.context.outside_badge",
                        badge_variant="warning",
                    ),
                    _page("History", "history", "admin:audit_entry_changelist", "audit.view_entry"),
                    _page("Sync", "sync", "admin:mirror_syncrun_changelist", "mirror.view_syncrun"),
                    _page("API check reports", "science", "admin:lifecycle_report_changelist", "lifecycle.view_report"),
                    _page("People", "group", "admin:auth_user_changelist", "auth.change_user"),
                    _page("API tokens", "key", "admin:api_token_changelist", "api.view_token"),
                    _page("Roles", "badge", "admin:auth_group_changelist", "auth.change_group"),
                ],
            },
        ],
    },
}
