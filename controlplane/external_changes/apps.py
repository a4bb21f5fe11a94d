from django.apps import AppConfig


class ExternalChangesConfig(AppConfig):
    name = "controlplane.external_changes"
    verbose_name = "External changes"
