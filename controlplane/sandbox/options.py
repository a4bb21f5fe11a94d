"""Command-line options, shared by `manage.py sandbox` and `python -m controlplane.sandbox`."""

import argparse
from pathlib import Path

DEFAULT_STATE = Path("var/sandbox.sqlite3")
SWITCHES = {
    "listed_after": "listed_after",
    "after_delete": "after_delete",
    "latency": "latency_ms",
    "workflow": "workflow",
}


def add_arguments(parser: argparse.ArgumentParser, *, port: int = 8100, state: Path = DEFAULT_STATE) -> None:
    parser.add_argument("--port", type=int, default=port, help=f"0 picks a free one (default: {port})")
    parser.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine only")
    parser.add_argument("--state", type=Path, default=state, metavar="FILE", help=f"default: {state}")
    parser.add_argument("--agents", type=int, default=0, metavar="N", help="fill up to N agents")
    parser.add_argument("--numbers", type=int, default=0, metavar="M", help="fill up to M phone numbers")
    parser.add_argument(
        "--listed-after", type=float, metavar="SECONDS", help="before an import is in any list (default: 5)"
    )
    parser.add_argument(
        "--after-delete",
        choices=("dangling", "null", "released"),
        help="what a number shows once its agent is deleted (default: dangling)",
    )
    parser.add_argument(
        "--workflow",
        choices=("replaces", "refuses"),
        help="a workflow that is not complete replaces the old one, or is a 422 (default: replaces)",
    )
    parser.add_argument("--latency", type=float, metavar="MS", help="added to every call (default: 0)")


def switches(options: dict[str, object]) -> dict[str, object]:
    """Only the options that were given: the others keep their values from the state file."""
    return {name: options[option] for option, name in SWITCHES.items() if options.get(option) is not None}
