"""The database rejects every change and deletion of the history, whatever statement is used."""

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.db import Error, IntegrityError, connection, models, transaction

from agents.models import Agent
from controlplane.audit import chain, ledger, triggers
from controlplane.audit.models import Entry, Link
from controlplane.mirror.models import Hold, OutsideChange, SyncRun
from controlplane.operations.models import ChangeSet, Operation
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests import number_writes as services

pytestmark = pytest.mark.django_db
REFUSED = triggers.REFUSAL.removesuffix(".")
TRUNCATE = "SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE audit_entry CASCADE"
COLUMNS = ", ".join(f'"{field.column}"' for field in Entry._meta.concrete_fields if not field.generated)
AGAIN = f"INTO audit_entry ({COLUMNS}) SELECT {COLUMNS} FROM audit_entry"
UPSERT = f"INSERT {AGAIN} WHERE true ON CONFLICT (id) DO UPDATE SET reason = 'x'"

WAYS = {
    "save": lambda entry: Entry.objects.get(pk=entry.pk).save(),
    "delete": lambda entry: Entry.objects.get(pk=entry.pk).delete(),
    "update": lambda _: Entry.objects.update(reason="x"),
    "bulk_update": lambda entry: Entry.objects.bulk_update([entry], ["reason"]),
    "update_or_create": lambda entry: Entry.objects.update_or_create({"reason": "x"}, pk=entry.pk),
    "delete many": lambda _: Entry.objects.all().delete(),
    "raw delete": lambda _: Entry.objects.all()._raw_delete("default"),
    "SQL update": lambda _: run("UPDATE audit_entry SET actor_name = 'eve'"),
    "SQL delete": lambda _: run("DELETE FROM audit_entry"),
    "SQL update of a link": lambda _: run("UPDATE audit_link SET digest = ''"),
    "SQL delete of a link": lambda _: run("DELETE FROM audit_link"),
    "bulk_create over it": lambda entry: Entry.objects.bulk_create(
        [entry], update_conflicts=True, unique_fields=["id"], update_fields=["reason"]
    ),
    "SQL upsert": lambda _: run(UPSERT),
    "SQL update that ignores conflicts": lambda _: run(
        f"UPDATE {'OR IGNORE ' if connection.vendor == 'sqlite' else ''}audit_entry SET id = id + 1000"
    ),
    "SQL replace of an entry": lambda _: run(f"REPLACE {AGAIN}" if connection.vendor == "sqlite" else UPSERT),
    "SQL replace of a link": lambda entry: run(
        f"INSERT OR REPLACE INTO audit_link SELECT position, {entry.pk} + 1, digest, sealed_at FROM audit_link"
        if connection.vendor == "sqlite"
        else f"INSERT INTO audit_link SELECT position, {entry.pk}, digest, sealed_at FROM audit_link "
        "ON CONFLICT (position) DO UPDATE SET digest = ''"
    ),
    "SQL delete with a join": lambda _: run(
        "DELETE FROM audit_entry USING audit_link WHERE audit_link.entry_id = audit_entry.id"
        if connection.vendor == "postgresql"
        else "DELETE FROM audit_entry WHERE rowid IN (SELECT entry_id FROM audit_link)"
    ),
    "truncate of the links": lambda _: run(
        "TRUNCATE audit_link" if connection.vendor == "postgresql" else "DELETE FROM audit_link WHERE 1"
    ),
    "truncate of the people": lambda _: run(  # it cascades to the rows that reference them
        TRUNCATE.replace("audit_entry", "auth_user") if connection.vendor == "postgresql" else "DELETE FROM audit_entry"
    ),
    "truncate": lambda _: run(TRUNCATE if connection.vendor == "postgresql" else "DELETE FROM audit_entry WHERE 1"),
}


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.parametrize("way", WAYS)
def test_it_is_refused(way, record_entries):
    (entry,) = record_entries(1)
    chain.seal()
    before = list(Entry.objects.values()), list(Link.objects.values())
    with pytest.raises(Error, match=REFUSED), transaction.atomic():
        WAYS[way](entry)
    assert (list(Entry.objects.values()), list(Link.objects.values())) == before


@pytest.fixture
def ada(db) -> User:
    """A user with an entry in the history."""
    ada = User.objects.create_user("ada")
    with transaction.atomic():
        ledger.record(ledger.entry("a", "number", "1", "", cause=ledger.Cause(Entry.Cause.OPERATION, "1", ada, "ada")))
    return ada


def test_a_user_with_entries_cannot_be_deleted(ada):
    with pytest.raises(models.ProtectedError):
        ada.delete()
    with transaction.atomic():
        run(f"DELETE FROM auth_user WHERE id = {ada.pk}")  # bypasses the models
        with pytest.raises(IntegrityError):  # checked as it would be at the commit
            connection.check_constraints()
        transaction.set_rollback(True)
    ada.is_active = False
    ada.save()
    assert Entry.objects.get(kind="a").actor == ada


def test_it_outlives_the_objects_that_it_is_about(remote, ada):
    """Deleting other objects neither deletes nor changes any row of the history."""
    agent = remote.create_agent("Support Bot")
    number = remote.import_number("+15550100001", "Main", agent_id=agent)
    remote.advance(10)
    sync_all()
    op = services.set_label(PhoneNumber.objects.get(), "Front", shown="Main", key="k", actor=ada)
    change_set = services.delete_agent_with_numbers(Agent.objects.get(), None, key="c", actor=ada)
    remote.console("patch_number", number=number, patch={"label": "Console"})
    sync_all()
    assert OutsideChange.objects.exists()
    chain.seal()
    before, links = list(Entry.objects.values()), list(Link.objects.values())
    kinds = {row["kind"] for row in before}
    assert {"operation.done", "number.added", "number.changed", "agent.added"} <= kinds
    for model in (OutsideChange, Operation, ChangeSet, Hold, SyncRun, PhoneNumber, Agent, Group):
        model._default_manager.all().delete()
        assert not model._default_manager.exists()
    after = list(Entry.objects.order_by("-id").values())
    assert after[-len(before) :] == before
    assert {row["kind"] for row in after[: -len(before)]} == {"role.deleted"}
    assert list(Link.objects.values()) == links
    assert (op.actor_name, change_set.actor_name) == ("ada", "ada")
    assert chain.verify().broken == ""


def test_a_rejected_deletion_keeps_the_rows_that_reference_the_entry(record_entries):
    (entry,) = record_entries(1)
    change = OutsideChange.objects.create(entry=entry, object_type="number", object_id=entry.object_id)
    with pytest.raises(Error, match=REFUSED), transaction.atomic():
        Entry.objects.all().delete()  # would cascade to the change
    assert OutsideChange.objects.get() == change


def test_no_page_of_the_admin_changes_it(record_entries, admin_client, admin_user):
    """Not even a superuser can, neither with the forms of the admin nor with its bulk action."""
    (entry,) = record_entries(1)
    chain.seal()
    before = list(Entry.objects.order_by("id").values()), list(Link.objects.values())
    form = {"reason": "x", "actor_name": "x", "kind": "x", "object_type": "x", "_save": "Save", "post": "yes"}
    many = {"action": "delete_selected", "_selected_action": entry.pk, "post": "yes", "index": "0"}
    edited = {"form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 1, "form-0-id": entry.pk, "form-0-reason": "x", "_save": "1"}
    page = "/admin/audit/entry/"
    posts = [("add/", form), (f"{entry.pk}/change/", form), (f"{entry.pk}/delete/", form), ("", many), ("", edited)]
    for path, data in posts:
        answer = admin_client.post(f"{page}{path}", data)
        assert answer.status_code in (200, 403), path
        assert (list(Entry.objects.order_by("id").values()), list(Link.objects.values())) == before, path
    for verb in ("put", "patch", "delete"):
        getattr(admin_client, verb)(f"{page}{entry.pk}/change/")
    admin_client.post("/admin/auth/user/", many | {"_selected_action": admin_user.pk})
    assert (list(Entry.objects.order_by("id").values()), list(Link.objects.values())) == before


def test_a_missing_trigger_is_noticed():
    assert triggers.is_installed()
    run("DROP TRIGGER audit_entry_no_update" + (" ON audit_entry" if connection.vendor == "postgresql" else ""))
    assert not triggers.is_installed()
    triggers.install(connection)
    assert triggers.is_installed()


def test_a_disabled_trigger_is_noticed_and_migrate_restores_it(record_entries, capsys):
    record_entries(1)
    call_command("verify_history")
    if connection.vendor == "postgresql":
        run("SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_no_update")
    else:
        run("DROP TRIGGER audit_entry_no_update")
        run("CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_entry BEGIN SELECT 1; END")
    assert not triggers.is_installed()
    with pytest.raises(CommandError, match="not all there") as caught:
        call_command("verify_history")
    assert caught.value.returncode == 4
    run("UPDATE audit_entry SET reason = 'x'")  # the history can now be changed, and the chain shows that it was
    with pytest.raises(CommandError, match="is not what was sealed") as caught:
        call_command("verify_history")
    assert caught.value.returncode == 3
    call_command("migrate", verbosity=0)
    assert triggers.is_installed()
    with pytest.raises(Error, match=REFUSED), transaction.atomic():
        run("UPDATE audit_entry SET reason = ''")


@pytest.mark.skipif("connection.vendor != 'postgresql'")
def test_a_trigger_with_an_empty_function_is_noticed():
    run("CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$")
    assert not triggers.is_installed()
    triggers.install(connection)
    assert triggers.is_installed()
