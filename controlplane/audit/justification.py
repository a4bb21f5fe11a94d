"""The reason and ticket that staff give for a write, and whether they are required."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from django.conf import settings
from django.contrib.auth.models import User

MAX_REASON_CHARS = 500
MAX_TICKET_CHARS = 100


@dataclass(frozen=True)
class Justification:
    """The reason and the optional ticket as typed."""

    reason: str = ""
    ticket: str = ""

    def or_else(self, reason: str) -> Justification:
        """With `reason` as the default where none was typed. No default is applied under `REQUIRE_REASON`: then a
        person has to give one."""
        return self if self.reason or settings.REQUIRE_REASON else replace(self, reason=reason)


NO_JUSTIFICATION = Justification()


class ReasonRequired(Exception):
    """Nothing was done: a reason or ticket is missing or invalid. `problems` is {field: message}."""

    def __init__(self, justification_errors: dict[str, str]) -> None:
        super().__init__(f"Not sent. {' '.join(justification_errors.values())}")
        self.problems = justification_errors


def justification_errors(justification: Justification) -> dict[str, str]:
    """What is missing or invalid, as {form field: message}."""
    found = {}
    if settings.REQUIRE_REASON and not any(letter.isalnum() for letter in justification.reason):
        found["reason"] = "Enter a short reason. It is kept in the history."
    pattern = settings.TICKET_PATTERN
    if (
        pattern
        and (justification.ticket or settings.REQUIRE_REASON)
        and not re.fullmatch(pattern, justification.ticket)
    ):
        what = f"“{justification.ticket}” is not a valid ticket" if justification.ticket else "Name the ticket"
        found["ticket"] = f"{what}. It has to fit {pattern}"
    return found


def require_justification(justification: Justification, actor: User | None) -> None:
    """Raises `ReasonRequired` if a person made the request without a valid reason. Requests without an actor need
    none."""
    if actor is not None and (found := justification_errors(justification)):
        raise ReasonRequired(found)
