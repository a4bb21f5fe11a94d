"""Why somebody asks for something: one rule for every write of staff. What the system does by itself says so itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from django.conf import settings
from django.contrib.auth.models import User

LONGEST_REASON = 500
LONGEST_TICKET = 100


@dataclass(frozen=True)
class Why:
    """What was typed: a reason and, where there is one, a ticket."""

    reason: str = ""
    ticket: str = ""

    def or_else(self, reason: str) -> Why:
        """With this reason where none was typed; not where one has to be, which only a person can give."""
        return self if self.reason or settings.REQUIRE_REASON else replace(self, reason=reason)


UNSAID = Why()


class NotSaid(Exception):
    """Nothing was done: staff have to say why. `problems` is {field: words}."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__(f"Not sent. {' '.join(problems.values())}")
        self.problems = problems


def problems(why: Why) -> dict[str, str]:
    """What is missing or wrong, in the words of the form's field."""
    found = {}
    if settings.REQUIRE_REASON and not any(letter.isalnum() for letter in why.reason):
        found["reason"] = "Enter a short reason. It is kept in the history."
    pattern = settings.TICKET_PATTERN
    if pattern and (why.ticket or settings.REQUIRE_REASON) and not re.fullmatch(pattern, why.ticket):
        what = f"“{why.ticket}” is not a valid ticket" if why.ticket else "Name the ticket"
        found["ticket"] = f"{what}. It has to fit {pattern}"
    return found


def demand(why: Why, actor: User | None) -> None:
    """Raises `NotSaid` where a person asks and has not said why."""
    if actor is not None and (found := problems(why)):
        raise NotSaid(found)
