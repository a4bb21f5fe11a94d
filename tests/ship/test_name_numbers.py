"""The package `numbers` and the standard library's module of that name coexist."""

import fractions
import sys

import pytest

import numbers.models

from .conftest import ROOT


def test_the_folder_does_not_shadow_the_module():
    assert not (ROOT / "numbers" / "__init__.py").exists()
    assert isinstance(fractions.Fraction(1, 3), numbers.Rational)
    assert numbers.__file__.endswith("numbers.py")
    assert numbers.models.__file__ == str(ROOT / "numbers" / "models.py")


@pytest.mark.process
def test_the_standard_library_stays_whole(run):
    code = (
        "import controlplane, decimal, fractions, numbers, random\n"
        "assert isinstance(fractions.Fraction(1, 3), numbers.Rational)\n"
        "assert isinstance(decimal.Decimal(1), numbers.Number)\n"
        "assert numbers.__file__.endswith('numbers.py'), numbers.__file__\n"
        "import django; django.setup()\n"
        "import numbers.models\n"
        "print('whole', numbers.models.__file__)\n"
    )
    result = run(sys.executable, "-c", code, DJANGO_SETTINGS_MODULE="controlplane.settings")
    assert result.stdout == f"whole {ROOT / 'numbers' / 'models.py'}\n", result.stderr
