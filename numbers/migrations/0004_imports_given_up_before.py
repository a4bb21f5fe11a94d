"""Imports that were given up before this was noted: in no list, and not looked for any more."""

from datetime import timedelta

from django.db import migrations
from django.db.models import F


def note(apps, schema_editor):
    numbers = apps.get_model("numbers", "PhoneNumber").objects.using(schema_editor.connection.alias)
    given_up = numbers.filter(gone_at=None, listed_at=None, poll_at=None, imported_at__isnull=False)
    given_up.update(gave_up_at=F("imported_at") + timedelta(minutes=10))


class Migration(migrations.Migration):
    dependencies = [("numbers", "0003_rounds_of_looks")]
    operations = [migrations.RunPython(note, migrations.RunPython.noop)]
