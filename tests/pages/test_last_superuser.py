"""One active superuser always remains, and users cannot remove their own access by any route."""

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.test import Client

from tests.pages.test_people import PEOPLE, change

pytestmark = pytest.mark.django_db
FLAGS = {"is_active": "on", "is_staff": "on", "is_superuser": "on"}
LAST = "is the last active superuser"


@pytest.fixture
def boss(db) -> User:
    return User.objects.create_superuser("boss")


@pytest.fixture
def client(boss) -> Client:
    client = Client()
    client.force_login(boss, backend="django.contrib.auth.backends.ModelBackend")
    return client


def superusers() -> list[str]:
    every = User.objects.filter(is_active=True, is_staff=True, is_superuser=True)
    return list(every.order_by("username").values_list("username", flat=True))


def refusals(answer) -> dict[str, list[str]]:
    assert answer.status_code == 200
    return {name: list(errors) for name, errors in answer.context["adminform"].form.errors.items()}


@pytest.mark.parametrize("flag", FLAGS)
def test_users_cannot_remove_their_own_access_on_the_form(flag, client, boss):
    User.objects.create_superuser("other")
    answer = change(client, boss, **FLAGS | {flag: "", "first_name": "New"})
    ((field, (words,)),) = refusals(answer).items()
    assert (field, words.startswith("You cannot "), words.endswith("Nothing was changed.")) == (flag, True, True)
    shown = re.sub(r"\s+", " ", answer.content.decode())
    assert words in shown
    boss.refresh_from_db()
    assert (superusers(), boss.first_name) == (["boss", "other"], "")


def test_an_administrator_does_not_lock_themselves_out_on_the_form(sign_in):
    administrator = sign_in("Administrators")
    me = User.objects.get(username="Administrators")
    groups = [str(group.pk) for group in me.groups.all()]
    assert list(refusals(change(administrator, me, groups=groups, is_active="", is_staff=""))) == [
        "is_active",
        "is_staff",
    ]
    assert change(administrator, me, groups=groups).status_code == 302


@pytest.mark.parametrize("flag", FLAGS)
def test_another_one_is_demoted_while_one_remains(flag, client):
    other = User.objects.create_superuser("other")
    assert change(client, other, **FLAGS | {flag: ""}).status_code == 302
    assert superusers() == ["boss"]


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("update_fields", [None, "the flag"])
def test_a_save_of_any_code_is_refused(flag, update_fields, boss):
    User.objects.create_superuser("former", is_active=False)
    setattr(boss, flag, False)
    with pytest.raises(ValidationError, match=LAST):
        boss.save(update_fields=update_fields and [flag])
    boss.first_name = "New"
    boss.save(update_fields=["first_name"])  # does not write the flag
    assert superusers() == ["boss"]


def test_a_delete_of_any_code_is_refused(boss):
    other = User.objects.create_superuser("other")
    with pytest.raises(ValidationError, match=LAST), transaction.atomic():
        User.objects.all().delete()
    assert superusers() == ["boss", "other"]
    other.delete()
    with pytest.raises(ValidationError, match=LAST), transaction.atomic():
        boss.delete()
    assert superusers() == ["boss"]


def test_a_password_cannot_be_switched_off(client, boss):
    boss.set_password("a right password")
    boss.save()
    client.force_login(boss, backend="django.contrib.auth.backends.ModelBackend")
    page = f"{PEOPLE}{boss.pk}/password/"
    assert "usable_password" not in client.get(page).content.decode()
    typed = {"usable_password": "false", "unset-password": "1"}
    assert client.post(page, typed | dict.fromkeys(["password1", "password2"], "")).status_code == 200
    assert (
        client.post(page, typed | dict.fromkeys(["password1", "password2"], "another-long-one-88")).status_code == 302
    )
    boss.refresh_from_db()
    assert boss.check_password("another-long-one-88")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["form", "list", "page"])
def test_of_two_who_demote_each_other_at_once_one_remains(way, boss):
    other = User.objects.create_superuser("other")
    barrier = Barrier(2)

    def demote(actor: User, person: User) -> int:
        client = Client()
        client.force_login(actor, backend="django.contrib.auth.backends.ModelBackend")
        barrier.wait()
        try:
            match way:
                case "form":
                    return change(client, person, **FLAGS | {"is_superuser": ""}).status_code
                case "list":
                    chosen = {"action": "deactivate_selected", "_selected_action": person.pk}
                    return client.post(PEOPLE, chosen).status_code
                case _:
                    return client.post(f"{PEOPLE}{person.pk}/deactivate/").status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        statuses = [
            future.result() for future in [threads.submit(demote, *pair) for pair in ((boss, other), (other, boss))]
        ]
    assert len(superusers()) == 1, statuses
    assert max(statuses) < 500
