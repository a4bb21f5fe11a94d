"""Whoever gets past the triggers breaks the chain, and the first entry that was touched is named."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from controlplane.audit import chain, guard
from controlplane.audit.models import Entry, Link
from controlplane.audit.prune import NothingToPrune, prune

pytestmark = pytest.mark.django_db


def tamper(sql: str, *values: object) -> None:
    """As somebody who has the database to themselves."""
    guard.remove(connection)
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
    guard.install(connection)


def test_all_is_well(told, capsys):
    told(25)
    call_command("verify_history", "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["sealed"], found["unsealed"], found["broken"], found["guarded"]) == (25, 0, "", True)
    call_command("verify_history", "--contains", found["head"])
    told(3)
    call_command("verify_history", "--contains", found["head"])
    assert chain.verify().sealed == 28


@pytest.mark.parametrize("places", [1000, 3])
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit_entry SET actor_name = 'Ada' WHERE id = %s",
        "UPDATE audit_entry SET object_name = '+15550100000' WHERE id = %s",
        "UPDATE audit_entry SET reason = ' ' WHERE id = %s",
        "UPDATE audit_entry SET ticket = 'OPS-7' WHERE id = %s",
        "UPDATE audit_entry SET after = '{}' WHERE id = %s",
        "UPDATE audit_entry SET at = '2026-01-01 00:00:00+00:00' WHERE id = %s",
        "DELETE FROM audit_entry WHERE id = %s",
        "UPDATE audit_link SET digest = 'z' || substr(digest, 2) WHERE entry_id = %s",
    ],
)
def test_the_first_one_is_named(sql, places, told, monkeypatch):
    monkeypatch.setattr(chain, "AT_A_TIME", places)
    entries = told(10)
    chain.seal()
    for place in (8, 5):
        tamper(sql, entries[place].pk)
    found = chain.verify()
    assert (found.sealed, found.entry_id) == (5, entries[5].pk)
    with pytest.raises(CommandError, match=f"Entry {entries[5].pk} ") as caught:
        call_command("verify_history")
    assert caught.value.returncode == 3


def test_what_was_sealed_before_there_were_tickets_stays_good():
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


def test_links_that_were_removed_are_missed(told):
    entries = told(6)
    chain.seal()
    tamper("DELETE FROM audit_link WHERE entry_id IN (%s, %s)", entries[2].pk, entries[3].pk)
    assert chain.verify().broken == "Links 3 to 4 of the chain are missing."


def test_the_beginning_and_the_end_cannot_be_cut_off_unseen(told):
    entries = told(6)
    chain.seal()
    head = chain.verify().head
    tamper("DELETE FROM audit_link WHERE entry_id = %s", entries[0].pk)
    tamper("DELETE FROM audit_entry WHERE id = %s", entries[0].pk)
    assert chain.verify().broken == "Links 1 to 1 of the chain are missing."
    tamper("DELETE FROM audit_link WHERE entry_id = %s", entries[5].pk)
    tamper("DELETE FROM audit_entry WHERE id = %s", entries[5].pk)
    assert not chain.has(head)


def test_an_entry_that_comes_late_is_sealed_too(told, monkeypatch):
    entries = told(4)
    monkeypatch.setattr(chain, "LOOK_BACK", 1)
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


def test_two_who_seal_at_once(told, monkeypatch):
    entries = told(3)
    real = chain.digest_of

    def another_is_quicker(before, entry):
        monkeypatch.undo()
        assert chain.seal() == 3
        return real(before, entry)

    monkeypatch.setattr(chain, "digest_of", another_is_quicker)
    assert chain.seal() == 0
    assert list(Link.objects.values_list("position", "entry_id")) == [(at, one.pk) for at, one in enumerate(entries, 1)]
    assert chain.verify().broken == ""


def test_pruning_records_itself_and_leaves_a_chain(told):
    told(5)
    moment = timezone.now()
    kept = told(4)
    assert prune(moment, actor_name="root")["entries"] == 5
    assert list(Entry.objects.order_by("pk").values_list("pk", flat=True))[:4] == [entry.pk for entry in kept]
    record = Entry.objects.get(kind="history.pruned")
    assert (record.actor_name, record.after["entries"], record.after["link"]) == ("root", 5, 5)
    chain.seal()
    found = chain.verify()
    assert (found.broken, found.sealed) == ("", 6)  # the last link of what went, four, and the record
    assert guard.is_installed()
    with pytest.raises(NothingToPrune):
        prune(moment - timedelta(days=1), actor_name="root")
    tamper("DELETE FROM audit_entry WHERE id = %s", kept[0].pk)
    assert chain.verify().entry_id == kept[0].pk


def test_history_is_kept_for_ever_unless_somebody_says_how_long(settings):
    settings.HISTORY_KEPT = None
    with pytest.raises(CommandError, match="kept for ever"):
        call_command("prune_history", "--yes")
