"""`manage.py lifecycle`: checks the remote's behaviour by a whole lifecycle of agents and numbers."""

import getpass
import signal
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from controlplane.audit.justification import Justification, ReasonRequired, require_justification
from controlplane.audit.ledger import actor_label
from controlplane.elevenlabs import ElevenLabs, ElevenLabsError, connect, is_sandbox, secrets_in_memory
from controlplane.lifecycle import cleanup, exclusive_run, files
from controlplane.lifecycle.credentials import Wanted, ask_for
from controlplane.lifecycle.experiment import Experiment
from controlplane.lifecycle.markdown import markdown, verdict
from controlplane.lifecycle.models import Report
from controlplane.lifecycle.removal import Leftover
from controlplane.lifecycle.runner import Runner
from controlplane.operations.execute import CLICK_PATIENCE_S

OTHERWISE, LEFT, STOPPED, BUSY, UNTOLD = 3, 4, 5, 6, 7
MOST_ROUNDS = 100
LONGEST_WAIT = 3600  # seconds
STATUS = """exit status:
  0  everything as expected, and everything that was created is removed
  1  it did not begin: something is missing or wrong, or you said no
  3  unexpected: an assumption was refuted, or a step had an unexpected result
  4  something that was made could not be removed; it is named (this goes before 3 and 5)
  5  aborted before its end (Ctrl-C, an error), and cleaned up
  6  another run is under way
  7  the report could not be written to its folder any more, and was printed (this goes before 3)

environment: TWILIO_SID, TWILIO_TOKEN, TWILIO_PHONE_NUMBER and, for a key's SID, TWILIO_ACCOUNT_AUTH_TOKEN.
What is not set is asked on the terminal. On the sandbox made-up ones will do, so nothing is asked there.
"""
ON_A_REAL_ACCOUNT = """This writes to a real account: {remote}, workspace {workspace}.
  - It first removes what earlier runs left behind there, if they did.
  - It creates the agents “Support Bot” and “Sales Bot”, {rounds} time(s), and deletes them again.
  - It imports {number} from Twilio, assigns it, moves it, and removes it again. ElevenLabs takes over the number's
    webhook at Twilio, which may still point there afterwards. Use a number that receives no calls.
  - It tries what should be refused: wrong credentials, a malformed SID, a number that is not yours, an agent that
    does not exist, and the deletion of an agent that answers the number.
  - Whatever it made it removes, also after Ctrl-C; after a crash `manage.py lifecycle --clean-up` does.
"""


class Command(BaseCommand):
    help = "Run the owner's experiment against the configured remote, clean up, and report what was found."

    def create_parser(self, *args: Any, **options: Any) -> CommandParser:
        return super().create_parser(*args, epilog=STATUS, formatter_class=RawDescriptionHelpFormatter, **options)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="do not ask before writing to a real account")
        parser.add_argument("--repeat", type=int, default=1, metavar="N", help="rounds, for p50 and p95; default 1")
        parser.add_argument(
            "--report", type=Path, metavar="DIR", help="write findings.md and findings.json there, over older ones"
        )
        parser.add_argument("--clean-up", action="store_true", help="only remove what earlier runs left behind")
        parser.add_argument(
            "--forget",
            action="store_true",
            help="with --clean-up: name what stands at another remote or workspace for the last time; it stays there",
        )
        parser.add_argument("--user", metavar="NAME", help="who answers for it; else the system")
        parser.add_argument("--ticket", default="", help="for the history")
        parser.add_argument("--listed-within", type=float, default=120, metavar="S", help="for an import; default 120")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["repeat"] <= MOST_ROUNDS:
            raise CommandError(f"--repeat takes a number from 1 to {MOST_ROUNDS}.")
        if not 0 < options["listed_within"] <= LONGEST_WAIT:
            raise CommandError(f"--listed-within takes seconds, {LONGEST_WAIT} at most.")
        if options["forget"] and not options["clean_up"]:
            raise CommandError("--forget goes with --clean-up.")
        if options["report"] is not None and (trouble := files.trouble_with(options["report"])):
            raise CommandError(trouble)
        try:
            client = connect(patience=CLICK_PATIENCE_S, urgent=True)
        except ValueError as error:
            raise CommandError(str(error)) from None
        try:
            with exclusive_run.exclusive():
                status = self._clean_up(client, options) if options["clean_up"] else self._run(client, options)
        except exclusive_run.Busy:
            raise CommandError("Another run is under way; nothing was done.", returncode=BUSY) from None
        except KeyboardInterrupt:  # before the run started, or while earlier runs are cleaned up
            raise CommandError(
                "Stopped. What earlier runs left behind, --clean-up removes.", returncode=STOPPED
            ) from None
        if status:
            sys.exit(status)

    def _run(self, client: ElevenLabs, options: dict[str, Any]) -> int:
        """Returns the exit status."""
        workspace = self._workspace(client)
        wanted = ask_for(sandbox=is_sandbox(client.base_url))
        with secrets_in_memory(*wanted.secrets):
            runner = self._new_runner(client, workspace, options)
            self._consent(client, workspace, wanted, options)
            self._name(
                cleanup.clean_up_before(runner, self._print_line)
            )  # the number left behind may be the requested one
            self._free(client, wanted)
            runner.report.save()
            cleanup.delete_old_reports()
            x = Experiment(runner, wanted.phone_number, "Lifecycle", wanted.credentials, options["listed_within"])
            x.print_line = self._print_line
            with _interrupts(runner.stopping, self._print_line):
                data = exclusive_run.run(x, options["repeat"])
        is_written = self._report(data, options["report"])
        if data["left"]:
            return LEFT
        if data["broken_off"]:
            return STOPPED
        if not is_written:
            return UNTOLD
        return 0 if runner.report.state == Report.State.AS_ASSUMED else OTHERWISE

    def _clean_up(self, client: ElevenLabs, options: dict[str, Any]) -> int:
        runner = self._new_runner(client, self._workspace(client), options)
        left = cleanup.clean_up_before(runner, self._print_line, forget=options["forget"])
        if left:
            self._name(left)
            return LEFT
        self._print_line("Nothing is left of earlier runs.")
        return 0

    def _new_runner(self, client: ElevenLabs, workspace: str, options: dict[str, Any]) -> Runner:
        """A runner whose report is not saved yet."""
        actor = User.objects.filter(username=options["user"], is_active=True).first() if options["user"] else None
        if options["user"] and actor is None:
            raise CommandError(f"There is no active user {options['user']}.")
        justification = Justification(f"manage.py lifecycle, run by {getpass.getuser()}", options["ticket"])
        try:
            require_justification(justification, actor)
        except ReasonRequired as missing:
            raise CommandError(f"{missing} Give --ticket.") from None
        report = Report(base_url=client.base_url, workspace=workspace, actor_name=actor_label(actor))
        return Runner(report, client, actor=actor, justification=justification, stopping=Event())

    def _workspace(self, client: ElevenLabs) -> str:
        try:
            client.list_agents(page_size=1)
        except ElevenLabsError as error:
            raise CommandError(f"{error} Nothing was begun. manage.py live_check shows more.") from None
        return exclusive_run.workspace_of(client)

    def _free(self, client: ElevenLabs, wanted: Wanted) -> None:
        rows = list(client.all_numbers(phone_number=wanted.phone_number))
        if any(row.get("phone_number") == wanted.phone_number for row in rows):
            raise CommandError(
                f"{wanted.phone_number} is in this workspace already, and what is there is not touched. Take another "
                "number."
            )

    def _consent(self, client: ElevenLabs, workspace: str, wanted: Wanted, options: dict[str, Any]) -> None:
        if is_sandbox(client.base_url):
            self._print_line(f"On the sandbox at {client.base_url}, with {wanted.phone_number}.")
            return
        values = {"remote": client.base_url, "workspace": workspace or "unknown", "number": wanted.phone_number}
        self._print_line(ON_A_REAL_ACCOUNT.format(rounds=options["repeat"], **values))
        if options["yes"]:
            return
        answer = ""
        with suppress(EOFError):
            answer = input("Go on? Type yes: ")
        if answer != "yes":
            raise CommandError("Nothing was done.")

    def _report(self, data: dict[str, Any], folder: Path | None) -> bool:
        """Write the report and return whether it was written to the folder. If that fails it is printed, so that the
        run was not in vain."""
        is_written = True
        try:
            if folder is not None:
                files.write(folder, data)
                self._print_line(f"The report is in {' and '.join(str(folder / name) for name in files.NAMES)}.")
        except OSError as error:
            is_written = False
            self._print_line(f"The report could not be written to {folder} ({error.strerror}). Here it is:")
        if folder is None or not is_written:
            self._print_line(markdown(data))
        self._print_line(verdict(data))
        for one in data["left"]:
            self._print_line(f"Left over: {one}")
        if data["left"]:
            self._print_line("manage.py lifecycle --clean-up tries again.")
        return is_written

    def _name(self, left: list[Leftover]) -> None:
        for one in left:
            self._print_line(f"Left over from an earlier run: {one}")
        if any(one.elsewhere for one in left):
            self._print_line(
                "What stands in another workspace is removed by --clean-up with that one's key and address; --clean-up "
                "--forget leaves it there, and names it no more."
            )

    def _print_line(self, words: str) -> None:
        """A closed terminal or pipe must not keep a run from cleaning up."""
        with suppress(OSError):
            self.stdout.write(words)
            self.stdout.flush()


@contextmanager
def _interrupts(stopping: Event, print_line: Any) -> Iterator[None]:
    """The first Ctrl-C (SIGTERM, a closed terminal) lets the request in progress finish, so that its result is known; a
    second one stops at once."""

    def stop(number: int, frame: object) -> None:
        if stopping.is_set():
            raise KeyboardInterrupt
        stopping.set()
        print_line("Stopping after this request, then cleaning up. Ctrl-C again to leave what is there.")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
