"""Loads what the sandbox offers and its defaults, from the JSON files in `data/`."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("data")


def load(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
