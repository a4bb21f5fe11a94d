"""Rows written in bulk equal rows written one by one, although PostgreSQL uses COPY, which bypasses Django."""

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from agents.models import Agent
from controlplane import bulk_insert
from controlplane.audit.models import Entry
from numbers.models import PhoneNumber

pytestmark = pytest.mark.django_db

HARD = ["", "\\N", "\\.", 'say "hello"\\', "a\tb\nc\rd", "\x01\x7f", "é 🎧 \u2028", "NULL", "{1,2}", "$1 %s"]
MANY = bulk_insert.MIN_COPY_ROWS + len(HARD)


def entries() -> list[Entry]:
    actor = User.objects.create_user("ann")
    texts = [*HARD, *(f"row {at}" for at in range(bulk_insert.MIN_COPY_ROWS))]
    return [
        Entry(
            kind="number.changed",
            object_type="number",
            object_id=f"phnum_{at}",
            object_name=text,
            before={text: None, "rate": 0.5, "on": True},
            after={"list": [text, {"deep": text}], "large": 2**60},
            actor=actor if at % 2 else None,
            actor_name=text,
            cause=Entry.Cause.SYNC,
            reason=text,
        )
        for at, text in enumerate(texts)
    ]


def test_what_is_written_is_read_back_in_every_column():
    rows = entries()
    bulk_insert.insert(rows)
    stored = Entry.objects.in_bulk([row.pk for row in rows])
    assert len(stored) == MANY
    for row in rows:
        assert not row._state.adding
        found = stored[row.pk]
        assert found.topic == "number"  # set by the database
        assert abs(timezone.now() - found.at).total_seconds() < 60
        for field in Entry._meta.concrete_fields:
            if not field.generated:
                assert getattr(found, field.attname) == getattr(row, field.attname), field.name
    one = Entry.objects.create(kind="number.gone", object_type="number", actor_name="", cause=Entry.Cause.SYNC)
    assert one.pk > max(stored)  # the ids come from the sequence of the table


def test_many_rows_are_written_to_postgresql_by_copy(monkeypatch):
    copied = []
    write = bulk_insert._copy
    monkeypatch.setattr(bulk_insert, "_copy", lambda rows: (copied.append(len(rows)), write(rows)))
    bulk_insert.insert(entries())
    bulk_insert.insert([PhoneNumber(remote_id="phnum_1", phone_number="+15550100001")])
    bulk_insert.insert([])
    assert copied == ([MANY] if connection.vendor == "postgresql" else [])


def test_what_the_database_refuses_is_an_error_of_django_and_leaves_nothing():
    agents = [Agent(remote_id=f"agent_{at % MANY}", name="Bot") for at in range(MANY + 1)]
    with pytest.raises(IntegrityError), transaction.atomic():
        bulk_insert.insert(agents)
    assert not Agent.objects.exists()


def test_half_a_character_leaves_nothing():
    numbers = [PhoneNumber(remote_id=f"phnum_{at}", phone_number="+15550100001") for at in range(MANY)]
    numbers[-1].label = "half \ud83d"
    with pytest.raises(ValueError, match="surrogates"), transaction.atomic():
        bulk_insert.insert(numbers)
    assert not PhoneNumber.objects.exists()
