"""The budget fails a run only if it is too slow."""

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture
def run(pytester: pytest.Pytester):
    pytester.makeini("[pytest]\nmarkers =\n  process: starts processes\n  time_limit(seconds): own limit")
    pytester.makepyfile(
        """
        import time
        import pytest

        def test_waits():
            time.sleep(0.2)

        @pytest.mark.process
        def test_waits_for_a_process():
            time.sleep(0.2)

        @pytest.mark.time_limit(60)
        def test_has_a_limit_of_its_own():
            time.sleep(0.2)

        def test_is_quick():
            pass
        """
    )

    def run(*args: str) -> pytest.RunResult:
        without = [f"-pno:{name}" for name in ("django", "xdist", "playwright", "timeout", "cacheprovider")]
        return pytester.runpytest_inprocess("-p", "tests.budget", *without, *args)

    return run


def test_a_run_within_the_budget_passes(run):
    result = run("--budget", "60")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["* of 60 reference seconds in all tests"])


def test_a_run_over_the_budget_fails(run):
    result = run("--budget", "0.001")
    result.assert_outcomes(passed=4)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_one_slow_test_fails_the_run_unless_it_starts_processes(run):
    result = run("--budget", "60", "--test-limit", "0.005")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["* over 0.005 s: *::test_waits"])
    result.stdout.no_fnmatch_line("* over 0.005 s: *test_waits_for_a_process")
    result.stdout.no_fnmatch_line("* over * s: *test_has_a_limit_of_its_own")
    result.stdout.no_fnmatch_line("* over 0.005 s: *test_is_quick")
