from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "controlplane.audit"
    verbose_name = "History"
