"""An outside change for people to read: each setting in words, before, after, and now where that is something else."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agents.models import Agent
from controlplane.mirror.models import OutsideChange
from controlplane.operations.words import in_words, labels, with_id
from controlplane.templatetags.names import visible
from numbers.models import PhoneNumber

AROUND = 2  # lines shown on both sides of what differs in a long text
LONGEST = 20_000  # characters shown of one value


@dataclass(frozen=True)
class Setting:
    label: str
    before: str
    after: str
    now: str | None = None  # where it is not as the change left it any more

    @property
    def is_long(self) -> bool:
        return any("\n" in text or len(text) > 120 for text in (self.before, self.after, self.now or ""))


def settings_of(change: OutsideChange, row: PhoneNumber | Agent | None) -> list[Setting]:
    before, after = change.entry.before, change.entry.after
    waits = change.state == OutsideChange.State.OPEN and change.verb == "changed"
    return differences(before, after, row.told() if waits and row is not None and not row.gone_at else after)


def differences(
    before: Mapping[str, Any], after: Mapping[str, Any], now: Mapping[str, Any] | None = None
) -> list[Setting]:
    """Each {path: value} of a history entry in words."""
    paths = [path for path in {**before, **after} if path not in ("gone", "agent_name")]
    words = labels(paths)
    return [_setting(path, visible(words[path]), before, after, after if now is None else now) for path in paths]


def _setting(
    path: str, label: str, before: Mapping[str, Any], after: Mapping[str, Any], now: Mapping[str, Any]
) -> Setting:
    old, new = _differing(_in_words(path, before), _in_words(path, after))
    moved = now.get(path) != after.get(path)
    return Setting("Agent" if path == "agent_id" else label, old, new, _cut(_in_words(path, now)) if moved else None)


def _in_words(path: str, values: Mapping[str, Any]) -> str:
    value = values.get(path)
    if path != "agent_id":
        return visible(in_words(value))
    return visible(with_id(values.get("agent_name") or f"an agent …{value[-4:]}", value)) if value else "no agent"


def _differing(old: str, new: str) -> tuple[str, str]:
    """Of two long texts the lines that differ, with some around them."""
    first, second = old.splitlines(), new.splitlines()
    if min(len(first), len(second)) <= 3 * AROUND:
        return _cut(old), _cut(new)
    head = _alike(zip(first, second, strict=False))
    tail = min(_alike(zip(reversed(first), reversed(second), strict=False)), len(first) - head, len(second) - head)
    return _middle(first, head, tail), _middle(second, head, tail)


def _alike(pairs: Iterator[tuple[str, str]]) -> int:
    return next((at for at, (one, other) in enumerate(pairs) if one != other), 10**9)


def _middle(lines: list[str], head: int, tail: int) -> str:
    head, tail = max(0, head - AROUND), max(0, tail - AROUND)
    kept = lines[head : len(lines) - tail]
    if head > 1:
        kept.insert(0, f"[{head} lines above are the same]")
    if tail > 1:
        kept.append(f"[{tail} lines below are the same]")
    return _cut("\n".join(kept))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n[… and {len(text) - LONGEST:,} characters more]"
