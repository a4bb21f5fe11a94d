"""Who may see and decide what a sync holds, and what was changed outside this app."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEW = ["view_hold", "view_outsidechange"]
DECIDE = ["decide_hold", "decide_outsidechange"]
GRANTED = {"Operators": VIEW + DECIDE, "Auditors": VIEW, "Administrators": VIEW + DECIDE}


def grant(apps, schema_editor):
    create_permissions(installed.get_app_config("mirror"), verbosity=0, using=schema_editor.connection.alias)
    permission = apps.get_model("auth", "Permission")
    for role in apps.get_model("auth", "Group").objects.filter(name__in=GRANTED):
        role.permissions.add(
            *permission.objects.filter(content_type__app_label="mirror", codename__in=GRANTED[role.name])
        )


class Migration(migrations.Migration):
    dependencies = [("controlplane", "0001_roles"), ("mirror", "0002_runs_holds_outside_changes")]
    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
