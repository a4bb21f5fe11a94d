from tests.storm.figures import pytest_terminal_summary  # noqa: F401 - a hook
