"""Reads environment variables. Each may also be given as a file (`NAME_FILE=/run/secrets/name`)."""

import contextlib
from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.FileAwareEnv()
environ.Env.read_env(BASE_DIR / ".env")  # written by `make run`; what the environment says goes first


def text(name: str, default: str = "") -> str:
    """A secret or address, without the line end that a file brings along. A blank one is none."""
    return str(env.str(name, default="")).strip() or default


def whole_number(name: str, default: int) -> int:
    """-1 where it is not a whole number from 0 to 99: a system check reports that."""
    said = text(name, str(default))
    return int(said) if said.isascii() and said.isdecimal() and len(said) <= 2 else -1


VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var")))
with contextlib.suppress(OSError):  # a system check says what is wrong with it
    VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
DEBUG = env.bool("DEBUG", default=False)
