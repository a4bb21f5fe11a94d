"""Who may have the history verified."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

GRANTED = ["Auditors", "Administrators"]


def grant(apps, schema_editor):
    create_permissions(installed.get_app_config("audit"), verbosity=0, using=schema_editor.connection.alias)
    right = apps.get_model("auth", "Permission").objects.get(
        content_type__app_label="audit", codename="add_verification"
    )
    for role in apps.get_model("auth", "Group").objects.filter(name__in=GRANTED):
        role.permissions.add(right)


class Migration(migrations.Migration):
    dependencies = [("controlplane", "0003_export_history"), ("audit", "0003_verification")]
    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
