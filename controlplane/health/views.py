"""`/healthz` and `/readyz` for machines, and a health card for staff."""

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe

from controlplane.health import status


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Liveness. Checks nothing but the process, so that it is not restarted because of a failing dependency."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Readiness, for monitoring: 200, or 503 and which part is not ready."""
    parts = status.parts()
    ready = status.is_ready(parts)
    checks = {
        part.name: {"state": part.level, "seconds": part.seconds if part.seconds is None else round(part.seconds, 3)}
        for part in parts
    }
    return JsonResponse({"ready": ready, "checks": checks}, status=200 if ready else 503)


@require_GET
@permission_required("mirror.view_syncrun", raise_exception=True)
def card(request: HttpRequest) -> HttpResponse:
    return render(request, "health/card.html", {"parts": status.parts()})
