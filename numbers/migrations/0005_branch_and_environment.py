from django.db import migrations, models

BATCH_ROWS = 1000
LONGEST_BRANCH_ID, LONGEST_ENVIRONMENT = 64, 300


def fill(apps, schema_editor):
    """What was read with the numbers before: else the next sync would take every branch for an external change."""
    rows = apps.get_model("numbers", "PhoneNumber").objects.using(schema_editor.connection.alias)
    numbers = rows.filter(gone_at=None)
    changed = []
    for number in numbers.only("pk", "remote_data").iterator(BATCH_ROWS):
        bound = number.remote_data.get("assigned_agent") if isinstance(number.remote_data, dict) else None
        if not isinstance(bound, dict) or not bound.get("agent_id"):
            continue
        branch_id, environment = bound.get("branch_id"), bound.get("environment")
        number.branch_id = branch_id if isinstance(branch_id, str) and len(branch_id) <= LONGEST_BRANCH_ID else ""
        number.environment = environment[:LONGEST_ENVIRONMENT] if isinstance(environment, str) else ""
        if number.branch_id or number.environment:
            changed.append(number)
    numbers.bulk_update(changed, ["branch_id", "environment"], batch_size=BATCH_ROWS)


class Migration(migrations.Migration):
    dependencies = [("numbers", "0004_imports_given_up_before")]

    operations = [
        migrations.AddField(
            "phonenumber", "branch_id", models.CharField(blank=True, default="", max_length=64), preserve_default=False
        ),
        migrations.AddField(
            "phonenumber",
            "environment",
            models.CharField(blank=True, default="", max_length=300),
            preserve_default=False,
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
