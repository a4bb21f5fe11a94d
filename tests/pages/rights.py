"""The table of permissions in `rights.txt`: who may view each page and who may use it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from django.contrib.auth.models import Group

from controlplane.operations.actions import Action


@dataclass(frozen=True)
class Row:
    see_needs: str
    see: str
    do_needs: str
    do: str


def read(path: Path) -> dict[str, Row]:
    lines = [line.split("|") for line in path.read_text().splitlines() if not line.startswith("#")]
    return {place.strip().removeprefix("/"): Row(*see.split(), *do.split()) for place, see, do in lines}


def rows_of(action: type[Action], places: Iterable[str], roles: Iterable[Group]) -> dict[str, Row]:
    """Return the rows that a new action adds for its page and its endpoint, from its permission and the roles."""
    app, _, codename = action.permission.partition(".")
    may = {role.name for role in roles if role.permissions.filter(content_type__app_label=app, codename=codename)}
    letters = {"Auditors": "A", "Operators": "O", "Administrators": "M"}
    who = "".join(letter if name in may else "-" for name, letter in letters.items())
    everyone = f"--{who}S"
    return {
        place: Row("-", "------", action.permission, everyone)
        if " " in place
        else Row(action.permission, everyone, action.permission, everyone)
        for place in places
    }


TABLE = read(Path(__file__).with_name("rights.txt"))
PAGES = {place: row for place, row in TABLE.items() if " " not in place}
ACTIONS = {place: row for place, row in TABLE.items() if " " in place and not place[0].isupper()}
API = {place: row for place, row in TABLE.items() if place[:1].isupper()}  # "GET api/agents"
