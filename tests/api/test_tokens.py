"""Who gets a token, how long it is valid, and what ends it."""

from datetime import timedelta

import jwt
import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from controlplane.accounts.purge_expired import purge_expired
from controlplane.api import tokens
from controlplane.api.models import Request, Token
from controlplane.audit.models import Entry
from controlplane.operations.models import Operation
from tests.api.caller import Caller, person, problem, service

pytestmark = pytest.mark.django_db
PASSWORD = "a right password"


def sign_in(username: str, password: str, client: Client | None = None, **more: str):
    body = {"username": username, "password": password, **more}
    return (client or Client()).post("/api/token", body, content_type="application/json")


def test_a_person_signs_in_renews_and_signs_out(remote):
    person("olga", "Operators")
    answer = sign_in("olga", PASSWORD, name="my script")
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert not answer.cookies
    pair = answer.json()
    assert (pair["token_type"], pair["expires_in"]) == ("Bearer", 900)
    call = Caller(None)
    call.access = pair["access_token"]
    assert call.get("/agents") == {"items": [], "next": None}

    renewed = call("POST", "/token/refresh", {"refresh_token": pair["refresh_token"]})
    call.access = renewed.json()["access_token"]
    assert call("GET", "/agents").status_code == 200
    assert Token.objects.get().refreshed_at is not None

    for _ in range(2):  # also of a revoked token
        assert call("POST", "/token/revoke", {"refresh_token": pair["refresh_token"]}).status_code == 204
    problem(call("GET", "/agents"), 401, "unauthorized")
    problem(call("POST", "/token/refresh", {"refresh_token": pair["refresh_token"]}), 401, "unauthorized")
    kinds = list(Entry.objects.filter(actor_name="olga").order_by("pk").values_list("kind", flat=True))
    assert kinds == ["person.signed_in", "token.issued", "token.revoked"]


def test_nothing_that_opens_anything_is_kept(remote):
    olga = person("olga")
    pair = sign_in("olga", PASSWORD).json()
    kept = str([*Token.objects.values(), *Entry.objects.values()])
    for secret in (pair["refresh_token"], pair["access_token"], PASSWORD):
        assert secret not in kept
    assert pair["refresh_token"] not in str(jwt.decode(pair["access_token"], options={"verify_signature": False}))
    assert olga.api_tokens.get().name == "signed in with a password"


@pytest.mark.parametrize("what", ["deactivated", "no staff", "new password", "revoked", "expired"])
def test_a_token_ends_immediately_with_the_access_it_represents(what, remote):
    olga = person("olga", "Operators")
    call = Caller(olga)
    assert call("GET", "/agents").status_code == 200
    match what:
        case "deactivated":
            olga.is_active = False
            olga.save()
        case "no staff":
            olga.is_staff = False
            olga.save()
        case "new password":
            olga.set_password("another")
            olga.save()
        case "revoked":
            tokens.revoke(call.token, by=None, by_name="system")
        case "expired":
            Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    problem(call("GET", "/agents"), 401, "unauthorized")
    problem(call("POST", "/agents", {"name": "x"}), 401, "unauthorized")
    problem(call("POST", "/token/refresh", {"refresh_token": call.refresh_token}), 401, "unauthorized")
    assert remote.calls(method="POST", path="/v1/*") == []


def test_a_right_that_is_taken_away_is_gone_at_once(remote):
    olga = person("olga", "Operators")
    call = Caller(olga)
    assert call("POST", "/sync").status_code == 202
    olga.groups.set([Group.objects.get(name="Auditors")])
    problem(call("POST", "/sync"), 403, "forbidden")
    assert call("GET", "/agents").status_code == 200


def test_an_access_token_is_short_lived_and_not_to_be_forged(remote, settings, time_machine):
    time_machine.move_to(timezone.now(), tick=False)
    olga = person("olga", "Operators")
    call = Caller(olga)
    good, claims = call.access, jwt.decode(call.access, options={"verify_signature": False})
    other = Caller(person("otto", "Auditors"))
    signing_key = tokens._signing_key(settings.SECRET_KEY)
    forged = [
        jwt.encode(claims, "a guess that is long enough for the algorithm", algorithm="HS256"),
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode({**claims, "sub": str(other.user.pk)}, signing_key, algorithm="HS256"),
        jwt.encode({**claims, "aud": "another"}, signing_key, algorithm="HS256"),
        jwt.encode({k: v for k, v in claims.items() if k != "exp"}, signing_key, algorithm="HS256"),
        call.refresh_token,
        good[:-2],
        *("x", "a.b.c", "é" * 40, "." * 5000, ""),
    ]
    for text in forged:
        call.access = text
        problem(call("GET", "/agents", Authorization=f"Bearer {text}"), 401, "unauthorized")
    call.access = good
    for scheme in (f"Basic {good}", f"bearer{good}", "Bearer", good):
        problem(call("GET", "/agents", Authorization=scheme), 401, "unauthorized")
    assert call("GET", "/agents", Authorization=f"bearer {good}").status_code == 200
    time_machine.shift(timedelta(minutes=15, seconds=1))
    problem(call("GET", "/agents"), 401, "unauthorized")
    assert call("POST", "/token/refresh", {"refresh_token": call.refresh_token}).status_code == 200


def test_a_session_of_the_admin_opens_nothing_here(operator, remote):
    assert operator.get("/admin/agents/agent/").status_code == 200
    problem(operator.get("/api/agents"), 401, "unauthorized")
    problem(operator.post("/api/agents", {"name": "x"}, content_type="application/json"), 401, "unauthorized")


def test_a_token_opens_nothing_of_the_admin(remote):
    call = Caller(person("olga", "Operators"))
    answer = Client().get("/admin/agents/agent/", headers={"Authorization": f"Bearer {call.access}"})
    assert answer.status_code == 302


def test_a_service_account_has_the_api_and_no_admin(remote):
    robot = service("deploy-robot", "Operators")
    call = Caller(robot)
    assert call("POST", "/agents", {"name": "New"}).status_code == 201
    assert Entry.objects.get(kind="agent.added").actor_name == "deploy-robot"
    for password in ("", "x", robot.password):
        assert Client().post("/admin/login/", {"username": "deploy-robot", "password": password}).status_code == 200
        assert sign_in("deploy-robot", password or " ").status_code == 401


def test_who_is_no_staff_and_has_a_password_gets_no_token(remote):
    user = person("former")
    user.is_staff = False
    user.save()
    problem(sign_in("former", PASSWORD), 401, "unauthorized")


def test_user_names_cannot_be_enumerated(remote):
    person("olga")
    assert sign_in("olga", "wrong").content == sign_in("nobody", "wrong").content


def test_signing_in_with_a_password_can_be_switched_off(settings, remote):
    person("olga")
    settings.API_PASSWORD_SIGN_IN = False
    problem(sign_in("olga", PASSWORD), 403, "forbidden")


def test_each_token_has_its_own_rate_and_a_retry_after_header(settings, remote, time_machine):
    settings.API_RATE_PER_MINUTE = 3
    time_machine.move_to("2026-11-24 12:00:00+00:00", tick=False)
    call, other = Caller(person("olga", "Operators")), Caller(person("otto", "Operators"))
    assert [call("GET", "/agents").status_code for _ in range(4)] == [200, 200, 200, 429]
    response = call("GET", "/agents")
    problem(response, 429, "too-many")
    assert response["Retry-After"] == "20"
    problem(call("POST", "/token/refresh", {"refresh_token": call.refresh_token}), 429, "too-many")
    assert other("GET", "/agents").status_code == 200
    time_machine.shift(19)
    assert call("GET", "/agents").status_code == 429
    time_machine.shift(1)
    assert [call("GET", "/agents").status_code for _ in range(2)] == [200, 429]
    time_machine.shift(600)
    assert [call("GET", "/agents").status_code for _ in range(4)] == [200, 200, 200, 429]


def test_what_ended_long_ago_is_forgotten_and_its_keys_too(remote, settings):
    call = Caller(person("olga", "Operators"))
    assert call("POST", "/agents", {"name": "New"}, key="k").status_code == 201
    old = timezone.now() - timedelta(days=31)
    tokens.issue(call.user, name="old", lives=timedelta(days=-31), by=None, by_name="system")
    recent, _ = tokens.issue(call.user, name="recent", lives=timedelta(days=-29), by=None, by_name="system")
    assert purge_expired() == 2  # the token and its rate limit
    assert set(Token.objects.all()) == {call.token, recent}
    Request.objects.update(created_at=old)
    assert purge_expired() == 1
    # The operation keeps the key, so the same request is not carried out twice.
    assert call("POST", "/agents", {"name": "New"}, key="k").json()["id"] == Operation.objects.get().pk
    assert call("POST", "/agents", {"name": "Another"}, key="k").status_code == 409
