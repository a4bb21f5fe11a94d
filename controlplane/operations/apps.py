from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "controlplane.operations"
    verbose_name = "Activity"

    def ready(self) -> None:
        from controlplane.mirror import write_log
        from controlplane.operations.write_log import OperationLog

        write_log.provide(OperationLog())
