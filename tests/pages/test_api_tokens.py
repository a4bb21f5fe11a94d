"""The pages and the command with which administrators create, view and revoke API tokens."""

import io
import re

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.test import Client

from controlplane.api.models import Token
from controlplane.audit.models import Entry
from tests.api.caller import Caller, person, problem, service, token_of

pytestmark = pytest.mark.django_db
ADD = "/admin/api/token/add/"


def form_of(client: Client, **more) -> dict:
    form = client.get(ADD).context["form"]
    return {
        "key": str(form["key"].value()),
        "name": "the deploy script",
        "days": "30",
        "reason": "",
        "ticket": "",
        **more,
    }


def role(name: str) -> Group:
    return Group.objects.get(name=name)


@pytest.fixture
def administrator(sign_in) -> Client:
    return sign_in("Administrators")


def test_a_new_service_account_gets_its_token_shown_once(administrator, remote):
    form = form_of(administrator, username="deploy-robot", roles=[role("Operators").pk], reason="Deploys")
    answer = administrator.post(ADD, form)
    secret = re.search(r"acp_[\w-]{43}", answer.content.decode())[0]
    assert "no-store" in answer["Cache-Control"]
    token = Token.objects.get()
    assert (token.user.username, token.user.is_staff, token.user.has_usable_password()) == (
        "deploy-robot",
        False,
        False,
    )
    assert 29 < (token.expires_at - token.issued_at).days + 1 <= 30

    call = Caller(None)
    call.access = call("POST", "/token/refresh", {"refresh_token": secret}).json()["access_token"]
    assert call("POST", "/agents", {"name": "New"}).status_code == 201

    for page in ("/admin/api/token/", f"/admin/api/token/{token.pk}/change/", "/admin/audit/entry/"):
        shown = administrator.get(page).content.decode()
        assert "the deploy script" in shown or "deploy-robot" in shown
        assert secret not in shown
        assert token.digest not in shown
        assert token.stamp not in shown
    entry = Entry.objects.get(kind="token.issued")
    assert (entry.object_name, entry.actor_name, entry.reason) == ("deploy-robot", "Administrators", "Deploys")
    assert secret not in str(list(Entry.objects.values()))

    again = administrator.post(ADD, form)
    assert again.status_code == 422
    assert Token.objects.count() == 1


def test_the_same_form_sent_twice_gives_one_token(administrator):
    account = service("robot", "Operators")
    form = form_of(administrator, account=account.pk)
    assert administrator.post(ADD, form).status_code == 200
    again = administrator.post(ADD, form)
    assert again.status_code == 422
    assert "its token was shown then" in again.content.decode()
    assert Token.objects.count() == 1


def test_revoked_it_is_refused_at_once(administrator):
    call = Caller(service("night-runner", "Operators"))
    assert call("GET", "/agents").status_code == 200
    url = f"/admin/api/token/{call.token.pk}/revoke/"
    assert "Revoke it" in administrator.get(url).content.decode()
    assert call("GET", "/agents").status_code == 200, "a GET changes nothing"
    page = administrator.post(url, {"reason": "Lost", "ticket": ""}, follow=True).content.decode()
    assert "Revoked “test”" in page
    problem(call("GET", "/agents"), 401, "unauthorized")
    entry = Entry.objects.get(kind="token.revoked")
    assert (entry.reason, entry.actor_name) == ("Lost", "Administrators")
    administrator.post(url, {"reason": "", "ticket": ""})
    assert Entry.objects.filter(kind="token.revoked").count() == 1
    assert "night-runner" not in administrator.get("/admin/api/token/").content.decode()
    assert "night-runner" in administrator.get("/admin/api/token/?state=ended").content.decode()


@pytest.mark.parametrize("whose", ["person", "superuser's", "with more rights", "deactivated", "none there"])
def test_no_token_is_created_for_a_person_or_beyond_ones_own_permissions(whose, administrator):
    match whose:
        case "person":
            user = person("olga", "Operators")
        case "superuser's":
            user = service("root")
            user.is_superuser = True
            user.save()
        case "with more rights":
            user = service("robot")
            user.user_permissions.add(Permission.objects.get(codename="delete_group"))
        case "deactivated":
            user = service("robot", "Operators")
            user.is_active = False
            user.save()
        case _:
            user = User(pk=10**9)
    answer = administrator.post(ADD, form_of(administrator, account=user.pk))
    assert answer.status_code == 422
    assert "account" in answer.context["form"].errors
    assert not Token.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": "a b"}, "username"),
        ({"username": "Wanda"}, "username"),
        ({"roles": []}, "roles"),
        ({"roles": [10**9]}, "roles"),
        ({"name": ""}, "name"),
        ({"days": "0"}, "days"),
        ({"days": "367"}, "days"),
        ({"days": "9" * 30}, "days"),
    ],
)
def test_errors_are_shown_at_their_field(wrong, field, administrator):
    person("wanda")
    form = form_of(administrator, username="robot", roles=[role("Auditors").pk])
    answer = administrator.post(ADD, {**form, **wrong})
    assert answer.status_code == 422
    assert field in answer.context["form"].errors
    assert not User.objects.filter(username__startswith="robot").exists()


def test_a_role_with_more_rights_is_not_to_be_given(administrator):
    beyond = Group.objects.create(name="Beyond")
    beyond.permissions.add(Permission.objects.get(codename="delete_group"))
    answer = administrator.post(ADD, form_of(administrator, username="robot", roles=[beyond.pk]))
    assert "roles" in answer.context["form"].errors


def test_a_reason_is_required_where_configured(administrator, settings):
    settings.REQUIRE_REASON = True
    robot = service("robot", "Operators")
    answer = administrator.post(ADD, form_of(administrator, account=robot.pk))
    assert "reason" in answer.context["form"].errors
    token, _ = token_of(robot)
    assert administrator.post(f"/admin/api/token/{token.pk}/revoke/", {"reason": ""}).status_code == 422
    assert Token.objects.get().revoked_at is None


def test_by_the_command(remote):
    out, err = io.StringIO(), io.StringIO()
    call_command(
        "api_token", "issue", "robot", "--role", "Operators", "--for", "nightly", "--days", "7", stdout=out, stderr=err
    )
    secret = out.getvalue().strip()
    assert re.fullmatch(r"acp_[\w-]{43}", secret)
    assert secret not in err.getvalue()
    call = Caller(None)
    call.access = call("POST", "/token/refresh", {"refresh_token": secret}).json()["access_token"]
    assert call("GET", "/agents").status_code == 200
    listed = io.StringIO()
    call_command("api_token", "list", stdout=listed)
    assert re.search(r"robot .* nightly", listed.getvalue())
    call_command("api_token", "revoke", str(Token.objects.get().pk), stdout=io.StringIO())
    problem(call("GET", "/agents"), 401, "unauthorized")
    assert Entry.objects.get(kind="token.revoked").actor_name == "system"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["issue", "olga"], "not an active service account"),
        (["issue", "new"], "add --role"),
        (["issue", "new", "--role", "Nonsense"], "add --role"),
        (["issue", "a b", "--role", "Auditors"], "valid username"),
        (["issue", "new", "--role", "Auditors", "--days", "400"], "1 to 366"),
        (["revoke", "4711"], "Token not found"),
    ],
)
def test_the_command_reports_errors(arguments, message):
    person("olga")
    with pytest.raises(CommandError, match=message):
        call_command("api_token", *arguments)
    assert not Token.objects.exists()
    assert not User.objects.filter(username__in=["new", "a b"]).exists()
