"""Who may see, give out and revoke API tokens."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

GRANTED = {"Auditors": ["view_token"], "Administrators": ["view_token", "add_token", "revoke_token"]}


def grant(apps, schema_editor):
    create_permissions(installed.get_app_config("api"), verbosity=0, using=schema_editor.connection.alias)
    permission = apps.get_model("auth", "Permission")
    for role in apps.get_model("auth", "Group").objects.filter(name__in=GRANTED):
        rights = permission.objects.filter(content_type__app_label="api", codename__in=GRANTED[role.name])
        role.permissions.add(*rights)


class Migration(migrations.Migration):
    dependencies = [("api", "0001_tokens"), ("controlplane", "0001_roles")]
    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
