"""`manage.py first_administrator`: creates `admin` with a generated password if there is no superuser."""

import secrets
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

NAME = "admin"


@transaction.atomic
def create_first_administrator() -> str | None:
    """The generated password, which is not stored anywhere; None if a superuser exists."""
    users = get_user_model()._default_manager
    if users.filter(is_superuser=True).exists():
        return None
    if users.filter(username=NAME).exists():
        raise CommandError(f'"{NAME}" exists but is not a superuser. Create one: manage.py createsuperuser')
    password = secrets.token_urlsafe(15)
    users.create_superuser(NAME, password=password)
    return password


class Command(BaseCommand):
    help = "Create the first administrator and print the password once."

    def handle(self, *args: Any, **options: Any) -> None:
        password = create_first_administrator()
        if password is None:
            self.stdout.write("There is an administrator already.")
        else:
            self.stdout.write(f"User name {NAME}, password {password} (shown only now)")
