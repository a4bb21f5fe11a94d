"""The Sync button, and the line in the header that says how old the picture is."""

from celery import current_app
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from controlplane.operations.wake import wake

SYNC_TASK = "numbers.tasks.sync"  # by name: this package is below the one that knows what is listed


@require_POST
@permission_required("mirror.add_syncrun", raise_exception=True)
def start(request: HttpRequest) -> HttpResponse:
    """Ask a worker for a run: nothing remote is listed inside a web request."""
    if wake(current_app.signature(SYNC_TASK), request.user.pk):
        messages.info(request, "Asked a worker to sync. The header shows when the picture is new.")
    else:
        messages.warning(
            request, "The worker could not be reached, so nothing was asked. It syncs by itself every minute."
        )
    back = request.headers.get("Referer", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return redirect(back if safe else "admin:index")


@require_GET
@permission_required("mirror.view_syncrun", raise_exception=True)
def picture(request: HttpRequest) -> HttpResponse:
    since = request.GET.get("since", "")
    return render(
        request, "controlplane/picture.html", {"since": int(since) if since.isdecimal() and len(since) < 10 else 0}
    )
