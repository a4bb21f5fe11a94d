"""A worker verifies the history on request or once a day, continues where another one died, and records problems."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from controlplane.audit import chain, triggers, verification
from controlplane.audit.models import Entry, Link, Verification
from tests.history.test_the_chain_shows_what_was_touched import tamper

pytestmark = pytest.mark.django_db
State = Verification.State


def test_two_requests_cause_one_verification(record_entries):
    record_entries(3)
    first = verification.request("ada")
    assert verification.request("bob") == first
    done = verification.run_due()
    assert (done.state, done.sealed, done.unsealed, done.asked_by_name) == (State.WHOLE, 3, 0, "ada")
    assert done.digest == Link.objects.latest("position").digest
    assert verification.run_due() is None  # not again before tomorrow


def test_once_a_day_without_a_request(record_entries):
    record_entries(1)
    assert verification.run_due().asked_by_name == "system"
    Verification.objects.update(asked_at=timezone.now() - timedelta(days=1, seconds=1))
    assert verification.run_due().state == State.WHOLE
    assert Verification.objects.count() == 2


def test_another_worker_goes_on_where_one_died(record_entries, monkeypatch):
    monkeypatch.setattr(chain, "BATCH_ROWS", 2)
    record_entries(7)
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
    assert verification.run_due() is None  # the claim of the dead worker is still valid
    Verification.objects.update(claimed_until=timezone.now())
    assert verification.run_due().sealed == 7
    assert read == [*read[:5], *read[4:5], *read[6:]]  # only the entry at which it died is read twice
    assert len(read) == 8


def test_a_long_one_is_left_to_the_next_wake_up(record_entries, monkeypatch):
    monkeypatch.setattr(chain, "BATCH_ROWS", 2)
    monkeypatch.setattr(verification, "MAX_RUNTIME_S", -1.0)
    record_entries(4)
    for sealed in (2, 4):
        left = verification.run_due()
        assert (left.state, left.sealed) == (State.OPEN, sealed)
    monkeypatch.setattr(verification, "MAX_RUNTIME_S", 60.0)
    assert verification.run_due().state == State.WHOLE


def test_a_broken_chain_is_recorded_once(record_entries):
    entries = record_entries(4)
    chain.seal()
    tamper("UPDATE audit_entry SET reason = 'x' WHERE id = %s", entries[2].pk)
    for _ in range(2):
        verification.request("ada")
        done = verification.run_due()
        assert (done.state, done.entry_id, done.sealed) == (State.BROKEN, entries[2].pk, 2)
    entry = Entry.objects.get(kind="history.broken")
    assert entry.words == f"integrity check failed: Entry {entries[2].pk} is not what was sealed."


@pytest.mark.parametrize("way", ["dropped", "switched off", "made harmless"])
def test_a_history_without_its_trigger_is_not_verified(way, record_entries):
    record_entries(1)
    connection.check_constraints()  # deferred checks of PostgreSQL would block the changes below
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
