"""The Celery application. The configuration is Django's `CELERY_*` settings."""

import os

from celery import Celery

from controlplane import folder_broker, redis_broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")

folder_broker.use()
redis_broker.use()
app = Celery("controlplane")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
