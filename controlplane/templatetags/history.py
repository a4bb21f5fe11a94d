"""Template tags of the history."""

from django import template

from controlplane.audit import verification
from controlplane.audit.models import Verification

register = template.Library()


@register.simple_tag
def not_whole() -> Verification | None:
    """The newest verification, if it found that the history was altered or is unprotected."""
    found = verification.newest()
    return found if found and found.problem else None
