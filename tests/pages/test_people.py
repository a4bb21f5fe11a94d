"""People: one page creates a working account, and users cannot grant more permissions than they have."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from controlplane.accounts import deactivation
from controlplane.accounts.purge_expired import purge_expired
from controlplane.audit.models import Entry
from controlplane.sign_in.models import FailureCount

pytestmark = pytest.mark.django_db

PEOPLE, ROLES = "/admin/auth/user/", "/admin/auth/group/"
PASSWORD = "a-long-enough-one-77"


@pytest.fixture
def administrator(sign_in) -> Client:
    return sign_in("Administrators")


def role(name: str) -> str:
    return str(Group.objects.get(name=name).pk)


def new_person(**changed: object) -> dict[str, object]:
    return {
        "username": "jo",
        "first_name": "Jo",
        "last_name": "Doe",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "groups": [role("Operators")],
    } | changed


def change(client: Client, person: User, **changed: object):
    typed = {"username": person.username, "first_name": "", "last_name": "", "email": ""}
    return client.post(f"{PEOPLE}{person.pk}/change/", typed | {"is_active": "on", "is_staff": "on"} | changed)


def names_on(client: Client, address: str) -> set[str]:
    return set(re.findall(r'name="([a-z_0-9]+)"', client.get(address).content.decode()))


def test_one_page_creates_a_user_who_can_sign_in_and_work(administrator):
    page = administrator.get(f"{PEOPLE}add/").content.decode()
    assert {"username", "first_name", "last_name", "password1", "password2", "groups"} <= names_on(
        administrator, f"{PEOPLE}add/"
    )
    assert "After you" not in page
    answer = administrator.post(f"{PEOPLE}add/", new_person())
    assert answer.status_code == 302, answer.context["errors"]
    assert answer.url == PEOPLE
    client = Client()
    answer = client.post("/admin/login/?next=/admin/", {"username": "jo", "password": PASSWORD})
    assert answer.url == "/admin/"
    assert client.get("/admin/numbers/phonenumber/").status_code == 200


def test_a_new_person_needs_a_role(administrator):
    answer = administrator.post(f"{PEOPLE}add/", new_person(groups=[]))
    assert "Choose a role" in answer.content.decode()
    assert not User.objects.filter(username="jo").exists()


def test_an_administrator_sees_and_sets_nothing_beyond_roles(administrator):
    administrator.post(f"{PEOPLE}add/", new_person(is_superuser="on", user_permissions=["1"]))
    jo = User.objects.get(username="jo")
    page = administrator.get(f"{PEOPLE}{jo.pk}/change/").content.decode()
    for word in ("is_superuser", "user_permissions", "Superuser", "pbkdf2", "algorithm"):
        assert word not in page
    assert "Change password" in page
    answer = change(administrator, jo, groups=[role("Auditors")], is_superuser="on", user_permissions=["1"])
    assert answer.status_code == 302
    jo.refresh_from_db()
    assert [group.name for group in jo.groups.all()] == ["Auditors"]
    assert not jo.is_superuser
    assert not jo.user_permissions.exists()


def test_a_permission_is_only_granted_by_those_who_have_it(administrator):
    owners = Group.objects.create(name="Owners")
    owners.permissions.add(Permission.objects.get(codename="delete_group"))
    answer = administrator.post(f"{PEOPLE}add/", new_person(groups=[str(owners.pk)]))
    assert answer.status_code == 200
    assert not User.objects.filter(username="jo").exists()
    assert "Owners" not in administrator.get(f"{PEOPLE}add/").content.decode()


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("how", ["superuser", "role", "directly"])
def test_an_account_with_more_permissions_cannot_be_taken_over(administrator, how, active):
    boss = User.objects.create_user("boss", password=PASSWORD, is_staff=True, is_active=active)
    right = Permission.objects.get(codename="delete_group")
    if how == "superuser":
        User.objects.filter(pk=boss.pk).update(is_superuser=True)
    elif how == "role":
        owners = Group.objects.create(name="Owners")
        owners.permissions.add(right)
        boss.groups.add(owners)
    else:
        boss.user_permissions.add(right)
    before = User.objects.get(pk=boss.pk).password
    assert change(administrator, boss, username="mine").status_code == 403
    typed = {"password1": "another-long-one-88", "password2": "another-long-one-88"}
    assert administrator.post(f"{PEOPLE}{boss.pk}/password/", typed).status_code == 403
    assert User.objects.get(username="boss").password == before
    page = administrator.get(f"{PEOPLE}{boss.pk}/change/")
    assert page.status_code == 200
    assert "../password/" not in page.content.decode()


def test_an_administrator_sets_passwords_and_deactivates_but_does_not_delete(administrator):
    administrator.post(f"{PEOPLE}add/", new_person())
    jo = User.objects.get(username="jo")
    typed = {"password1": "another-long-one-88", "password2": "another-long-one-88"}
    assert administrator.post(f"{PEOPLE}{jo.pk}/password/", typed).status_code == 302
    jo.refresh_from_db()
    assert jo.check_password("another-long-one-88")
    assert change(administrator, jo, groups=[role("Operators")], is_active="").status_code == 302
    jo.refresh_from_db()
    assert not jo.is_active
    assert administrator.post(f"{PEOPLE}{jo.pk}/delete/", {"post": "yes"}).status_code == 403
    assert User.objects.filter(username="jo").exists()


def test_the_delete_page_explains_why_not_and_deactivates(administrator, sign_in):
    jo = User.objects.create_user("jo", password=PASSWORD, is_staff=True)
    client = Client()
    client.force_login(jo, backend="django.contrib.auth.backends.ModelBackend")
    assert "../delete/" in administrator.get(f"{PEOPLE}{jo.pk}/change/").content.decode()
    page = administrator.get(f"{PEOPLE}{jo.pk}/delete/").content.decode()
    assert "People are deactivated, not deleted" in page
    assert f"{PEOPLE}{jo.pk}/deactivate/" in page
    assert administrator.post(f"{PEOPLE}{jo.pk}/deactivate/").status_code == 302
    jo.refresh_from_db()
    assert not jo.is_active
    assert client.get("/admin/").status_code == 302  # signed out immediately
    entry = Entry.objects.latest("pk")
    assert (entry.actor_name, entry.object_name, entry.words) == ("Administrators", "jo", "is not active any more")
    assert "deactivated already" in administrator.get(f"{PEOPLE}{jo.pk}/delete/").content.decode()


@pytest.mark.parametrize("role", ["Administrators", "superuser"])
def test_a_list_of_people_is_deactivated_and_none_is_deleted(role, sign_in):
    client = sign_in(role)
    me = User.objects.get(username=role)
    boss = User.objects.create_superuser("boss")
    some = [User.objects.create_user(name, is_staff=True) for name in ("jo", "kim")]
    chosen = {"_selected_action": [person.pk for person in (*some, boss, me)]}
    client.post(PEOPLE, chosen | {"action": "delete_selected", "post": "yes"})
    assert User.objects.filter(is_active=True).count() == 4
    answer = client.post(PEOPLE, chosen | {"action": "deactivate_selected"}, follow=True)
    page = answer.content.decode()
    assert "Deactivated" in page
    assert "You cannot deactivate yourself" in page
    active = set(User.objects.filter(is_active=True).values_list("username", flat=True))
    assert active == ({role, "boss"} if role == "Administrators" else {role})
    assert User.objects.count() == 4
    assert Entry.objects.filter(after__told="is not active any more").count() == 4 - len(active)


def test_the_last_superuser_stays(sign_in):
    administrator = sign_in("Administrators")
    boss = User.objects.create_superuser("boss")
    assert administrator.post(f"{PEOPLE}{boss.pk}/deactivate/").status_code == 403  # has more permissions
    superuser = sign_in("superuser")
    User.objects.filter(pk=boss.pk).update(is_active=False)
    me = User.objects.get(username="superuser")
    assert (
        deactivation.why_not(me, boss)
        == "superuser is the last active superuser: without one, roles could not be changed."
    )
    assert "yourself" in superuser.get(f"{PEOPLE}{me.pk}/delete/").content.decode()
    superuser.post(f"{PEOPLE}{me.pk}/deactivate/")
    me.refresh_from_db()
    assert me.is_active
    for address in ("deactivate", "delete"):
        assert superuser.get(f"{PEOPLE}{me.pk}/{address}/").status_code == (405 if address == "deactivate" else 200)


def test_roles_are_seen_by_administrators_and_changed_by_superusers_alone(administrator, sign_in):
    operators = Group.objects.get(name="Operators")
    before = set(operators.permissions.all())
    everything = [str(pk) for pk in Permission.objects.values_list("pk", flat=True)]
    typed = {"name": "Operators", "permissions": everything}
    assert administrator.get(f"{ROLES}{operators.pk}/change/").status_code == 200
    assert administrator.post(f"{ROLES}{operators.pk}/change/", typed).status_code == 403
    assert administrator.post(f"{ROLES}add/", {"name": "Mine", "permissions": everything}).status_code == 403
    assert set(operators.permissions.all()) == before
    superuser = sign_in("superuser")
    assert superuser.post(f"{ROLES}add/", {"name": "Owners", "permissions": everything[:1]}).status_code == 302
    assert Group.objects.filter(name="Owners").exists()


def test_a_superuser_makes_superusers(sign_in):
    superuser = sign_in("superuser")
    assert superuser.post(f"{PEOPLE}add/", new_person(groups=[], is_superuser="on")).status_code == 302
    assert User.objects.get(username="jo").is_superuser
    assert {"is_superuser", "user_permissions"} <= names_on(
        superuser, f"{PEOPLE}{User.objects.get(username='jo').pk}/change/"
    )


def test_the_pages_say_people_and_roles(administrator):
    page = administrator.get(ROLES).content.decode()
    assert "Roles" in page
    assert "Authentication" not in page
    assert "Groups" not in page
    assert "Authentication" not in administrator.get(PEOPLE).content.decode()


def test_an_auditor_views_people_and_changes_none(sign_in):
    auditor = sign_in("Auditors")
    jo = User.objects.create_user("jo", password=PASSWORD, is_staff=True)
    page = auditor.get(f"{PEOPLE}{jo.pk}/change/").content.decode()
    assert "Change password" not in page.split('id="content"')[1]
    assert change(auditor, jo).status_code == 403
    assert auditor.get(f"{PEOPLE}add/").status_code == 403


def test_a_failed_sign_in_shows_one_message_and_waits_for_the_password(db):
    page = Client().post("/admin/login/", {"username": "jo", "password": "wrong"}).content.decode()
    assert "Please correct the error" not in page
    assert page.count("errornote") == 1
    assert "Please enter the correct username and password" in page
    focused = re.findall(r"<input[^>]*autofocus[^>]*>", page)
    assert len(focused) == 1
    assert 'name="password"' in focused[0]
    assert "autofocus" in Client().get("/admin/login/").content.decode()


def test_what_signing_in_leaves_behind_is_forgotten(administrator):
    Client().post("/admin/login/", {"username": PASSWORD, "password": "x"})
    assert FailureCount.objects.count() == 3
    assert PASSWORD not in str(list(FailureCount.objects.values()))  # a password entered in the wrong field
    old = Session.objects.create(session_key="old", session_data="", expire_date=timezone.now() - timedelta(minutes=1))
    assert purge_expired() == 1
    assert not Session.objects.filter(pk=old.pk).exists()
    FailureCount.objects.update(expires_at=timezone.now())
    assert purge_expired() == 3
    assert administrator.get("/admin/").status_code == 200
