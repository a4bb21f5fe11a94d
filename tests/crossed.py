"""Cross products of which the gate runs a part: one case for each class of outcome."""

from collections.abc import Iterable
from typing import Any

import pytest


def cases(every: Iterable[Any], gate: Iterable[Any]) -> list[Any]:
    """For `parametrize`: all of them, slow where they are not in `gate`."""
    every, gate = list(every), list(gate)
    unknown = [case for case in gate if case not in every]
    assert not unknown, unknown  # a case that was renamed would leave the gate unseen
    return [
        pytest.param(*(case if isinstance(case, tuple) else [case]), marks=[] if case in gate else pytest.mark.slow)
        for case in every
    ]
