"""docs/architecture.md lists every module with the first sentence of its docstring."""

import runpy

from tests.ship.conftest import ROOT

WRITER = runpy.run_path(str(ROOT / "docs" / "module_table.py"))


def test_the_table_is_up_to_date():
    page = WRITER["PAGE"].read_text()
    assert page == WRITER["with_table"](page), "run `make docs`"


def test_every_module_has_a_docstring_of_one_sentence():
    found = [(package, name, sentence) for package, name, sentence in WRITER["modules"]()]
    assert len(found) > 150
    assert not [module for module in found if not module[2].endswith((".", ")"))]
