"""The health checks: five parts, each with a status, an explanation and a measurement."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from django.conf import settings
from django.db import Error
from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now
from django.utils import timezone

from controlplane import broker
from controlplane.health.models import Heartbeat
from controlplane.mirror.models import SyncRun
from controlplane.templatetags.when import span

SLOW_S = 1.0  # seconds for a query that normally takes milliseconds
LATE_SHARE = 2 / 3  # share of the limit after which it is late
START_HINT = "Start it with docker compose up -d {name}, or make run."


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"  # degraded, but not urgent
    BAD = "bad"  # not ready


@dataclass(frozen=True)
class Part:
    name: str
    level: Level
    sentence: str  # what happened, its effect, and what to do
    seconds: float | None = None  # response time, or age

    @property
    def title(self) -> str:
        return self.name.replace("_", " ").capitalize()


def parts() -> list[Part]:
    started = time.monotonic()
    try:
        ages = _ages_of_heartbeats()
        duration = time.monotonic() - started
        synced = _age_of_mirror()
    except Error:
        return [_database(None), _broker(), *_unknown("last_complete_sync", "worker", "beat")]
    bus = _broker()
    worker, beat = _worker(ages.get("worker"), bus), _beat(ages.get("beat"))
    return [_database(duration), bus, _last_complete_sync(synced), worker, beat]


def is_ready(checked: list[Part]) -> bool:
    return all(part.level != Level.BAD for part in checked)


def _ages_of_heartbeats() -> dict[str, float]:
    """Both times are from the database, so clock differences between hosts do not matter."""
    age = ExpressionWrapper(Now() - F("at"), output_field=DurationField())
    return {name: age_of_row.total_seconds() for name, age_of_row in Heartbeat.objects.values_list("name", age)}


def _age_of_mirror() -> float | None:
    complete = SyncRun.objects.filter(state=SyncRun.State.COMPLETE).order_by("-id")
    started = complete.values_list("started_at", flat=True).first()
    return None if started is None else (timezone.now() - started).total_seconds()


def _database(duration: float | None) -> Part:
    if duration is None:
        return Part(
            "database",
            Level.BAD,
            "The database does not answer: nothing can be shown or changed. See that it runs, that DATABASE_URL leads "
            "to it, and that migrate was run.",
        )
    if duration > SLOW_S:
        return Part("database", Level.WARN, f"The database took {duration:.1f} s for a small question.", duration)
    return Part("database", Level.OK, f"Answers in {_milliseconds(duration)}.", duration)


def _broker() -> Part:
    is_folder = settings.CELERY_BROKER_URL.startswith("filesystem")
    started = time.monotonic()
    try:
        broker.check()
    except broker.CONNECTION_ERRORS:
        what, remedy = (
            ("The folder of messages cannot be written to", "See that VAR_DIR is there, writable and not full.")
            if is_folder
            else ("Redis does not answer", "See that it runs and that CELERY_BROKER_URL leads to it.")
        )
        effect = "workers are not woken, so nothing syncs and change sets wait. Single changes still work."
        return Part("broker", Level.BAD, f"{what}: {effect} {remedy}")
    duration = time.monotonic() - started
    where = "a folder" if is_folder else "Redis"
    return Part("broker", Level.OK, f"Takes messages ({where}, {_milliseconds(duration)}).", duration)


def _last_complete_sync(age: float | None) -> Part:
    name, every = "last_complete_sync", f"every {span(settings.SYNC_INTERVAL)}"
    see = "See the last run under Sync."
    if age is None:
        return Part(name, Level.BAD, f"Nothing was listed to its end yet, so what is shown here may lack much. {see}")
    level = _level(age, settings.PICTURE_STALE_AFTER)
    if level == Level.OK:
        return Part(name, level, f"Everything was listed {span(age)} ago.", age)
    late = f"Everything was listed last {span(age)} ago; it should be {every}."
    if level == Level.BAD:
        late += f" What changed at ElevenLabs since does not show here. {see}"
    return Part(name, level, late, age)


def _worker(age: float | None, bus: Part) -> Part:
    effect = "nothing syncs, and unconfirmed operations are not settled. Single changes still work."
    remedy = "It may be waiting for the broker." if bus.level == Level.BAD else START_HINT.format(name="worker")
    return _heartbeat_part("worker", "worker", age, effect, remedy)


def _beat(age: float | None) -> Part:
    effect = "nothing starts by itself, so syncs, settling and change sets wait. Single changes still work."
    return _heartbeat_part("beat", "beat", age, effect, START_HINT.format(name="beat"))


def _heartbeat_part(name: str, process: str, age: float | None, effect: str, remedy: str) -> Part:
    if age is None:
        return Part(name, Level.BAD, f"No {process} has been heard yet: {effect} {remedy}")
    level = _level(age, settings.HEARTBEAT_STALE_AFTER)
    if level == Level.BAD:
        return Part(name, level, f"No {process} has been heard for {span(age)}: {effect} {remedy}", age)
    late = ", which is late" if level == Level.WARN else ""
    return Part(name, level, f"Heard {span(age)} ago{late}.", age)


def _unknown(*names: str) -> Iterator[Part]:
    for name in names:
        yield Part(name, Level.BAD, "Not known while the database does not answer.")


def _level(age: float, limit: timedelta) -> Level:
    if age > limit.total_seconds():
        return Level.BAD
    return Level.WARN if age > LATE_SHARE * limit.total_seconds() else Level.OK


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
