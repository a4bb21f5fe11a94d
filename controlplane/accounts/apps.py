from django.apps import AppConfig, apps


class AccountsConfig(AppConfig):
    name = "controlplane.accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        """Sets the pages' names for Django's users and groups, outside of migrations, and connects the guard of the
        last superuser."""
        from controlplane.accounts import last_superuser

        last_superuser.connect()
        auth = apps.get_app_config("auth")
        auth.verbose_name = "People"
        role = auth.get_model("group")._meta
        role.verbose_name, role.verbose_name_plural = "role", "roles"
