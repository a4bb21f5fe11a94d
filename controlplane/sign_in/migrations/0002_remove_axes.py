"""django-axes did this before. Its tables hold what was typed as a user name, which may be a password."""

from django.db import migrations

TABLES = ["axes_accessattemptexpiration", "axes_accessattempt", "axes_accesslog", "axes_accessfailurelog"]


def remove_axes(apps, schema_editor):
    quote = schema_editor.connection.ops.quote_name
    for table in TABLES:
        schema_editor.execute(f"DROP TABLE IF EXISTS {quote(table)}")
    # Its migrations are forgotten too, so that a return to the previous version makes the tables again.
    schema_editor.execute("DELETE FROM django_migrations WHERE app = 'axes'")
    apps.get_model("contenttypes", "ContentType").objects.filter(app_label="axes").delete()


class Migration(migrations.Migration):
    dependencies = [
        ("sign_in", "0001_failure_counts"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(remove_axes, migrations.RunPython.noop, elidable=True)]
