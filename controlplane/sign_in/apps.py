from django.apps import AppConfig


class SignInConfig(AppConfig):
    name = "controlplane.sign_in"
    verbose_name = "Sign-in"

    def ready(self) -> None:
        from controlplane.sign_in import backend

        backend.connect()
