"""Cross products of which the gate runs only some cases, one for each class of outcome."""

from collections.abc import Iterable
from typing import Any

import pytest


def cases(every: Iterable[Any], gate: Iterable[Any]) -> list[Any]:
    """All cases for `parametrize`. Those that are not in `gate` are marked as slow."""
    every, gate = list(every), list(gate)
    unknown = [case for case in gate if case not in every]
    assert not unknown, unknown  # a renamed case would silently drop out of the gate
    return [
        pytest.param(*(case if isinstance(case, tuple) else [case]), marks=[] if case in gate else pytest.mark.slow)
        for case in every
    ]
