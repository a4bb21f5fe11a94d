"""Runs import-linter with the contracts of pyproject.toml.

import-linter looks a package up as Python does, which takes `numbers` for the module of the standard library
(docs/decisions/0003-numbers-has-no-init-file.md).
"""

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

from importlinter.cli import lint_imports

import numbers

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    spec = ModuleSpec("numbers", None, is_package=True)
    spec.submodule_search_locations = [str(ROOT / "numbers")]
    numbers.__spec__ = spec
    sys.exit(lint_imports(no_cache=True))
