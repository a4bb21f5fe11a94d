"""The WSGI application."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")

application = get_wsgi_application()

from controlplane import statement_timeout  # noqa: E402 - reads the settings

statement_timeout.install()  # no other process imports this module
