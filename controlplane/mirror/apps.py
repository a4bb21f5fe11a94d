from django.apps import AppConfig


class MirrorConfig(AppConfig):
    name = "controlplane.mirror"
    verbose_name = "Sync"
