"""The database refuses to change or remove what was written, whoever asks and however."""

import pytest
from django.contrib.auth.models import User
from django.db import Error, connection, models, transaction

from controlplane.audit import chain, guard, ledger
from controlplane.audit.models import Entry, Link

pytestmark = pytest.mark.django_db
REFUSED = guard.REFUSAL.removesuffix(".")
TRUNCATE = "SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE audit_entry CASCADE"

WAYS = {
    "save": lambda entry: Entry.objects.get(pk=entry.pk).save(),
    "delete": lambda entry: Entry.objects.get(pk=entry.pk).delete(),
    "update": lambda _: Entry.objects.update(reason="x"),
    "bulk_update": lambda entry: Entry.objects.bulk_update([entry], ["reason"]),
    "update_or_create": lambda entry: Entry.objects.update_or_create({"reason": "x"}, pk=entry.pk),
    "delete many": lambda _: Entry.objects.all().delete(),
    "raw delete": lambda _: Entry.objects.all()._raw_delete("default"),
    "SQL update": lambda _: run("UPDATE audit_entry SET actor_name = 'somebody else'"),
    "SQL delete": lambda _: run("DELETE FROM audit_entry"),
    "SQL update of a link": lambda _: run("UPDATE audit_link SET digest = ''"),
    "SQL delete of a link": lambda _: run("DELETE FROM audit_link"),
    "SQL replace": lambda entry: run(
        f"INSERT OR REPLACE INTO audit_link SELECT position, {entry.pk} + 1, digest, sealed_at FROM audit_link"
        if connection.vendor == "sqlite"
        else f"INSERT INTO audit_link SELECT position, {entry.pk}, digest, sealed_at FROM audit_link "
        "ON CONFLICT (position) DO UPDATE SET digest = ''"
    ),
    "truncate": lambda _: run(TRUNCATE if connection.vendor == "postgresql" else "DELETE FROM audit_entry WHERE 1"),
}


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.parametrize("way", WAYS)
def test_it_is_refused(way, told):
    (entry,) = told(1)
    chain.seal()
    before = list(Entry.objects.values()), list(Link.objects.values())
    with pytest.raises(Error, match=REFUSED), transaction.atomic():
        WAYS[way](entry)
    assert (list(Entry.objects.values()), list(Link.objects.values())) == before


def test_a_person_who_stands_in_it_cannot_be_deleted(told):
    ada = User.objects.create_user("ada")
    with transaction.atomic():
        ledger.record(ledger.entry("a", "number", "1", "", cause=ledger.Cause(Entry.Cause.OPERATION, "1", ada, "ada")))
    with pytest.raises(models.ProtectedError):
        ada.delete()
    ada.is_active = False
    ada.save()
    assert Entry.objects.get(kind="a").actor == ada


def test_the_guard_is_missed_when_it_is_gone():
    assert guard.is_installed()
    run("DROP TRIGGER audit_entry_no_update" + (" ON audit_entry" if connection.vendor == "postgresql" else ""))
    assert not guard.is_installed()
    guard.install(connection)
    assert guard.is_installed()
