from django.apps import AppConfig


class HealthConfig(AppConfig):
    name = "controlplane.health"
    verbose_name = "Health"

    def ready(self) -> None:
        from controlplane.health import heartbeats

        heartbeats.connect()
