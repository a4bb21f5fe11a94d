"""`evidence` was a sentence; it is a code now, and the sentence is made from it."""

from django.db import migrations, models

CODES = {
    "Read from ElevenLabs before sending.": "checked",
    "Nothing was sent.": "not_read",
    "No request was recorded.": "not_recorded",
    "The request never left this machine.": "never_left",
    "ElevenLabs answered the request.": "answered",
}


def to_codes(apps, schema_editor):
    rows = apps.get_model("operations", "Operation").objects
    for sentence, code in CODES.items():
        rows.filter(evidence=sentence).update(evidence=code)
    rows.filter(evidence__startswith="Read back").update(evidence="read_back")
    rows.exclude(evidence__in=[*CODES.values(), "read_back"]).update(evidence="")


def to_sentences(apps, schema_editor):
    rows = apps.get_model("operations", "Operation").objects
    for sentence, code in CODES.items():
        rows.filter(evidence=code).update(evidence=sentence)
    rows.filter(evidence="read_back").update(evidence="Read back from ElevenLabs.")


class Migration(migrations.Migration):
    atomic = True
    dependencies = [("operations", "0005_field_names")]
    operations = [
        migrations.AddField("operation", "reason_code", models.CharField(blank=True, max_length=40, default=""), False),
        migrations.RunPython(to_codes, to_sentences),
    ]
