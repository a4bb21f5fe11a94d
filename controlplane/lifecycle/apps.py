from django.apps import AppConfig


class LifecycleConfig(AppConfig):
    name = "controlplane.lifecycle"
    verbose_name = "API check reports"

    def ready(self) -> None:
        from controlplane.lifecycle import probes  # noqa: F401 - registers them
