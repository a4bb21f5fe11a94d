"""Steps with imports that ElevenLabs should refuse."""

from dataclasses import replace

from controlplane.lifecycle import probes
from controlplane.lifecycle.experiment import CannotGoOn, Experiment, Plan
from controlplane.lifecycle.step import Step
from controlplane.lifecycle.steps import here
from controlplane.operations.models import Operation, State
from numbers.actions.import_number import ImportNumber, TwilioCredentials

WRONG_TOKEN = "wrong-token"  # noqa: S105 - not a real token: no Twilio token has this form; the sandbox knows it too
MALFORMED_SID = "AC-not-a-sid"
KEY_SID = "SK" + "1" * 32
NOT_IN_ACCOUNT = "+15005550001"  # one of Twilio's test numbers: no account can own it


def wrong_credentials(x: Experiment, step: Step) -> None:
    op = _import(x, step, replace(x.credentials, token=WRONG_TOKEN))
    good = step.was_refused(op, 400, status="twilio_error") and bool(step.detail.get("message"))
    x.finding(1, good, step.answered(op))
    if step.status == 401:
        about_us = "invalid_api_key" in step.body
        x.finding(55, not about_us, f"Wrong credentials: {step.answered(op)}")
    step.conclude(good, step.found)


def malformed_sid(x: Experiment, step: Step) -> None:
    op = _import(x, step, replace(x.credentials, sid=MALFORMED_SID))
    step.conclude(op.state == State.REFUSED and step.status in (400, 422), step.found)


def key_without_auth_token(x: Experiment, step: Step) -> None:
    op = _import(x, step, replace(x.credentials, sid=KEY_SID, account_auth_token=""))
    good = step.was_refused(op, 400, code="missing_required_field")
    x.finding(34, good, step.answered(op))
    step.conclude(good, step.found)


def not_in_account(x: Experiment, step: Step) -> None:
    op = _import(x, step, x.credentials, NOT_IN_ACCOUNT)
    good = step.was_refused(op, 400, code="invalid_parameters", param="phone_number")
    x.finding(2, good, step.answered(op))
    step.conclude(good, step.found)


def _import(x: Experiment, step: Step, credentials: TwilioCredentials, number: str = "") -> Operation:
    """If ElevenLabs unexpectedly accepts the import, the number is removed again, so that the next import finds it
    free."""
    number = number or x.phone_number

    action = ImportNumber.of(number, label=x.label)
    op = x.ask(step, action, makes="number", name=number, credentials=credentials)
    step.observe()
    if op.object_id and op.state == State.DONE:
        step.conclude(False, f"Taken, though it should be refused. {step.found}")
        if left := x.take_back(op):
            raise CannotGoOn(f"{step.found} It could not be removed: {left}")
    return op


def import_again(x: Experiment, step: Step) -> None:
    line = here(x.line)
    action = probes.ProbeImport.of(line.phone_number, label=x.label)
    op = x.ask(step, action, makes="number", name=line.phone_number, credentials=x.credentials)
    step.observe()
    good = step.was_refused(op, 409, code="resource_already_exists")
    x.finding(3, good, step.answered(op))
    step.conclude(good, step.found)


_BY_FORM = " Our form would refuse it."
BEFORE = [
    Plan("wrong credentials", "Import with a wrong token", "service", "400 `twilio_error`.", wrong_credentials),
    Plan("malformed SID", "Import with a malformed SID", "service", f"400 or 422.{_BY_FORM}", malformed_sid),
    Plan(
        "key SID alone",
        "Import with a key's SID and no auth token",
        "service",
        f"400 `missing_required_field`.{_BY_FORM}",
        key_without_auth_token,
    ),
    Plan(
        "not in the account",
        "Import a number that the Twilio account does not have",
        "service",
        "400 `invalid_parameters`.",
        not_in_account,
    ),
]
AGAIN = Plan("import again", "Import it a second time", "client alone", "409.", import_again)
