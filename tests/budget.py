"""The time budget of the gate: a run fails if all tests together, or a single one, have become too slow.

Loaded by `make test` with `-p tests.budget --budget SECONDS`. Seconds are divided by how much slower this machine
currently is than the one that the budget was set on, so that a busy or an old machine does not fail the gate.
"""

import ast
import statistics
import time
from typing import Any

import pytest

TEST_LIMIT_S = 2.0  # the limit of a test that starts no process and no browser
TOLERANCE = 2.5  # the error of one measurement on a shared machine
SAMPLE_EVERY_S = 2.0
SAMPLES = 5
REFERENCE_S = 0.005  # the time to parse WORK on an idle core of the machine that the budget was set on
WORK = "\n".join(
    f"def f{n}(a, b=({n}, 'x')):\n    return [a + {n} * i for i in range(b[0]) if i % {n + 1}]" for n in range(60)
)


def work_seconds() -> float:
    began = time.perf_counter()
    ast.parse(WORK)
    return time.perf_counter() - began


class Slowness:
    """How many times slower than the reference this process currently runs: the median of the last few samples."""

    def __init__(self) -> None:
        self.samples: list[float] = []
        self.sampled_at = 0.0

    def now(self) -> float:
        if not self.samples or time.monotonic() - self.sampled_at > SAMPLE_EVERY_S:
            self.samples = [*self.samples, work_seconds() / REFERENCE_S][-SAMPLES:]
            self.sampled_at = time.monotonic()
        return max(1.0, statistics.median(self.samples))


class Budget:
    """Runs in the process that prints the summary; with xdist, that process runs no tests."""

    def __init__(self, limit_s: float, test_limit_s: float) -> None:
        self.limit_s = limit_s
        self.test_limit_s = test_limit_s
        self.seconds: dict[str, float] = {}  # of a test with its setup and teardown, in reference seconds
        self.unlimited: set[str] = set()
        self.limits: dict[str, float] = {}  # of tests with a limit of their own

    @property
    def total_s(self) -> float:
        return sum(self.seconds.values())

    @property
    def too_slow(self) -> list[tuple[float, str]]:
        limited = [(took, test) for test, took in self.seconds.items() if test not in self.unlimited]
        slow = [one for one in limited if one[0] > self.limits.get(one[1], self.test_limit_s) * TOLERANCE]
        return sorted(slow, reverse=True)

    @property
    def exceeded(self) -> bool:
        return self.total_s > self.limit_s or bool(self.too_slow)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = dict(report.user_properties)
        slowness = properties.get("slowness", 1.0)
        if "time_limit" in properties:
            self.limits[report.nodeid] = properties["time_limit"]
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration / slowness
        if {"process", "browser"} & set(report.keywords):
            self.unlimited.add(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.exceeded and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        terminalreporter.section("time budget")
        terminalreporter.line(f"{self.total_s:.0f} of {self.limit_s:.0f} reference seconds in all tests")
        for took, test in self.too_slow:
            terminalreporter.line(
                f"{took:.1f} s, over {self.limits.get(test, self.test_limit_s):g} s: {test}", red=True
            )
        if self.exceeded:
            terminalreporter.line("The time budget is exceeded: docs/testing.md explains what to do.", red=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--budget", type=float, metavar="SECONDS", help="fail if all tests together take longer")
    parser.addoption("--test-limit", type=float, metavar="SECONDS", default=TEST_LIMIT_S)


def pytest_configure(config: pytest.Config) -> None:
    limit = config.getoption("--budget")
    if limit is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Budget(limit, config.getoption("--test-limit")), "time-budget")


slowness_here = Slowness()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.user_properties.append(("slowness", slowness_here.now()))
    if own := item.get_closest_marker("time_limit"):
        item.user_properties.append(("time_limit", own.args[0]))
