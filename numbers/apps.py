from django.apps import AppConfig


class NumbersConfig(AppConfig):
    name = "numbers"
    verbose_name = "Numbers"

    def ready(self) -> None:
        from controlplane.mirror import runs
        from numbers import actions, tasks  # noqa: F401 - registers the actions

        runs.provide_task(tasks.sync)
