"""The 503 response for a database that failed. The details are in the log only."""

import sys

from django.conf import settings
from django.db import Error, InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views import defaults

from controlplane.audit.unavailable import may_have_been_sent
from controlplane.statement_timeout import took_too_long

UNUSABLE: tuple[type[Error], ...] = (OperationalError, InterfaceError, InternalError)  # locked, full, read-only, down
UNUSABLE_WORDS = (
    "The database cannot be used at the moment: it may be locked, full, set to read only, or down. Try again in a "
    "minute. If it persists, contact the administrator of the database; details are in the server's log."
)


def too_long_words() -> str:
    return (
        f"The database needed more than {settings.WEB_STATEMENT_TIMEOUT:g} seconds for this, so it was stopped. Search "
        "for something more exact, or set more filters. If it happens without a search as well, contact the "
        "administrator of the database."
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler for unhandled exceptions of views and middleware. If something may have been sent to ElevenLabs,
    the default error page says where to look."""
    error = sys.exc_info()[1]
    if not isinstance(error, UNUSABLE) or may_have_been_sent():
        return defaults.server_error(request)
    is_slow = took_too_long(error)
    context = {"is_slow": is_slow, "words": too_long_words() if is_slow else UNUSABLE_WORDS}
    return HttpResponse(render_to_string("database_failed.html", context), status=503)
