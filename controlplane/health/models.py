"""The last heartbeat of each process."""

from django.db import models


class Heartbeat(models.Model):
    """When a kind of process was heard last, by the database's clock. Of several workers, the newest counts."""

    name = models.CharField(max_length=20, unique=True)  # "worker", "beat"
    at = models.DateTimeField()
    process = models.TextField()  # where it runs, for people

    class Meta:
        default_permissions = ()  # nobody edits it, and its card asks for the permission to see syncs

    def __str__(self) -> str:
        return f"{self.name} ({self.process})"
