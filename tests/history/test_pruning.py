"""Pruning is recorded: the rest is a valid chain, and the state of each object stays known."""

from datetime import timedelta

import pytest
from django.db import Error, transaction
from django.utils import timezone

from controlplane.audit import chain, ledger, point_in_time, triggers
from controlplane.audit import prune as pruning
from controlplane.audit.models import Cut, Entry, Link, Snapshot
from controlplane.audit.prune import NothingToPrune, prune
from controlplane.mirror.models import OutsideChange
from tests.history.test_the_chain_shows_what_was_touched import tamper

pytestmark = pytest.mark.django_db
SHOWN = ["phone_number", "label", "agent_id", "agent_name"]


def record(number: int, verb: str, before: dict, after: dict) -> Entry:
    cause = ledger.Cause(Entry.Cause.OPERATION, "1", actor_name="ada")
    entry = ledger.entry(
        f"number.{verb}", "number", f"phnum_{number}", f"+1555010000{number}", before=before, after=after, cause=cause
    )
    with transaction.atomic():
        ledger.record(entry)
    return entry


def bind(number: int, agent: str, before: str | None = None) -> Entry:
    return record(number, "changed", {"agent_id": before}, {"agent_id": agent, "agent_name": agent.title()})


@pytest.fixture
def lines() -> list[Entry]:
    """The entries of three numbers: one is gone, one was gone and came back."""
    made = [record(at, "added", {}, {"label": f"Line {at}", "agent_id": None}) for at in range(3)]
    made += [bind(0, "day"), bind(0, "night", "day"), record(1, "gone", {}, {"gone": True})]
    made += [record(2, "gone", {}, {"gone": True}), record(2, "back", {"gone": True}, {"label": "Back"})]
    return made


def known(moment) -> dict:
    return point_in_time.state_at("number", moment, SHOWN)


def left() -> tuple[int, int]:
    return Entry.objects.count(), Link.objects.count()


def test_it_records_itself_and_leaves_a_chain(record_entries):
    record_entries(5)
    moment = timezone.now()
    kept = record_entries(4)
    assert prune(moment, actor_name="root")["entries"] == 5
    assert list(Entry.objects.order_by("pk").values_list("pk", flat=True))[:4] == [entry.pk for entry in kept]
    record = Entry.objects.get(kind="history.pruned")
    assert (record.actor_name, record.after["entries"], record.after["link"]) == ("root", 5, 5)
    chain.seal()
    found = chain.verify()
    assert (found.broken, found.sealed) == ("", 6)  # the last link of the pruned entries, four others, and the record
    assert triggers.is_installed()
    with pytest.raises(NothingToPrune):
        prune(moment, actor_name="root")
    tamper("DELETE FROM audit_entry WHERE id = %s", kept[0].pk)
    assert chain.verify().entry_id == kept[0].pk


def test_the_state_at_a_time_stays_as_it_was(lines):
    cut = timezone.now()
    bind(0, "late", "night")
    before, after = known(cut), known(timezone.now())
    spans = list(point_in_time.bindings_of("phnum_0"))
    prune(cut, actor_name="root")
    assert not Entry.objects.filter(pk__in=[entry.pk for entry in lines]).exists()
    assert known(cut) == before
    assert known(timezone.now()) == after
    assert [one.is_gone for one in after.values()] == [False, True, False]
    assert point_in_time.object_at("number", "phnum_2", timezone.now()).settings == {"label": "Back", "agent_id": None}
    night, late = point_in_time.bindings_of("phnum_0")
    assert (night.agent_id, night.begins, night.ends) == ("night", None, spans[-1].begins)
    assert late == spans[-1]
    with pytest.raises(point_in_time.HistoryPruned):
        known(cut - timedelta(seconds=1))
    second = timezone.now()
    prune(second, actor_name="root")  # from one snapshot to the next
    assert known(second) == after
    assert set(Snapshot.objects.values_list("cut", flat=True)) == {Cut.objects.first().position}


class Killed(BaseException):
    """Raised like the end of a process."""


@pytest.mark.parametrize(
    "where", ["_write_snapshots", "_record", "between two batches", "while stale snapshots are deleted"]
)
def test_killed_half_way_it_is_verifiable_and_the_next_run_completes_it(where, lines, monkeypatch):
    cut = timezone.now()
    bind(2, "late")
    expected = known(cut)
    monkeypatch.setattr(pruning, "BATCH_ROWS", 2)
    monkeypatch.setattr(pruning, "BATCH_OBJECTS", 1)
    rounds = []

    def die(*args):
        rounds.append(args)
        if where != "between two batches" or len(rounds) == 2:
            raise Killed

    if where == "_write_snapshots":
        real = pruning._known
        monkeypatch.setattr(
            pruning, "_known", lambda kind, ids, *cut: die() if "phnum_1" in ids else real(kind, ids, *cut)
        )
    elif where == "_record":
        monkeypatch.setattr(pruning, "_record", die)
    elif where == "while stale snapshots are deleted":
        monkeypatch.setattr(pruning, "_delete_stale_snapshots", lambda: die() if Cut.objects.exists() else None)
    with pytest.raises(Killed):
        prune(cut, actor_name="root", tell=die if where == "between two batches" else lambda _: None)
    monkeypatch.undo()
    chain.seal()
    assert chain.verify().broken == ""
    assert known(cut) == expected
    if where == "between two batches":
        assert 0 < Entry.objects.filter(pk__in=[entry.pk for entry in lines]).count() < len(lines)
    prune(cut, actor_name="root") if where != "while stale snapshots are deleted" else pruning.delete_cut_entries()
    assert not Entry.objects.filter(pk__in=[entry.pk for entry in lines]).exists()
    assert Entry.objects.filter(kind="history.pruned").count() == 1
    chain.seal()
    assert chain.verify().broken == ""
    assert known(cut) == expected


def test_what_no_cut_covers_is_refused_and_what_it_covers_is_not(lines):
    chain.seal()
    for model in (Entry, Link):
        with pytest.raises(Error, match="append-only"), transaction.atomic():
            model.objects.all().delete()
    moment = timezone.now()
    kept = bind(2, "late")
    prune(moment, actor_name="root")
    chain.seal()
    for rows in (Entry.objects.filter(pk=kept.pk), Link.objects.all(), Cut.objects.all(), Snapshot.objects.all()):
        before = left()
        with pytest.raises(Error, match="append-only"), transaction.atomic():
            rows.delete()
        with pytest.raises(Error, match="append-only"), transaction.atomic():
            rows.update(**{rows.model._meta.pk.name: 99})
        assert left() == before


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("UPDATE audit_snapshot SET object_name = 'x'", "The state kept at the cut"),
        ("DELETE FROM audit_snapshot WHERE object_id = 'phnum_1'", "The state kept at the cut"),
        ("UPDATE audit_cut SET before = '2026-01-01 00:00:00+00:00'", "is not the one that was recorded"),
        ("UPDATE audit_cut SET digest = 'x'", "at which pruning ended, is not the one"),
        ("UPDATE audit_cut SET position = position + 1", "is not the one that was recorded"),
        ("DELETE FROM audit_cut", "Links 1 to"),
    ],
)
def test_tampering_with_what_pruning_left_is_noticed(lines, sql, words):
    moment = timezone.now()
    bind(2, "late")
    prune(moment, actor_name="root")
    chain.seal()
    assert chain.verify().broken == ""
    tamper(sql)
    assert words in chain.verify().broken


def test_an_open_external_change_keeps_its_entry(lines):
    change = OutsideChange.objects.create(entry=lines[3], object_type="number", object_id="phnum_0")
    prune(timezone.now(), actor_name="root")
    assert Entry.objects.filter(pk=lines[3].pk).exists()
    assert not Entry.objects.filter(pk=lines[2].pk).exists()
    change.state = OutsideChange.State.ADOPTED
    change.save()
    prune(timezone.now(), actor_name="root")
    assert not OutsideChange.objects.exists()


def test_a_verification_is_not_misled_by_a_pruning_meanwhile(record_entries, monkeypatch):
    monkeypatch.setattr(chain, "BATCH_ROWS", 2)
    monkeypatch.setattr(pruning, "BATCH_ROWS", 3)
    record_entries(10)
    moment = timezone.now()
    record_entries(3)
    chain.seal()
    reading = chain.read()
    next(reading)
    prune(moment, actor_name="root")
    rest = list(reading)
    assert len(rest) > 2
    assert {found.broken for found in rest} == {""}
