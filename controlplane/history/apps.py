from django.apps import AppConfig


class HistoryConfig(AppConfig):
    name = "controlplane.history"
    verbose_name = "History"
