"""Writes the report to two files in a folder."""

import json
import tempfile
from pathlib import Path
from typing import Any

from controlplane.lifecycle.markdown import markdown

NAMES = ("findings.md", "findings.json")


def trouble_with(folder: Path) -> str:
    """Why nothing can be written there; empty if it can. Makes the folder. Called before a run, which takes minutes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"The folder {folder} cannot be made ({error.strerror})."
    if taken := [name for name in NAMES if (folder / name).is_dir()]:
        return f"{folder / taken[0]} is a folder, but the report has to be written there."
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"{folder} cannot be written to ({error.strerror})."


def write(folder: Path, data: dict[str, Any]) -> None:
    """What stands there is replaced. Raises OSError."""
    as_json = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    for name, text in zip(NAMES, (markdown(data), as_json), strict=True):
        (folder / name).write_text(text, encoding="utf-8")
