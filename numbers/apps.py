from django.apps import AppConfig


class NumbersConfig(AppConfig):
    name = "numbers"
    verbose_name = "Numbers"

    def ready(self) -> None:
        from numbers import actions, import_action  # noqa: F401 - registers the actions
