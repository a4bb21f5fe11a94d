"""Everybody with a role may read what the lifecycle experiment found."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

GRANTED = ["Operators", "Auditors", "Administrators"]


def grant(apps, schema_editor):
    create_permissions(installed.get_app_config("lifecycle"), verbosity=0, using=schema_editor.connection.alias)
    right = apps.get_model("auth", "Permission").objects.get(
        content_type__app_label="lifecycle", codename="view_report"
    )
    for role in apps.get_model("auth", "Group").objects.filter(name__in=GRANTED):
        role.permissions.add(right)


class Migration(migrations.Migration):
    dependencies = [("controlplane", "0004_verify_history"), ("lifecycle", "0001_initial")]
    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
