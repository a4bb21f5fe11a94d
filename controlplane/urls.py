"""The root URL configuration."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from controlplane.api_assembly import api

handler500 = "controlplane.error_pages.server_error"
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("", include("controlplane.health.urls")),
    path("api/", api.urls),
    path("admin/", admin.site.urls),
]
