"""Credentials come from the environment or the terminal and go nowhere; a real account is asked about first."""

import json

import pytest

from controlplane.lifecycle.management.commands import lifecycle as command
from controlplane.lifecycle.models import Report
from controlplane.operations.models import Operation
from tests.lifecycle.conftest import PROMPT, SID, TOKEN, everything_kept, newest, nothing_is_left
from tests.lifecycle.test_refuted_assumptions import refusal

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("token", [pytest.param(TOKEN, marks=pytest.mark.slow), f"echo-{TOKEN}"])
def test_no_credential_and_no_prompt_is_told_or_kept(token, given, lifecycle, remote, tmp_path, caplog):
    """A token that begins with "echo-" is refused by the sandbox with a message that repeats it and the SID.
    What a run leaves that is not refused, test_the_experiment.py looks through."""
    given(token)
    status, printed = lifecycle("--report", str(tmp_path))
    assert status == (3 if token.startswith("echo-") else 0), printed
    kept = everything_kept(tmp_path, printed) + caplog.text
    assert TOKEN not in kept
    assert SID not in kept
    assert PROMPT not in json.dumps(newest().data) + "".join(file.read_text() for file in tmp_path.iterdir()) + printed
    assert nothing_is_left(remote)


def test_a_refusal_that_repeats_the_whole_configuration(lifecycle, remote, tmp_path):
    """The older wire form has the prompt in a JSON text, a 422 in its `input`."""
    found = [{"type": "value_error", "loc": ["body", "name"], "msg": "No such thing.", "input": {"prompt": PROMPT}}]
    remote.fault("POST", "*/create", "status", status=422, body={"detail": found})
    status, printed = lifecycle("--report", str(tmp_path))
    assert status == 3
    assert "No such thing." in newest().data["steps"][0]["body"]
    message = json.dumps([found[0] | {"msg": "Value error, Wrong model."}])
    remote.fault(
        "POST", "*/create", "status", status=400, body={"detail": {"status": "input_invalid", "message": message}}
    )
    lifecycle()
    assert "Wrong model." in newest().data["steps"][0]["body"]
    kept = json.dumps([report.data for report in Report.objects.all()]) + printed
    assert PROMPT not in kept


def test_a_long_refusal_is_cut(lifecycle, remote):
    detail = {f"field {at}": "x" * 500 for at in range(50)}
    remote.fault("POST", "*/create", "status", status=400, body={"detail": detail})
    lifecycle()
    assert len(newest().data["steps"][0]["body"]) <= 1000


@pytest.fixture
def real(monkeypatch):
    """The sandbox, taken for a real account."""
    monkeypatch.setattr(command, "is_sandbox", lambda _: False)


@pytest.mark.parametrize("answer", ["no", "", "y"])
def test_a_real_account_is_asked_about_first(answer, real, given, lifecycle, remote, monkeypatch):
    given()
    monkeypatch.setattr("builtins.input", lambda _: answer)
    status, printed = lifecycle()
    assert status == 1
    assert "Nothing was done." in printed
    for words in ("This writes to a real account", "+14155550123", "webhook at Twilio", "workspace_sandbox"):
        assert words in printed
    assert remote.ledger() == []
    assert not Operation.objects.exists()


def test_yes_is_for_scripts(real, given, only, lifecycle, remote, monkeypatch):
    given()
    only("create", "import")
    monkeypatch.setattr("builtins.input", lambda _: pytest.fail("asked"))
    status, printed = lifecycle("--yes")
    assert status == 0, printed
    assert "This writes to a real account" in printed


def test_a_real_account_wants_real_credentials(real, lifecycle, remote, monkeypatch):
    def closed(words: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", closed)
    status, printed = lifecycle("--yes")
    assert status == 1
    assert "Set TWILIO_SID, TWILIO_TOKEN and TWILIO_PHONE_NUMBER" in printed
    assert remote.ledger() == []


@pytest.mark.parametrize("typed", ["+1 800 FLOWERS", "555 2671"])
def test_a_number_that_is_not_whole_begins_nothing(lifecycle, remote, monkeypatch, typed):
    monkeypatch.setenv("TWILIO_PHONE_NUMBER", typed)
    status, printed = lifecycle()
    assert (status, f"“{typed}” has " in printed) == (1, True), printed
    assert remote.ledger() == []


def test_what_is_not_set_is_asked_and_the_token_is_not_shown(real, only, lifecycle, monkeypatch):
    only("create", "import")
    answers = {"Twilio number": "+1 415 555 0123", "Twilio SID": SID, "Go on?": "yes"}
    shown: list[str] = []
    hidden: list[str] = []

    def typed(words: str) -> str:
        shown.append(words)
        return next(answer for begin, answer in answers.items() if words.startswith(begin))

    def secret(words: str) -> str:
        hidden.append(words)
        return TOKEN

    monkeypatch.setattr("builtins.input", typed)
    monkeypatch.setattr("getpass.getpass", secret)
    status, printed = lifecycle()
    assert status == 0, printed
    assert len(shown) == 3
    assert hidden == ["Twilio token (is not shown): "]
    assert TOKEN not in printed


def test_no_credential_is_an_argument(capsys):
    parser = command.Command().create_parser("manage.py", "lifecycle")
    options = {option for action in parser._actions for option in action.option_strings}
    assert not {option for option in options if "token" in option or "sid" in option or "number" in option}
    told = parser.format_help()
    for status in (
        "0  everything as expected",
        "3  unexpected",
        "4  something that was made",
        "5  aborted",
        "6 ",
    ):
        assert status in told


def test_who_answers_for_it_and_why(only, lifecycle, settings, django_user_model):
    only("create", "import")
    settings.REQUIRE_REASON, settings.TICKET_PATTERN = True, r"OPS-\d+"
    django_user_model.objects.create_user("olga", password="x")
    status, printed = lifecycle("--user", "nobody")
    assert (status, "There is no active user nobody." in printed) == (1, True)
    status, printed = lifecycle("--user", "olga")
    assert (status, "Give --ticket." in printed) == (1, True)
    status, printed = lifecycle("--user", "olga", "--ticket", "OPS-7")
    assert status == 0, printed
    assert {(op.actor_name, op.ticket) for op in Operation.objects.all()} == {("olga", "OPS-7")}


@pytest.mark.parametrize(
    "args",
    [
        ("--repeat", "0"),
        ("--report", "/proc/self/no-folder"),
        ("--report", "/proc/self"),
        *(("--listed-within", seconds) for seconds in ("0", "-1", "nan", "inf")),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_begun(args, lifecycle, remote):
    assert lifecycle(*args)[0] == 1
    assert remote.calls() == []


def test_the_folder_of_the_report_is_created(only, lifecycle, remote, tmp_path):
    only("create")
    status, _ = lifecycle("--report", str(tmp_path / "new" / "reports"))
    assert status == 0
    assert {file.name for file in (tmp_path / "new" / "reports").iterdir()} == {"findings.md", "findings.json"}


def test_a_folder_that_has_one_where_the_report_goes(lifecycle, remote, tmp_path):
    (tmp_path / "findings.json").mkdir()
    status, printed = lifecycle("--report", str(tmp_path))
    assert status == 1
    assert printed.endswith("findings.json is a folder, but the report has to be written there.")
    assert remote.calls() == []


def test_a_folder_that_goes_away_meanwhile(only, lifecycle, remote, tmp_path, monkeypatch):
    """A run on a real account is not made for nothing, and a script that wants the files is told."""
    only("create", "import")
    monkeypatch.setattr("controlplane.lifecycle.report.folder_problem", lambda _: "")
    status, printed = lifecycle("--report", str(tmp_path / "gone"))
    assert status == 7
    assert "could not be written to" in printed
    assert "# API check report" in printed
    assert nothing_is_left(remote)


def test_a_refused_key_begins_nothing(lifecycle, remote):
    remote.fault("GET", "/v1/convai/agents", **refusal(401, "invalid_api_key", "authentication_error"))
    status, printed = lifecycle()
    assert status == 1
    assert "manage.py live_check shows more" in printed
    assert not Report.objects.exists()
