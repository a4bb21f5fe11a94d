from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AuditConfig(AppConfig):
    name = "controlplane.audit"
    verbose_name = "History"

    def ready(self) -> None:
        from controlplane.audit import auth_events

        post_migrate.connect(protect, sender=self)
        auth_events.connect()


def protect(using: str, **more: Any) -> None:
    """After each `migrate`: on SQLite, altering a table recreates it without its triggers."""
    from django.db import connections

    from controlplane.audit import triggers

    triggers.install(connections[using])
