"""The three roles. Later changes that staff make to them are left alone: a migration runs once."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEW = [
    "agents.view_agent",
    "numbers.view_phonenumber",
    "operations.view_operation",
    "operations.view_changeset",
    "mirror.view_syncrun",
    "audit.view_entry",
]
OPERATE = [
    "agents.add_agent",
    "agents.change_agent",
    "agents.delete_agent",
    "agents.archive_agent",
    "agents.duplicate_agent",
    "numbers.add_phonenumber",
    "numbers.change_phonenumber",
    "numbers.delete_phonenumber",
    "numbers.assign_phonenumber",
    "operations.settle_operation",
    "operations.resume_changeset",
    "mirror.add_syncrun",
]
PEOPLE = [f"auth.{verb}_{model}" for verb in ("view", "add", "change") for model in ("user", "group")]

ROLES = {
    "Operators": VIEW + OPERATE,
    "Auditors": [*VIEW, "auth.view_user", "auth.view_group"],
    "Administrators": VIEW + OPERATE + PEOPLE,
}


def make_roles(apps, schema_editor):
    for label in ("agents", "numbers", "operations", "mirror", "audit", "auth"):
        create_permissions(installed.get_app_config(label), verbosity=0, using=schema_editor.connection.alias)
    group = apps.get_model("auth", "Group")
    permission = apps.get_model("auth", "Permission")
    for name, codes in ROLES.items():
        role, _ = group.objects.get_or_create(name=name)
        for code in codes:
            label, codename = code.split(".")
            role.permissions.add(permission.objects.get(content_type__app_label=label, codename=codename))


def drop_roles(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name__in=ROLES).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0001_initial"),
        ("numbers", "0001_initial"),
        ("operations", "0001_initial"),
        ("mirror", "0001_initial"),
        ("audit", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(make_roles, drop_roles)]
