from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "controlplane.operations"
    verbose_name = "Activity"
