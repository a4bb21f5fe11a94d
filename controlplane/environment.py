"""Reads environment variables. Each may also be given as a file (`NAME_FILE=/run/secrets/name`)."""

import contextlib
from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.FileAwareEnv()
environ.Env.read_env(BASE_DIR / ".env")  # written by `make run`; environment variables take precedence


def text(name: str, default: str = "") -> str:
    """A secret or URL, without the trailing newline of a file. A blank value counts as unset."""
    return str(env.str(name, default="")).strip() or default


def whole_number(name: str, default: int) -> int:
    """A whole number from 0 to 99; otherwise -1, which a system check reports."""
    value = text(name, str(default))
    return int(value) if value.isascii() and value.isdecimal() and len(value) <= 2 else -1


VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var")))
with contextlib.suppress(OSError):  # a system check reports the problem
    VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
DEBUG = env.bool("DEBUG", default=False)
