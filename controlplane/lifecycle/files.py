"""Writes the report to two files in a folder."""

import json
import tempfile
from pathlib import Path
from typing import Any

from controlplane.lifecycle.markdown import markdown

NAMES = ("findings.md", "findings.json")


def trouble_with(folder: Path) -> str:
    """Why the report cannot be written to the folder; empty if it can. Creates the folder. Called before a run, which
    takes minutes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"The folder {folder} cannot be made ({error.strerror})."
    if blocked := [name for name in NAMES if (folder / name).is_dir()]:
        return f"{folder / blocked[0]} is a folder, but the report has to be written there."
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"{folder} cannot be written to ({error.strerror})."


def write(folder: Path, data: dict[str, Any]) -> None:
    """Replaces existing files. Raises OSError."""
    as_json = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    for name, text in zip(NAMES, (markdown(data), as_json), strict=True):
        (folder / name).write_text(text, encoding="utf-8")
