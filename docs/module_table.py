"""Writes the table of modules in docs/architecture.md from the first sentence of each docstring: `make docs`."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- modules -->", "<!-- end of modules -->"
SENTENCE = re.compile(r"(.+?[.)])(?:\s|$)", re.S)
PACKAGES = {
    "agents": "Agents: pages, API, mirroring",
    "agents/actions": "Actions on agents, one module for each kind of write",
    "numbers": "Phone numbers: pages, API, mirroring. Uses `agents`",
    "numbers/actions": "Actions on numbers, one module for each kind of write",
    "controlplane": "The Django project: settings, middleware, and what every app uses",
    "controlplane/api": "The REST API: authentication, idempotency, problems, pagination",
    "controlplane/audit": "The history: ledger, hash chain, retention, export",
    "controlplane/accounts": "The pages of people and roles",
    "controlplane/accounts/tokens": "The pages of API tokens",
    "controlplane/dashboard": "The front page, header and navigation",
    "controlplane/external_changes": "The pages of external changes",
    "controlplane/history": "The pages of the history",
    "controlplane/elevenlabs": "The ElevenLabs client. Knows nothing of Django's models",
    "controlplane/health": "Heartbeats and health checks",
    "controlplane/lifecycle": "The API check: runs a whole lifecycle against the remote and reports on it",
    "controlplane/mirror": "The mirror of remote objects, and the sync that keeps it up to date",
    "controlplane/operations": "Writes: actions, operations, change sets, and how they are carried out and settled",
    "controlplane/sandbox": "A local ElevenLabs server",
    "controlplane/sign_in": "Limits of failed sign-ins",
    "controlplane/templatetags": "Template tags and filters",
    "controlplane/traffic": "Limits of concurrent requests, and the circuit breaker",
}


def modules() -> Iterator[tuple[str, str, str]]:
    """(package, module, first sentence of its docstring) of every module that holds code."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "agents", "numbers", "controlplane"],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    for path in sorted(name for name in listed if name.endswith(".py")):
        package, _, name = path.rpartition("/")
        if "migrations" in package or name in ("__init__.py", "__main__.py", "apps.py"):
            continue
        docstring = ast.get_docstring(ast.parse((ROOT / path).read_text())) or ""
        first = SENTENCE.match(docstring.split("\n\n")[0].replace("\n", " "))
        yield package.removesuffix("/management/commands"), name, first[1] if first else docstring


def table() -> str:
    lines, current = [], ""
    for package, name, sentence in sorted(modules()):
        if package != current:
            lines += ["", f"**`{package}/`**: {PACKAGES[package]}.", "", "| module | holds |", "|---|---|"]
            current = package
        lines.append(f"| `{name}` | {sentence} |")
    return "\n".join([BEGIN, *lines, "", END])


def with_table(page: str) -> str:
    before, _, rest = page.partition(BEGIN)
    return before + table() + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
