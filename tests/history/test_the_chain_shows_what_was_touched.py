"""A change that bypasses the triggers breaks the chain, and verification names the first affected entry."""

import json
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from controlplane.audit import chain, triggers
from controlplane.audit.models import Entry, Link

pytestmark = pytest.mark.django_db


def tamper(sql: str, *values: object) -> None:
    """Change the database without its triggers."""
    triggers.remove(connection)
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
    triggers.install(connection)


def test_all_is_well(record_entries, capsys):
    record_entries(25)
    call_command("verify_history", "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["sealed"], found["unsealed"], found["broken"], found["guarded"]) == (25, 0, "", True)
    call_command("verify_history", "--contains", found["head"])
    record_entries(3)
    call_command("verify_history", "--contains", found["head"])
    assert chain.verify().sealed == 28


# For each column, a value as close to the old one as possible.
OTHER = {
    "id": "id + 1000",
    "at": "'2026-01-01 00:00:00.000001+00:00'",
    "before": """'{"label": "Main "}'""",
    "after": """'{"label": "main"}'""",
    "actor_id": "(SELECT max(id) FROM auth_user)",
}
APPENDED = " || ' '"
COLUMNS = [field.column for field in Entry._meta.concrete_fields if not field.generated]


@pytest.mark.parametrize("places", [1000, 3])
@pytest.mark.parametrize(
    "sql",
    [
        *(f"UPDATE audit_entry SET {name} = {OTHER.get(name, name + APPENDED)} WHERE id = %s" for name in COLUMNS),
        "UPDATE audit_entry SET object_name = '+15550100000' WHERE id = %s",
        "DELETE FROM audit_entry WHERE id = %s",
        "UPDATE audit_link SET digest = 'z' || substr(digest, 2) WHERE entry_id = %s",
        "UPDATE audit_link SET digest = (SELECT digest FROM audit_link WHERE position = 1) WHERE entry_id = %s",
        "UPDATE audit_link SET sealed_at = '2026-01-01 00:00:00.000001+00:00' WHERE entry_id = %s",
    ],
)
def test_the_first_one_is_named(sql, places, record_entries, monkeypatch):
    """Every column is covered, also one that is added later. Of several changes, the first one is reported."""
    User.objects.create_user("eve")
    monkeypatch.setattr(chain, "BATCH_ROWS", places)
    entries = record_entries(10)
    chain.seal()
    before = chain.verify().sealed
    for place in (8, 5):
        tamper(sql, entries[place].pk)
    found = chain.verify()
    assert (found.sealed, found.entry_id) == (before - 5, entries[5].pk)
    with pytest.raises(CommandError, match=f"Entry {entries[5].pk} ") as caught:
        call_command("verify_history")
    assert caught.value.returncode == 3


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="no way to write such bytes by SQL")
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("actor_name = CAST(x'80ff' AS TEXT)", "cannot be read any more"),
        ("reason = CAST(x'c3' AS TEXT)", "cannot be read any more"),
        ("at = '2026-13-41 00:00:00'", "cannot be read any more"),
        ("at = 'x' || at", "is not what was sealed"),
        ("after = substr(after, 2)", "is not what was sealed"),
        ("before = x'00'", "is not what was sealed"),
    ],
)
def test_a_flipped_byte_in_the_file_is_named_too(value, words, record_entries):
    """The damaged value may not be valid text, time or JSON. It is reported like any other change."""
    entries = record_entries(9)
    chain.seal()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA ignore_check_constraints = ON")
    try:
        tamper(f"UPDATE audit_entry SET {value} WHERE id = %s", entries[4].pk)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA ignore_check_constraints = OFF")
    found = chain.verify()
    assert (found.sealed, found.entry_id) == (4, entries[4].pk)
    assert words in found.broken
    with pytest.raises(CommandError, match=f"Entry {entries[4].pk} ") as caught:
        call_command("verify_history")
    assert caught.value.returncode == 3


def test_two_swapped_entries_are_both_noticed(record_entries):
    entries = record_entries(6)
    chain.seal()
    first, second = entries[2].pk, entries[4].pk
    for old, new in ((first, -1), (second, first), (-1, second)):  # swap the entries
        tamper("UPDATE audit_entry SET id = %s WHERE id = %s", new, old)
    assert chain.verify().entry_id == first
    for old, new in ((first, -1), (second, first), (-1, second)):  # swap their links too: the order is sealed as well
        tamper("UPDATE audit_link SET entry_id = %s WHERE entry_id = %s", new, old)
    found = chain.verify()
    assert (found.sealed, found.broken) == (2, f"Entry {second} is not what was sealed.")


def test_entries_sealed_before_there_were_tickets_stay_valid():
    at = datetime(2026, 11, 24, 12, 30, 15, 123456, tzinfo=UTC)
    old = Entry(pk=7, at=at, kind="number.changed", object_type="number", object_id="phnum_1", object_name="+1",
                before={"label": "Main"}, after={"label": "Café"}, actor_name="ada", cause="operation", cause_id="3",
                reason="asked")  # fmt: skip
    sealed = (
        '[7,"2026-11-24T12:30:15.123456+00:00","number.changed","number","phnum_1","+1",{"label":"Main"},'
        '{"label":"Caf\\u00e9"},null,"ada","operation","3","asked"'
    )
    assert old.seen_whole() == f"{sealed}]"
    old.ticket = "OPS-7"
    assert old.seen_whole() == f'{sealed},{{"ticket":"OPS-7"}}]'


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="PostgreSQL keeps times only")
@pytest.mark.parametrize("value", ["'x' || sealed_at", "'2026-13-41 00:00:00'", "x'00'"])
def test_an_invalid_time_of_sealing_is_named_too(value, record_entries):
    entries = record_entries(5)
    chain.seal()
    tamper(f"UPDATE audit_link SET sealed_at = {value} WHERE entry_id = %s", entries[3].pk)
    found = chain.verify()
    assert (found.sealed, found.entry_id) == (3, entries[3].pk)


def test_links_without_a_sealed_time_stay_valid_and_the_chain_continues(record_entries):
    digest = ""
    for position, entry in enumerate(record_entries(3), 1):
        digest = chain.digest_of(digest, Entry.objects.get(pk=entry.pk))
        Link.objects.create(position=position, entry_id=entry.pk, digest=digest)
    record_entries(2)
    chain.seal()
    found = chain.verify()
    assert (found.sealed, found.broken) == (5, "")
    for position in (2, 4):
        tamper("UPDATE audit_link SET sealed_at = '2026-01-01 00:00:00+00:00' WHERE position = %s", position)
    assert chain.verify().position == 3, "the time of the fourth link is sealed, that of the second is not"


def test_removed_links_are_noticed(record_entries):
    entries = record_entries(6)
    chain.seal()
    tamper("DELETE FROM audit_link WHERE entry_id IN (%s, %s)", entries[2].pk, entries[3].pk)
    assert chain.verify().broken == "Links 3 to 4 of the chain are missing."


def test_a_removed_start_or_end_is_noticed(record_entries):
    entries = record_entries(6)
    chain.seal()
    head = chain.verify().head
    tamper("DELETE FROM audit_link WHERE entry_id = %s", entries[0].pk)
    tamper("DELETE FROM audit_entry WHERE id = %s", entries[0].pk)
    assert chain.verify().broken == "Links 1 to 1 of the chain are missing."
    tamper("DELETE FROM audit_link WHERE entry_id = %s", entries[5].pk)
    tamper("DELETE FROM audit_entry WHERE id = %s", entries[5].pk)
    assert not chain.contains(head)


@pytest.mark.parametrize("also", ["", "UPDATE audit_entry SET actor_name = 'eve' WHERE id = %s"])
def test_a_removed_end_is_noticed_with_a_noted_digest(also, record_entries, capsys):
    """After a removal, or a change with new seals, the chain is valid. Only the noted digest shows it."""
    entries = record_entries(6)
    call_command("verify_history", "--json")
    head = json.loads(capsys.readouterr().out)["head"]
    for entry in entries[4:]:
        tamper("DELETE FROM audit_link WHERE entry_id = %s", entry.pk)
        tamper(also or "DELETE FROM audit_entry WHERE id = %s", entry.pk)
    call_command("verify_history")
    assert f"All {6 if also else 4} sealed entries verified" in capsys.readouterr().out
    with pytest.raises(CommandError, match="what was sealed then is not here") as caught:
        call_command("verify_history", "--contains", head)
    assert caught.value.returncode == 3


def test_an_entry_that_comes_late_is_sealed_too(record_entries, monkeypatch):
    entries = record_entries(4)
    monkeypatch.setattr(chain, "LOOK_BACK_ROWS", 1)
    late = entries[1].pk
    position, digest = 0, ""
    for entry in (entries[0], entries[2], entries[3]):
        position, digest = position + 1, chain.digest_of(digest, Entry.objects.get(pk=entry.pk))
        Link.objects.create(position=position, entry_id=entry.pk, digest=digest)
    assert chain.seal() == 0
    assert chain.verify().unsealed == 1
    assert chain.seal(everything=True) == 1
    assert Link.objects.get(position=4).entry_id == late
    assert chain.verify().broken == ""


def test_two_processes_that_seal_at_once(record_entries, monkeypatch):
    entries = record_entries(3)
    real = chain.digest_of

    def another_is_faster(*args):
        monkeypatch.undo()
        assert chain.seal() == 3
        return real(*args)

    monkeypatch.setattr(chain, "digest_of", another_is_faster)
    assert chain.seal() == 0
    assert list(Link.objects.values_list("position", "entry_id")) == [(at, one.pk) for at, one in enumerate(entries, 1)]
    assert chain.verify().broken == ""


def test_history_is_kept_for_ever_unless_a_period_is_set(settings):
    settings.HISTORY_KEPT = None
    with pytest.raises(CommandError, match="kept for ever"):
        call_command("prune_history", "--yes")
