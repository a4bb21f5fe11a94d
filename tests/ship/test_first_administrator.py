"""The first administrator is created once, and the password is shown once."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.django_db


def test_only_where_there_is_none(capsys):
    call_command("first_administrator")
    password = re.search(r"password (\S+)", capsys.readouterr().out)[1]
    admin = get_user_model().objects.get()
    assert admin.is_superuser
    assert admin.check_password(password)
    assert len(password) >= 20

    call_command("first_administrator")
    assert capsys.readouterr().out == "There is an administrator already.\n"
    assert get_user_model().objects.count() == 1


def test_a_plain_user_of_that_name_is_not_promoted():
    get_user_model().objects.create_user("admin")
    with pytest.raises(CommandError, match="createsuperuser"):
        call_command("first_administrator")
    assert not get_user_model().objects.get().is_superuser
