"""A migration of its own, because PostgreSQL does not alter a table in the transaction that has changed its rows."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("operations", "0006_evidence_codes")]
    operations = [
        migrations.AlterField(
            "operation",
            "evidence",
            models.CharField(
                blank=True,
                choices=[
                    ("checked", "Read from ElevenLabs before sending."),
                    ("not_read", "Nothing was sent."),
                    ("not_recorded", "No request was recorded."),
                    ("never_left", "The request never left this machine."),
                    ("answered", "ElevenLabs answered the request."),
                    ("read_back", "Read back from ElevenLabs."),
                ],
                max_length=20,
            ),
        ),
    ]
