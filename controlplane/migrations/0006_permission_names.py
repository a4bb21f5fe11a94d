"""Names of permissions as the pages show them now: Django creates permissions, but never renames them."""

from django.db import migrations

EXPORT = ("audit", "export_entry")
ASSIGN = ("numbers", "assign_phonenumber")
DECIDE = ("mirror", "decide_outsidechange")
NAMES = {  # (app, codename): the name before, the name now
    EXPORT: ("Can take history away as a file", "Can export history"),
    ASSIGN: ("Can assign, move and release numbers", "Can assign, move and unassign numbers"),
    DECIDE: ("Can adopt and ignore outside changes", "Can accept and dismiss external changes"),
    **{
        ("mirror", f"{verb}_outsidechange"): (f"Can {verb} outside change", f"Can {verb} external change")
        for verb in ("add", "change", "delete", "view")
    },
}


def rename(apps, schema_editor):
    _rename(apps, schema_editor, {key: now for key, (_before, now) in NAMES.items()})


def name_back(apps, schema_editor):
    _rename(apps, schema_editor, {key: before for key, (before, _now) in NAMES.items()})


def _rename(apps, schema_editor, names):
    permissions = apps.get_model("auth", "Permission").objects.using(schema_editor.connection.alias)
    for (app, codename), name in names.items():
        permissions.filter(content_type__app_label=app, codename=codename).update(name=name)


class Migration(migrations.Migration):
    dependencies = [
        ("controlplane", "0005_view_findings"),
        ("audit", "0007_export_and_verification_words"),
        ("mirror", "0004_external_change_words"),
        ("numbers", "0006_permission_to_unassign"),
    ]
    operations = [migrations.RunPython(rename, name_back)]
