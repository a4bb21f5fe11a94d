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

SLOW_S = 1.0  # seconds for a question that takes milliseconds
LATE_SHARE = 2 / 3  # of the time after which it is bad
START_HINT = "Start it with docker compose up -d {name}, or make run."


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"  # look at it when there is time
    BAD = "bad"  # not ready


@dataclass(frozen=True)
class Part:
    name: str
    level: Level
    sentence: str  # what happened, what it means, what to do
    seconds: float | None = None  # how long it took to answer, or how long ago it was

    @property
    def title(self) -> str:
        return self.name.replace("_", " ").capitalize()


def parts() -> list[Part]:
    began = time.monotonic()
    try:
        ages = _ages_of_heartbeats()
        took = time.monotonic() - began
        synced = _age_of_mirror()
    except Error:
        return [_database(None), _broker(), *_unknown("last_complete_sync", "worker", "beat")]
    bus = _broker()
    worker, beat = _worker(ages.get("worker"), bus), _beat(ages.get("beat"))
    return [_database(took), bus, _last_complete_sync(synced), worker, beat]


def is_ready(looked_at: list[Part]) -> bool:
    return all(part.level != Level.BAD for part in looked_at)


def _ages_of_heartbeats() -> dict[str, float]:
    """Both times are the database's, so hosts whose clocks differ do no harm."""
    age = ExpressionWrapper(Now() - F("at"), output_field=DurationField())
    return {name: old.total_seconds() for name, old in Heartbeat.objects.values_list("name", age)}


def _age_of_mirror() -> float | None:
    complete = SyncRun.objects.filter(state=SyncRun.State.COMPLETE).order_by("-id")
    began = complete.values_list("started_at", flat=True).first()
    return None if began is None else (timezone.now() - began).total_seconds()


def _database(took: float | None) -> Part:
    if took is None:
        return Part(
            "database",
            Level.BAD,
            "The database does not answer: nothing can be shown or changed. See that it runs, that DATABASE_URL leads "
            "to it, and that migrate was run.",
        )
    if took > SLOW_S:
        return Part("database", Level.WARN, f"The database took {took:.1f} s for a small question.", took)
    return Part("database", Level.OK, f"Answers in {_milliseconds(took)}.", took)


def _broker() -> Part:
    is_folder = settings.CELERY_BROKER_URL.startswith("filesystem")
    began = time.monotonic()
    try:
        broker.check()
    except broker.CONNECTION_ERRORS:
        what, remedy = (
            ("The folder of messages cannot be written to", "See that VAR_DIR is there, writable and not full.")
            if is_folder
            else ("Redis does not answer", "See that it runs and that CELERY_BROKER_URL leads to it.")
        )
        means = "workers are not woken, so nothing syncs and change sets wait. Single changes still work."
        return Part("broker", Level.BAD, f"{what}: {means} {remedy}")
    took = time.monotonic() - began
    where = "a folder" if is_folder else "Redis"
    return Part("broker", Level.OK, f"Takes messages ({where}, {_milliseconds(took)}).", took)


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
    means = "nothing syncs, and unconfirmed operations are not settled. Single changes still work."
    remedy = "It may be waiting for the broker." if bus.level == Level.BAD else START_HINT.format(name="worker")
    return _heartbeat_part("worker", "worker", age, means, remedy)


def _beat(age: float | None) -> Part:
    means = "nothing starts by itself, so syncs, settling and change sets wait. Single changes still work."
    return _heartbeat_part("beat", "beat", age, means, START_HINT.format(name="beat"))


def _heartbeat_part(name: str, who: str, age: float | None, means: str, remedy: str) -> Part:
    if age is None:
        return Part(name, Level.BAD, f"No {who} has been heard yet: {means} {remedy}")
    level = _level(age, settings.HEARTBEAT_STALE_AFTER)
    if level == Level.BAD:
        return Part(name, level, f"No {who} has been heard for {span(age)}: {means} {remedy}", age)
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
