"""Import rules that import-linter cannot express: who calls ElevenLabs, and that actions import no pages."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SERVICE_LAYER = [
    "services",
    "actions",
    "mirror",
    "sync",
    "import_polling",
    "orphans",
    "models",
    "revert",
    "revert_plan",
    "undo",
]
PAGES = [
    *("admin", "action_pages", "views", "forms", "tasks", "delete_agent", "orphan_views"),
    *("api", "api_schemas", "api_import"),
]


def imports_of(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def is_of(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def files(folder: str) -> list[Path]:
    if folder.endswith(".py"):
        return [ROOT / folder]
    return [file for file in (ROOT / folder).rglob("*.py") if "migrations" not in file.parts]


@pytest.mark.parametrize("app", ["agents", "numbers"])
def test_services_import_no_pages_and_no_tasks(app):
    wrong = [
        f"{file} imports {module}"
        for name in SERVICE_LAYER
        for file in [ROOT / app / f"{name}.py", *files(f"{app}/{name}")]
        if file.exists()
        for module in imports_of(file)
        if any(is_of(module, f"{app}.{page}") for page in PAGES)
    ]
    assert wrong == []


# The callers of ElevenLabs: actions, syncs, polling and the release of orphans. Of the pages, only the lists of voices
# and models in a form, and "check again" of an operation.
CLIENT = {"connect", "ElevenLabs", "client", "transport", "connection", "paging", "*"}
ACTIONS = ("assign", "base", "import_number", "remove", "set_label")
CALLERS = {
    "agents": {"actions/base", "actions/create", "actions/delete", "actions/update", "catalogue", "sync"},
    "numbers": {*(f"actions/{name}" for name in ACTIONS), "import_polling", "orphans", "sync"},
    "controlplane/operations": {"actions", "change_sets", "execute", "settle", "views"},
    "controlplane/mirror": {"runs", "source", "sync", "workspace", "writer"},
    "controlplane/dashboard": set(),
    "controlplane/history": set(),
    "controlplane/accounts": set(),
    "controlplane/external_changes": set(),
    "controlplane/api": set(),
}


def taken_from_elevenlabs(file: Path) -> set[str]:
    """The names that a module imports from the package, and `*` for the package itself."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            modules = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [f"{node.module}.{name.name}" for name in node.names]
        else:
            continue
        for module in modules:
            if is_of(module, "controlplane.elevenlabs"):
                found.add([*module.split("."), "*"][2])
    return found


@pytest.mark.parametrize("folder", CALLERS)
def test_only_these_modules_call_the_client(folder):
    callers = {
        file.relative_to(ROOT / folder).with_suffix("").as_posix()
        for file in files(folder)
        if taken_from_elevenlabs(file) & CLIENT
    }
    assert callers == CALLERS[folder]
