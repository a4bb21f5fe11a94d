"""Sign-ins, failed sign-ins and changes of roles are recorded, whichever way they are made."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from controlplane.audit.models import Entry

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password=PASSWORD, is_staff=True)


def recorded(**about: str) -> list[tuple[str, str, str]]:
    return [(one.actor_name, one.object_name, one.words) for one in Entry.objects.filter(**about).order_by("pk")]


def test_sign_ins_and_failed_ones(ada):
    client = Client(REMOTE_ADDR="192.0.2.7")
    sign_in = {"username": "ada", "password": "wrong", "next": "/admin/"}
    client.post("/admin/login/", sign_in)
    client.post("/admin/login/", sign_in | {"password": PASSWORD})
    client.post("/admin/logout/")
    assert recorded(object_type="person")[1:] == [
        ("system", "ada", "failed to sign in from 192.0.2.7"),
        ("ada", "ada", "signed in from 192.0.2.7"),
        ("ada", "ada", "signed out"),
    ]


def test_an_unknown_name_may_be_a_password_and_is_not_stored():
    Client().post("/admin/login/", {"username": PASSWORD, "password": "x"})
    (entry,) = Entry.objects.filter(kind="person.failed")
    assert entry.object_name == "an unknown user name"
    assert PASSWORD not in entry.seen_whole()


def test_what_happens_to_a_person(ada, admin_client):
    operators = Group.objects.get(name="Operators")
    change = f"/admin/auth/user/{ada.pk}/change/"
    form = {"username": "ada", "is_staff": "on", "groups": operators.pk}
    assert admin_client.post(change, form | {"is_active": "on"}).status_code == 302
    assert admin_client.post(change, form | {"groups": []}).status_code == 302
    assert recorded(object_name="ada", actor_name="admin") == [
        ("admin", "ada", "was given the role Operators"),
        ("admin", "ada", "is not active any more"),
        ("admin", "ada", "lost the role Operators"),
    ]


def test_by_a_shell_too(ada):
    right = Permission.objects.get(codename="view_entry")
    ada.user_permissions.add(right)
    ada.is_superuser = True
    ada.set_password("another")
    ada.save()
    ada.user_permissions.clear()
    role = Group.objects.create(name="Night shift")
    role.permissions.add(right)
    role.user_set.add(ada)
    words = [entry[2] for entry in recorded(object_type="person", object_name="ada")]
    assert words == [
        "was added",
        "was given the right view_entry",
        "is superuser now",
        "has a new password",
        "lost the right view_entry",
        "was given Night shift",
    ]
    assert recorded(object_type="role") == [("system", "Night shift", "was given the right view_entry")]
    role.delete()
    assert recorded(kind="role.deleted") == [("system", "Night shift", "was deleted")]


def test_a_sign_in_is_nothing_else(ada):
    Client().force_login(ada)
    assert [entry.kind for entry in Entry.objects.order_by("pk")] == ["person.added", "person.signed_in"]
