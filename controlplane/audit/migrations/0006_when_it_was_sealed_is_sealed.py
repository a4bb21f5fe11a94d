from django.db import migrations, models
from django.utils import timezone


class Migration(migrations.Migration):
    """The time is set by who makes the link, because it is part of the digest. To the database it is the same column:
    nothing is asked of it, so SQLite makes no new table, which would be one without triggers for a moment."""

    dependencies = [
        ("audit", "0005_timeline"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="link",
                    name="sealed_at",
                    field=models.DateTimeField(default=timezone.now),
                ),
            ],
        ),
    ]
