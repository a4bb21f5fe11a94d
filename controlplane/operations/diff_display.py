"""Shows a change as settings in words: before, after, and now."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controlplane.operations.humanize import humanize, labels, with_id
from controlplane.operations.line_diff import Line, line_diff
from controlplane.templatetags.names import spelled, visible

LONG_TEXT_CHARS = 120  # longer texts, and texts of several lines, are compared line by line
MAX_CHARS = 20_000  # shown of one value


@dataclass(frozen=True)
class Setting:
    """One changed setting. `before` and `after` are the full texts; pages show `old` and `new`, or `lines`."""

    label: str
    before: str
    after: str
    now: str | None = None  # the current value, if it has changed again since

    @property
    def is_long(self) -> bool:
        return any("\n" in text or len(text) > LONG_TEXT_CHARS for text in (self.before, self.after))

    @property
    def old(self) -> str:
        return self._shown(self.before)

    @property
    def new(self) -> str:
        return self._shown(self.after)

    @property
    def lines(self) -> list[Line]:
        return line_diff(self.before, self.after)

    @property
    def lines_back(self) -> list[Line]:
        """The diff of a revert."""
        return line_diff(self.after, self.before)

    def _shown(self, text: str) -> str:
        """Spells out invisible characters if the two texts would otherwise look the same."""
        return spelled(text) if visible(self.before) == visible(self.after) else visible(text)


def differences(
    before: Mapping[str, Any], after: Mapping[str, Any], now: Mapping[str, Any] | None = None
) -> list[Setting]:
    """The settings that a history entry changed. All three arguments are {path: value}."""
    paths = [path for path in {**before, **after} if path not in ("gone", "agent_name")]
    names = labels(paths)
    return [_setting(path, visible(names[path]), before, after, after if now is None else now) for path in paths]


def _setting(
    path: str, label: str, before: Mapping[str, Any], after: Mapping[str, Any], now: Mapping[str, Any]
) -> Setting:
    current = _cut(visible(_display(path, now))) if now.get(path) != after.get(path) else None
    return Setting("Agent" if path == "agent_id" else label, _display(path, before), _display(path, after), current)


def _display(path: str, values: Mapping[str, Any]) -> str:
    value = values.get(path)
    if path != "agent_id":
        return humanize(value)
    return with_id(values.get("agent_name") or f"an agent …{value[-4:]}", value) if value else "no agent"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]}\n[… and {len(text) - MAX_CHARS:,} characters more]"
