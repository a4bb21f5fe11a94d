"""Names of settings and their values, in words."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from controlplane.setting_names import setting_name

LABELS = {"enable_sms": "SMS", "llm": "LLM", "phone_number_id": "Number id"}


def labels(paths: Iterable[str]) -> dict[str, str]:
    """{path: label}. The label is the last step in words; the steps above it are added if two labels were the same."""
    short = {path: _label(path) for path in paths}
    counts = Counter(short.values())
    return {path: label if counts[label] == 1 else _label(path, whole=True) for path, label in short.items()}


def _label(path: str, *, whole: bool = False) -> str:
    *parents, last = path.split(".")
    words = LABELS.get(last) or setting_name(path)
    words = words[:1].upper() + words[1:]
    return f"{words} ({' › '.join(parents).replace('_', ' ')})" if whole and parents else words


def humanize(item: Any) -> str:
    if item is None or item in ("", [], {}):
        return "none"
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, list) and all(isinstance(element, str) for element in item):
        return ", ".join(item)
    return item if isinstance(item, str) else json.dumps(item, ensure_ascii=False, indent=2)


def with_id(name: str, remote_id: str | None) -> str:
    return f"{name} ({remote_id})" if remote_id else name
