"""Take an outside change of a number or an agent back: see `numbers/back.py`."""

from functools import partial
from typing import Any, TypeVar

from django.contrib.auth.models import User

from controlplane.audit.why import UNSAID, Why
from controlplane.mirror import outside
from controlplane.mirror.models import OutsideChange
from controlplane.operations import changesets
from controlplane.operations.journal import KeyReused
from controlplane.operations.models import ChangeSet, Operation
from controlplane.operations.run import Wish, name_of, run
from numbers import back
from numbers.back import WayBack

Asked = TypeVar("Asked", Operation, ChangeSet)

REASON = "Reverts an external change."


def way_back(change: OutsideChange) -> WayBack:
    return back.way_back(change.entry)


def carry_out(change: OutsideChange, *, key: str, actor: User | None, why: Why = UNSAID) -> Operation:
    """Where the way back is one write. Raises `NoWayBack`, `outside.Decided` and what `run` does."""
    if (first := Operation.objects.filter(key=key).first()) is not None:
        return _again(first, change)
    [wish] = _wishes(change, why)
    beside = partial(_decide, change, actor, why)
    op = run(wish, key=key, actor=actor, beside=lambda op: beside(operation=op))
    outside.keep_up(change.pk)
    return op


def plan(change: OutsideChange, *, key: str, actor: User | None, why: Why = UNSAID) -> ChangeSet:
    """Where it is several: a worker carries them out. Raises `NoWayBack`, `outside.Decided` and `KeyReused`."""
    if (first := ChangeSet.objects.filter(key=key).first()) is not None:
        return _again(first, change)
    beside = partial(_decide, change, actor, why)
    return changesets.plan(
        f"Revert external change of {change.name}",
        _wishes(change, why),
        asked={"revert": change.pk},
        key=key,
        actor=actor,
        why=why,
        beside=lambda change_set: beside(change_set=change_set),
    )


def _wishes(change: OutsideChange, why: Why) -> list[Wish]:
    return back.wishes(way_back(change), why.or_else(REASON))


def _decide(change: OutsideChange, actor: User | None, why: Why, **by: Any) -> None:
    outside.revert(change, actor=actor, name=name_of(actor), why=why, **by)


def _again(first: Asked, change: OutsideChange) -> Asked:
    """The same form once more: what it asked for the first time, by when things have moved."""
    if not first.reverts.filter(pk=change.pk).exists():
        raise KeyReused(first)
    return first
