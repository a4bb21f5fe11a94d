"""The last heartbeat of each process."""

from django.db import models


class Heartbeat(models.Model):
    """When a type of process was last alive, by the database's clock. Of several workers, the newest counts."""

    name = models.CharField(max_length=20, unique=True)  # "worker", "beat"
    at = models.DateTimeField()
    process = models.TextField()  # host and process id, for display

    class Meta:
        default_permissions = ()  # not editable, and its card requires the permission to view syncs

    def __str__(self) -> str:
        return f"{self.name} ({self.process})"
