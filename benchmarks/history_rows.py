"""A million history entries, as after years of use, inserted without the ORM."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

FIRST, EACH = datetime(2024, 1, 1, tzinfo=UTC), timedelta(seconds=60)
COLUMNS = (
    *("id", "at", "kind", "object_type", "object_id", "object_name", "before", "after"),
    *("actor_id", "actor_name", "cause", "cause_id", "reason"),
)
VERDICTS = ["done"] * 17 + ["refused", "not_sent", "overtaken"]
PROMPT = "You answer calls for desk {}.\n" + "Be short and polite.\nNever give a price.\nHand over when asked.\n" * 4
BEFORE = 1_000  # ids reserved for entries written before


def number(at: int) -> tuple[str, str]:
    return f"phnum_{at:08}bench", f"+1555{at:07}"


def agent(at: int) -> tuple[str, str]:
    return f"agent_{at:08}bench", f"Agent {at} of the night desk"


def rows(count: int, *, numbers: int, agents: int, people: list[tuple[int, str]]) -> Iterator[tuple[Any, ...]]:
    """A tenth are operations sent, a tenth their results, a tenth their changes; half were found by syncs."""
    dice = random.Random(7)
    operation = 0
    for pk in range(BEFORE + 1, BEFORE + 1 + count):
        at = FIRST + pk * EACH
        bound, name = agent(dice.randrange(agents))
        own, line = number(dice.randrange(numbers))
        who = people[dice.randrange(len(people))]
        system = (None, "system")
        reason = f"Ticket {pk % 90_000}: moved as asked" if pk % 4 == 0 else ""
        draw = dice.random()
        if draw < 0.1:
            operation += 1
        if draw < 0.2:
            kind = "operation.sent" if draw < 0.1 else f"operation.{dice.choice(VERDICTS)}"
            details = {"asked": f"Move {line} to {name}", "message": "On its way to ElevenLabs."}
            yield (pk, at, kind, "number", own, line, {}, details, *who, "operation", str(operation), reason)
        elif draw < 0.3:
            change = {"agent_id": None, "agent_name": None}, {"agent_id": bound, "agent_name": name}
            yield (pk, at, "number.changed", "number", own, line, *change, *who, "operation", str(operation), reason)
        elif draw < 0.6:
            change = {"label": f"Line {pk - 1}"}, {"label": f"Line {pk}"}
            yield (pk, at, "number.changed", "number", own, line, *change, *system, "sync", str(pk // 50), "")
        elif draw < 0.8:
            path = "conversation_config.agent.prompt.prompt"
            change = {path: PROMPT.format(pk)}, {path: PROMPT.format(pk + 1)}
            yield (pk, at, "agent.changed", "agent", bound, name, *change, *system, "sync", str(pk // 50), "")
        elif draw < 0.995:
            key, login = who
            details = {"told": "signed in from 10.0.0.7"}
            yield (pk, at, "person.signed_in", "person", str(key), login, {}, details, *who, "person", "", "")
        elif draw < 0.999:
            details = {"change": "label"}
            yield (pk, at, "outside.adopted", "number", own, line, {}, details, *who, "system", "outside change 1", "")
        else:
            details = {"missing": "40"}
            yield (pk, at, "hold.opened", "sync", str(pk // 50), "40 numbers", {}, details, *system, "sync", "1", "")


def write(entries: Iterator[tuple[Any, ...]]) -> None:
    from django.db import connection, transaction

    names = ", ".join([*COLUMNS, "ticket"])
    # Entries with a reason have a ticket.
    ticketed = ((*row, f"OPS-{row[0] % 9_000}" if row[-1] else "") for row in entries)
    flat = (tuple(json.dumps(value) if isinstance(value, dict) else value for value in row) for row in ticketed)
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY audit_entry ({names}) FROM STDIN") as copy:
                for row in flat:
                    copy.write_row(row)
        else:
            marks = ", ".join("?" * (len(COLUMNS) + 1))
            stored = (tuple(f"{v:%Y-%m-%d %H:%M:%S.%f}" if isinstance(v, datetime) else v for v in row) for row in flat)
            connection.connection.executemany(f"INSERT INTO audit_entry ({names}) VALUES ({marks})", stored)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT setval(pg_get_serial_sequence('audit_entry', 'id'), max(id)) FROM audit_entry")
            cursor.execute("VACUUM ANALYZE")  # autovacuum would do so some minutes later
