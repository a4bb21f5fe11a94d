from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("operations", "0004_error_fields")]
    operations = [
        migrations.RenameField("operation", "wanted", "params"),
        migrations.RenameField("operation", "names", "display_names"),
        migrations.RenameField("operation", "seen", "observed"),
        migrations.RenameField("operation", "known_by", "evidence"),
    ]
