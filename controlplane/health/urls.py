"""URLs of the health endpoints."""

from django.contrib import admin
from django.urls import path

from controlplane.health import views

urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("admin/health/", admin.site.admin_view(views.card), name="health_card"),
]
