"""What is to happen later stands in the database: no message is sent to be run later, or put back to be tried again."""

import ast

from tests.running import ROOT

LATER = {"countdown", "eta", "retry_backoff", "autoretry_for", "default_retry_delay"}
OURS = ("agents", "numbers", "controlplane")


def asks_for_later(tree: ast.AST) -> list[str]:
    found = [node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg in LATER]
    keys = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in LATER]
    return found + [str(key.value) for key in keys]


def test_nothing_asks_for_later():
    files = [file for folder in OURS for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 100
    wrong = {str(file): later for file in files if (later := asks_for_later(ast.parse(file.read_text())))}
    assert wrong == {}


def test_the_search_finds_what_it_is_for():
    assert asks_for_later(ast.parse("task.apply_async(countdown=90)")) == ["countdown"]
    assert asks_for_later(ast.parse("options = {'eta': soon}")) == ["eta"]
