"""Reads the Twilio number and credentials from the environment or the terminal, never from the command line."""

import getpass
import random
import uuid
from dataclasses import dataclass, field

import environ
from django.core.management.base import CommandError

from numbers import e164
from numbers.actions.import_number import TwilioCredentials

env = environ.FileAwareEnv()


@dataclass(frozen=True)
class Wanted:
    phone_number: str  # E.164
    credentials: TwilioCredentials = field(repr=False)

    @property
    def secrets(self) -> list[str]:
        return [secret for secret in vars(self.credentials).values() if secret]


def ask_for(*, sandbox: bool) -> Wanted:
    """Raises CommandError if a value is missing and there is no terminal to prompt on."""
    try:
        if sandbox and not _from_environment("TWILIO_SID"):
            return Wanted(
                e164.parse(_from_environment("TWILIO_PHONE_NUMBER") or _generated_number()), _generated_credentials()
            )
        typed = _from_environment("TWILIO_PHONE_NUMBER") or input("Twilio number to import: ")
        phone_number = e164.parse(typed)
        sid = _from_environment("TWILIO_SID") or input("Twilio SID (AC… or SK…): ").strip()
        token = _from_environment("TWILIO_TOKEN") or getpass.getpass("Twilio token (is not shown): ")
        auth = _from_environment("TWILIO_ACCOUNT_AUTH_TOKEN")
        if sid.startswith("SK") and not auth:
            auth = getpass.getpass("The account's auth token, which a key's SID needs (is not shown): ")
    except ValueError as error:
        raise CommandError(str(error)) from None
    except EOFError:
        raise CommandError("Set TWILIO_SID, TWILIO_TOKEN and TWILIO_PHONE_NUMBER, or run it on a terminal.") from None
    if not sid or not token:
        raise CommandError("SID and token are needed for the import.")
    return Wanted(phone_number, TwilioCredentials(sid=sid, token=token.strip(), account_auth_token=auth))


def _from_environment(name: str) -> str:
    return str(env.str(name, default="")).strip()


def _generated_credentials() -> TwilioCredentials:
    return TwilioCredentials(sid=f"AC{uuid.uuid4().hex}", token=uuid.uuid4().hex)


def _generated_number() -> str:
    return f"+1415555{random.randint(1000, 9999)}"  # noqa: S311 - no secret; two runs should not collide
