"""Future work is stored in the database: no message is sent with a delay or returned to the queue for a retry."""

import ast

from tests.running import ROOT

LATER = {"countdown", "eta", "retry_backoff", "autoretry_for", "default_retry_delay"}
OURS = ("agents", "numbers", "controlplane")


def delayed_calls(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        named = node.arg if isinstance(node, ast.keyword) else node.value if isinstance(node, ast.Constant) else None
        if named in LATER:
            found.append(str(named))
    return found


def test_nothing_asks_for_later():
    files = [file for folder in OURS for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 100
    wrong = {str(file): later for file in files if (later := delayed_calls(ast.parse(file.read_text())))}
    assert wrong == {}


def test_the_search_finds_what_it_is_for():
    assert delayed_calls(ast.parse("task.apply_async(countdown=90)")) == ["countdown"]
    assert delayed_calls(ast.parse("options = {'eta': soon}")) == ["eta"]
