"""`manage.py lifecycle`: checks the remote's behaviour by a whole lifecycle of agents and numbers."""

import getpass
import random
import signal
import sys
import uuid
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

import environ
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from controlplane.audit.justification import Justification, ReasonRequired, require_justification
from controlplane.audit.ledger import actor_label
from controlplane.elevenlabs import ElevenLabs, ElevenLabsError, connect, is_sandbox, secrets_in_memory
from controlplane.lifecycle import cleanup, exclusive_run, report
from controlplane.lifecycle.experiment import Experiment
from controlplane.lifecycle.models import Report
from controlplane.lifecycle.runner import Runner
from controlplane.operations.execute import CLICK_PATIENCE_S
from numbers import e164
from numbers.actions.import_number import TwilioCredentials

UNEXPECTED, LEFT_OVER, ABORTED, BUSY, NOT_WRITTEN = 3, 4, 5, 6, 7  # exit status
MAX_ROUNDS = 100
MAX_WAIT_S = 3600
STATUS = """exit status:
  0  everything as expected, and everything that was created is removed
  1  it did not start: something is missing or wrong, or you did not agree
  3  unexpected: an assumption was refuted, or a step had an unexpected result
  4  something that was made could not be removed; it is listed (this goes before 3 and 5)
  5  aborted before its end (Ctrl-C, an error), and cleaned up
  6  another run is under way
  7  the report could not be written to its folder any more, and was printed (this goes before 3)

environment: TWILIO_SID, TWILIO_TOKEN, TWILIO_PHONE_NUMBER and, for a key's SID, TWILIO_ACCOUNT_AUTH_TOKEN.
What is not set is prompted for on the terminal. On the sandbox made-up ones will do, so it does not prompt.
"""
ON_A_REAL_ACCOUNT = """This writes to a real account: {remote}, workspace {workspace}.
  - It first removes what earlier runs left behind there, if they did.
  - It creates the agents “Support Bot” and “Sales Bot”, {rounds} time(s), and deletes them again.
  - It imports {number} from Twilio, assigns it, moves it, and removes it again. ElevenLabs takes over the number's
    webhook at Twilio, which may still point there afterwards. Use a number that receives no calls.
  - It tries what should be refused: wrong credentials, a malformed SID, a number that is not yours, an agent that
    does not exist, and the deletion of an agent that answers the number.
  - It removes everything it created, also after Ctrl-C; after a crash `manage.py lifecycle --clean-up` does.
"""


class Command(BaseCommand):
    help = "Run the owner's experiment against the configured remote, clean up, and report what was found."

    def create_parser(self, *args: Any, **options: Any) -> CommandParser:
        return super().create_parser(*args, epilog=STATUS, formatter_class=RawDescriptionHelpFormatter, **options)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="do not ask before writing to a real account")
        parser.add_argument("--repeat", type=int, default=1, metavar="N", help="rounds, for p50 and p95; default 1")
        parser.add_argument("--report", type=Path, metavar="DIR", help="write findings.md and findings.json there")
        parser.add_argument("--clean-up", action="store_true", help="only remove what earlier runs left behind")
        forget = "with --clean-up: list what is left at another remote or workspace for the last time; it stays there"
        parser.add_argument("--forget", action="store_true", help=forget)
        parser.add_argument("--user", metavar="NAME", help="the user who is responsible for it; default: the system")
        parser.add_argument("--ticket", default="", help="for the history")
        parser.add_argument("--listed-within", type=float, default=120, metavar="S", help="for an import; default 120")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["repeat"] <= MAX_ROUNDS:
            raise CommandError(f"--repeat takes a number from 1 to {MAX_ROUNDS}.")
        if not 0 < options["listed_within"] <= MAX_WAIT_S:
            raise CommandError(f"--listed-within takes seconds, {MAX_WAIT_S} at most.")
        if options["forget"] and not options["clean_up"]:
            raise CommandError("--forget goes with --clean-up.")
        if options["report"] is not None and (problem := report.folder_problem(options["report"])):
            raise CommandError(problem)
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
            message = "Stopped. What earlier runs left behind, --clean-up removes."
            raise CommandError(message, returncode=ABORTED) from None
        if status:
            sys.exit(status)

    def _clean_up(self, client: ElevenLabs, options: dict[str, Any]) -> int:
        """Returns the exit status."""
        if self._clean_up_before(self._new_runner(client, options), forget=options["forget"]):
            return LEFT_OVER
        self._print_line("Nothing is left of earlier runs.")
        return 0

    def _run(self, client: ElevenLabs, options: dict[str, Any]) -> int:
        """Returns the exit status."""
        runner = self._new_runner(client, options)
        number, credentials = _read_number_and_credentials(sandbox=is_sandbox(client.base_url))
        with secrets_in_memory(*vars(credentials).values()):
            self._consent(runner.report, number, options)
            self._clean_up_before(runner)  # the number left behind may be the requested one
            if any(row.get("phone_number") == number for row in client.all_numbers(phone_number=number)):
                raise CommandError(
                    f"{number} is in this workspace already, and is left as it is. Choose another number."
                )
            runner.report.save()
            cleanup.delete_old_reports()
            experiment = Experiment(runner, number, credentials, options["listed_within"], self._print_line)
            with _interrupts(runner.stopping, self._print_line):
                data = exclusive_run.run(experiment, options["repeat"])
        is_written = self._write_report(data, options["report"])
        if data["left"]:
            return LEFT_OVER
        if data["broken_off"]:
            return ABORTED
        if not is_written:
            return NOT_WRITTEN
        return 0 if report.is_as_expected(data) else UNEXPECTED

    def _new_runner(self, client: ElevenLabs, options: dict[str, Any]) -> Runner:
        """A runner whose report is not saved yet."""
        try:
            client.list_agents(page_size=1)
        except ElevenLabsError as error:
            raise CommandError(f"{error} Nothing was done. manage.py live_check shows more.") from None
        actor = User.objects.filter(username=options["user"], is_active=True).first()
        if options["user"] and actor is None:
            raise CommandError(f"There is no active user {options['user']}.")
        justification = Justification(f"manage.py lifecycle, run by {getpass.getuser()}", options["ticket"])
        try:
            require_justification(justification, actor)
        except ReasonRequired as missing:
            raise CommandError(f"{missing} Give --ticket.") from None
        workspace = ""
        with suppress(ElevenLabsError):  # the key may not read it
            workspace = (client.get_user().workspace_id or "")[:64]
        unsaved = Report(base_url=client.base_url, workspace=workspace, actor_name=actor_label(actor))
        return Runner(unsaved, client, actor, justification, Event())

    def _consent(self, of: Report, number: str, options: dict[str, Any]) -> None:
        if is_sandbox(of.base_url):
            self._print_line(f"On the sandbox at {of.base_url}, with {number}.")
            return
        values = {"remote": of.base_url, "workspace": of.workspace or "unknown", "number": number}
        self._print_line(ON_A_REAL_ACCOUNT.format(rounds=options["repeat"], **values))
        answer = "yes" if options["yes"] else ""
        with suppress(EOFError):
            answer = answer or input("Go on? Type yes: ")
        if answer != "yes":
            raise CommandError("Nothing was done.")

    def _clean_up_before(self, runner: Runner, *, forget: bool = False) -> list[cleanup.Leftover]:
        left = cleanup.clean_up_before(runner, self._print_line, forget=forget)
        for one in left:
            self._print_line(f"Left over from an earlier run: {one}")
        if any(one.elsewhere for one in left):
            self._print_line(
                "What is left in another workspace is removed by --clean-up with the key and URL of that workspace; "
                "--clean-up --forget leaves it there, and does not list it again."
            )
        return left

    def _write_report(self, data: dict[str, Any], folder: Path | None) -> bool:
        """Write the report and return whether it was written to the folder. If that fails it is printed, so that the
        run was not in vain."""
        problem = report.write_files(folder, data) if folder is not None else ""
        if problem:
            self._print_line(f"The report could not be written to {folder} ({problem}). Here it is:")
        if problem or folder is None:
            self._print_line(report.markdown(data))
        else:
            self._print_line(f"The report is in {' and '.join(str(folder / name) for name in report.FILE_NAMES)}.")
        self._print_line(report.verdict(data))
        for one in data["left"]:
            self._print_line(f"Left over: {one}")
        if data["left"]:
            self._print_line("manage.py lifecycle --clean-up tries again.")
        return not problem

    def _print_line(self, text: str) -> None:
        """A closed terminal or pipe must not keep a run from cleaning up."""
        with suppress(OSError):
            self.stdout.write(text)
            self.stdout.flush()


def _read_number_and_credentials(*, sandbox: bool) -> tuple[str, TwilioCredentials]:
    """From the environment or the terminal, never from the command line. The number is E.164.

    Raises CommandError if a value is missing and there is no terminal to prompt on.
    """
    number, sid, token, auth_token = (
        str(environ.FileAwareEnv().str(name, default="")).strip()
        for name in ("TWILIO_PHONE_NUMBER", "TWILIO_SID", "TWILIO_TOKEN", "TWILIO_ACCOUNT_AUTH_TOKEN")
    )
    if sandbox and not sid:  # which accepts made-up ones; two runs should not collide
        number = number or f"+1415555{random.randint(1000, 9999)}"  # noqa: S311 - no secret
        sid, token = f"AC{uuid.uuid4().hex}", uuid.uuid4().hex
    try:
        phone_number = e164.parse(number or input("Twilio number to import: "))
        sid = sid or input("Twilio SID (AC… or SK…): ").strip()
        token = token or getpass.getpass("Twilio token (is not shown): ").strip()
        if sid.startswith("SK") and not auth_token:
            auth_token = getpass.getpass("The account's auth token, which a key's SID needs (is not shown): ")
    except ValueError as error:
        raise CommandError(str(error)) from None
    except EOFError:
        raise CommandError("Set TWILIO_SID, TWILIO_TOKEN and TWILIO_PHONE_NUMBER, or run it on a terminal.") from None
    if not sid or not token:
        raise CommandError("SID and token are needed for the import.")
    return phone_number, TwilioCredentials(sid=sid, token=token, account_auth_token=auth_token)


@contextmanager
def _interrupts(stopping: Event, print_line: cleanup.Print) -> Iterator[None]:
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
