from collections.abc import Iterator

import pytest

from agents.catalogue import cache
from tests.api.caller import Caller, person
from tests.operations.conftest import clock
from tests.pages.conftest import Workspace, operator, sign_in, workspace

__all__ = ["Workspace", "clock", "operator", "sign_in", "workspace"]


@pytest.fixture(autouse=True)
def _forget_voices_and_llms() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def call(db: None) -> Caller:
    """With the permissions of an operator."""
    return Caller(person("olga", "Operators"))


@pytest.fixture
def look(db: None) -> Caller:
    """With the permissions of an auditor."""
    return Caller(person("anna", "Auditors"))
