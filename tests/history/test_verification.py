"""The history is read by a worker: asked for or once a day, from where another one died, and what it finds is told."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from controlplane.audit import chain, triggers, verification
from controlplane.audit.models import Entry, Link, Verification
from tests.history.test_the_chain_shows_what_was_touched import tamper

pytestmark = pytest.mark.django_db
State = Verification.State


def test_asked_twice_it_is_read_once(told):
    told(3)
    first = verification.request("ada")
    assert verification.request("bob") == first
    done = verification.run_due()
    assert (done.state, done.sealed, done.unsealed, done.asked_by_name) == (State.WHOLE, 3, 0, "ada")
    assert done.digest == Link.objects.latest("position").digest
    assert verification.run_due() is None  # not again before tomorrow


def test_once_a_day_without_anybody(told):
    told(1)
    assert verification.run_due().asked_by_name == "system"
    Verification.objects.update(asked_at=timezone.now() - timedelta(days=1, seconds=1))
    assert verification.run_due().state == State.WHOLE
    assert Verification.objects.count() == 2


def test_another_worker_goes_on_where_one_died(told, monkeypatch):
    monkeypatch.setattr(chain, "BATCH_ROWS", 2)
    told(7)
    one = verification.request("ada")
    real, read = chain.digest_of, []

    def die(before, entry, *more):
        read.append(entry.pk)
        if len(read) == 5:
            raise KeyboardInterrupt
        return real(before, entry, *more)

    chain.seal()
    monkeypatch.setattr(chain, "digest_of", die)
    with pytest.raises(KeyboardInterrupt):
        verification.run_due()
    one.refresh_from_db()
    assert (one.state, one.sealed, one.due) == (State.OPEN, 4, 7)
    assert verification.run_due() is None  # its claim still stands
    Verification.objects.update(claimed_until=timezone.now())
    assert verification.run_due().sealed == 7
    assert read == [*read[:5], *read[4:5], *read[6:]]  # nothing was read twice but where it died
    assert len(read) == 8


def test_a_long_one_is_left_to_the_next_wake_up(told, monkeypatch):
    monkeypatch.setattr(chain, "BATCH_ROWS", 2)
    monkeypatch.setattr(verification, "MAX_RUNTIME_S", -1.0)
    told(4)
    for sealed in (2, 4):
        left = verification.run_due()
        assert (left.state, left.sealed) == (State.OPEN, sealed)
    monkeypatch.setattr(verification, "MAX_RUNTIME_S", 60.0)
    assert verification.run_due().state == State.WHOLE


def test_what_is_broken_is_told_in_the_history_once(told):
    entries = told(4)
    chain.seal()
    tamper("UPDATE audit_entry SET reason = 'x' WHERE id = %s", entries[2].pk)
    for _ in range(2):
        verification.request("ada")
        done = verification.run_due()
        assert (done.state, done.entry_id, done.sealed) == (State.BROKEN, entries[2].pk, 2)
    entry = Entry.objects.get(kind="history.broken")
    assert entry.words == f"integrity check failed: Entry {entries[2].pk} is not what was sealed."


@pytest.mark.parametrize("way", ["dropped", "switched off", "made harmless"])
def test_a_record_that_is_not_protected_is_no_good_one(way, told):
    told(1)
    connection.check_constraints()  # what PostgreSQL checks at the end of a transaction would be in the way
    table = " ON audit_entry" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        if way == "switched off" and connection.vendor == "postgresql":
            cursor.execute("ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_no_delete")
        elif way == "made harmless" and connection.vendor == "postgresql":
            cursor.execute(
                "CREATE OR REPLACE FUNCTION audit_entry_may_go() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RETURN OLD; END $$"
            )
        else:
            cursor.execute(f"DROP TRIGGER audit_entry_no_delete{table}")
        if way == "made harmless" and connection.vendor == "sqlite":
            cursor.execute("CREATE TRIGGER audit_entry_no_delete BEFORE DELETE ON audit_entry BEGIN SELECT 1; END")
    assert verification.run_due().state == State.UNGUARDED
    connection.check_constraints()
    triggers.install(connection)
    verification.request("ada")
    assert verification.run_due().state == State.WHOLE
