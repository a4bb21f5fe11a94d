"""Imports the project once and forks the storm's processes from it, so that starting one takes milliseconds.

Reads lines: the answer to "start SEED" is a process id, and to "reap PID" the exit status of that process, once it has
ended. It kills no process during the storm; at the end of its input it kills all that are left, and exits.
"""

import gc
import os
import signal
import sys
import traceback

import django


def start(seed: str) -> int:
    mother = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.close(0)
        os.close(1)
        from tests.storm.work import go_on

        go_on(seed, lambda: os.getppid() == mother)
        status = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        raise
    finally:
        os._exit(status)  # never return to the loop below


def answer(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def main() -> None:
    django.setup()
    import tests.storm.work  # noqa: F401 - before the first fork

    gc.disable()  # a collection would copy the shared memory; no process lives long enough to need one
    living: set[int] = set()
    answer("ready")
    for line in sys.stdin:
        match line.split():
            case ["start", seed]:
                living.add(pid := start(seed))
                answer(pid)
            case ["reap", pid]:
                living.discard(int(pid))
                answer(os.waitstatus_to_exitcode(os.waitpid(int(pid), 0)[1]))
    for pid in living:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
