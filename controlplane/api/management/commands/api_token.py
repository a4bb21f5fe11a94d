"""`manage.py api_token`: create, list and revoke API tokens."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from controlplane.api import service_accounts, tokens
from controlplane.api.models import Token
from controlplane.audit.ledger import SYSTEM


class Command(BaseCommand):
    help = "Create a refresh token for a service account (shown once), list tokens, revoke one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        subcommands = parser.add_subparsers(dest="way", required=True)
        issue = subcommands.add_parser(
            "issue", help="for a service account; with --role it is made where there is none"
        )
        issue.add_argument("account")
        issue.add_argument("--role", action="append", default=[], help="such as Operators; may be given more than once")
        issue.add_argument("--days", type=int, default=90)
        issue.add_argument("--for", dest="name", default="issued in a terminal", help="what it is for")
        subcommands.add_parser("list", help="all that may still be used")
        subcommands.add_parser("revoke", help="by its number in the list").add_argument("token", type=int)

    def handle(self, *args: Any, way: str, **options: Any) -> None:
        getattr(self, f"_{way}")(**options)

    @transaction.atomic
    def _issue(self, account: str, role: list[str], days: int, name: str, **more: Any) -> None:
        if not 1 <= days <= 366:
            raise CommandError("--days is from 1 to 366.")
        user = User.objects.filter(username=account).first() or self._create_account(account, role)
        if not tokens.is_service(user) or not user.is_active:
            raise CommandError(
                f"{account} is not an active service account: people get tokens with their own password."
            )
        token, secret = tokens.issue(user, name=name[:100], lives=timedelta(days=days), by=None, by_name=SYSTEM)
        self.stderr.write(f"Token {token.pk} of {account}, valid until {token.expires_at:%Y-%m-%d}; shown only now:")
        self.stdout.write(secret)

    def _create_account(self, account: str, names: list[str]) -> User:
        roles = list(Group.objects.filter(name__in=names))
        if not names or len(roles) != len(set(names)):
            known = ", ".join(Group.objects.order_by("name").values_list("name", flat=True))
            raise CommandError(f"There is no user {account}. To create one, add --role with one of: {known}.")
        try:
            return service_accounts.create(account, roles)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None

    def _list(self, **more: Any) -> None:
        for token in Token.objects.select_related("user").filter(revoked_at=None):
            if token.is_active:
                until = f"{token.expires_at:%Y-%m-%d %H:%M}"
                self.stdout.write(f"{token.pk:>6}  {token.user.get_username():<30} {until}  {token.name}")

    def _revoke(self, token: int, **more: Any) -> None:
        found = Token.objects.select_related("user").filter(pk=token).first()
        if found is None:
            raise CommandError("Token not found. `api_token list` lists them.")
        done = tokens.revoke(found, by=None, by_name=SYSTEM)
        self.stdout.write(f"{'Revoked' if done else 'Was revoked already:'} {found}")
