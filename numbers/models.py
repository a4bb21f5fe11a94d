"""The mirrored phone number."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Case, Count, F, Q, Value, When
from django.db.models.functions import Substr
from django.utils import timezone
from django.utils.formats import date_format

from agents.models import Agent
from controlplane.mirror.models import RemoteObject
from controlplane.operations.models import OPEN_STATES, Operation
from controlplane.templatetags.names import visible
from numbers.e164 import grouped

ORPHANED = Q(agent__gone_at__isnull=False)


class State(models.TextChoices):
    """The state of a number as staff see it. Computed from the row and its open operation, not stored."""

    GONE = "gone", "Gone"
    UNCONFIRMED = "unconfirmed", "Unconfirmed"
    PROPAGATING = "propagating", "Importing"
    UNLISTED = "unlisted", "Not listed"
    ORPHANED = "orphaned", "Orphaned"
    ASSIGNED = "assigned", "Assigned"
    UNASSIGNED = "unassigned", "Unassigned"


DEFAULT_STATE = State.UNASSIGNED  # if no condition holds
RESOURCE = "number:"  # followed by the id, the resource that an operation on a number locks


def _conditions() -> dict[State, Q]:
    """The first condition that holds decides the state. The few open operations are queried once for all rows."""
    open_operations = Operation.objects.filter(state__in=OPEN_STATES, resource__startswith=RESOURCE).order_by()
    return {
        State.GONE: Q(gone_at__isnull=False),
        State.UNCONFIRMED: Q(remote_id__in=open_operations.values_list(Substr("resource", len(RESOURCE) + 1))),
        State.PROPAGATING: Q(listed_at=None, gave_up_at=None),
        State.UNLISTED: Q(listed_at=None),
        State.ORPHANED: ORPHANED,
        State.ASSIGNED: ~Q(bound_to=""),
    }


class PhoneNumberQuerySet(models.QuerySet["PhoneNumber"]):
    def existing(self) -> PhoneNumberQuerySet:
        """Leaves out tombstones."""
        return self.filter(gone_at=None)

    def orphaned(self) -> PhoneNumberQuerySet:
        return self.existing().filter(ORPHANED)

    def unlisted(self) -> PhoneNumberQuerySet:
        """Accepted imports that were still not listed when polling ended."""
        return self.existing().filter(listed_at=None, gave_up_at__isnull=False)

    def with_state(self) -> PhoneNumberQuerySet:
        """Adds `state_now`, a `State`."""
        cases = [When(condition, then=Value(state.value)) for state, condition in _conditions().items()]
        return self.annotate(
            state_now=Case(*cases, default=Value(DEFAULT_STATE.value), output_field=models.CharField())
        )

    def in_state(self, state: State) -> PhoneNumberQuerySet:
        """The rows with this state, as conditions on columns instead of on the annotation of `with_state`.

        The database's planner can use indexes for these, and follows the order of a list only as far as the page goes.
        """
        rows = self
        for candidate, condition in _conditions().items():
            if candidate == state:
                return rows.filter(condition)
            rows = rows.filter(~condition)
        return rows

    def count_by_state(self) -> dict[str, int]:
        """{state: count}, without deleted numbers."""
        counts = self.existing().with_state().order_by().values_list(F("state_now")).annotate(count=Count("pk"))
        return dict(counts)


class PhoneNumber(RemoteObject):
    object_type = "number"

    phone_number = models.CharField("number", max_length=300, db_index=True)  # E.164; a SIP user for some trunks
    label = models.CharField(max_length=300, blank=True)
    provider = models.CharField(max_length=40, blank=True)
    agent = models.ForeignKey(Agent, null=True, blank=True, on_delete=models.PROTECT, related_name="numbers")
    bound_to = models.CharField(max_length=64, blank=True)  # the remote's agent id, even if the agent has no row
    branch_id = models.CharField(max_length=64, blank=True)  # of the agent that answers; empty: its main branch
    environment = models.CharField(max_length=300, blank=True)  # whose variables the agent uses; empty: the default
    supports_inbound = models.BooleanField(default=True)
    imported_at = models.DateTimeField(null=True, blank=True)  # when an import from here was accepted
    listed_at = models.DateTimeField(null=True, blank=True)  # when a listing first showed it; empty: propagating
    poll_at = models.DateTimeField(null=True, blank=True)  # when to look for it in the listing next
    poll_from = models.DateTimeField(null=True, blank=True)  # when a user restarted polling; empty: since the import
    gave_up_at = models.DateTimeField(null=True, blank=True)  # when polling ended without finding it in a list

    objects = PhoneNumberQuerySet.as_manager()

    class Meta:
        verbose_name = "number"
        ordering = ["phone_number", "id"]
        permissions = [("assign_phonenumber", "Can assign, move and unassign numbers")]
        indexes = [
            models.Index(fields=["gone_at", "phone_number"], name="number_here"),
            models.Index(fields=["poll_at"], condition=models.Q(poll_at__isnull=False), name="number_to_poll"),
            models.Index(
                fields=["-imported_at"],
                condition=models.Q(imported_at__isnull=False, listed_at__isnull=False),
                name="number_import_listed",
            ),
        ]

    def __str__(self) -> str:
        return self.display_name()

    def display_name(self) -> str:
        return visible(grouped(self.phone_number))

    @property
    def state(self) -> State:
        """The annotation of `with_state`, or a query for this row. Lists should annotate."""
        state = self.__dict__.get("state_now")
        if state is None:
            state = PhoneNumber.objects.with_state().get(pk=self.pk).__dict__["state_now"]
        return State(state)

    @property
    def open_operation(self) -> Operation | None:
        """The operation on this number that is being checked or unconfirmed."""
        return Operation.objects.filter(resource=RESOURCE + self.remote_id, state__in=OPEN_STATES).first()

    @property
    def listing_took(self) -> str:
        """The time between import and listing, such as "4.2 s"; "" if it is not known."""
        if self.imported_at is None or self.listed_at is None:
            return ""
        return f"{(self.listed_at - self.imported_at).total_seconds():.1f} s"

    @property
    def sought_since(self) -> datetime:
        """When the current round of polling started."""
        return self.poll_from or self.imported_at or self.first_seen

    @property
    def sought_each_second(self) -> bool:
        """Whether the number is in the first minute of a round, in which it may be listed at any moment."""
        return self.poll_at is not None and timezone.now() - self.sought_since < timedelta(minutes=1)

    @property
    def accepted_at(self) -> str:
        """ "14:03", or with the date, "1 Dec, 14:03", if that is not today."""
        accepted = timezone.localtime(self.imported_at or self.first_seen)
        return date_format(accepted, "H:i" if accepted.date() == timezone.localdate() else "j M, H:i")

    @property
    def listing_verdict(self) -> str:
        """The message about an import that is not listed after ten minutes, with what to do next. "" before that."""
        if self.gave_up_at is None or self.listed_at is not None or self.gone_at is not None:
            return ""
        fact = f"Accepted by ElevenLabs at {self.accepted_at}, but not listed after 10 minutes"
        if self.missing_since is None:
            return (
                f"{fact}. ElevenLabs knows it by its id, so do not import it again: check again, and if it stays so, "
                "remove it and import it again."
            )
        then = f" It is looked up once more at {timezone.localtime(self.poll_at):%H:%M}." if self.poll_at else ""
        return (
            f"{fact}, and not found by its id either: it was removed there, or never stored.{then} Check again, or "
            "import it again."
        )

    def audit_snapshot(self) -> dict[str, Any]:
        snapshot: dict[str, Any] = {
            "phone_number": self.phone_number,
            "label": self.label,
            "provider": self.provider,
            "agent_id": self.bound_to or None,
            "agent_name": str(self.agent) if self.agent else None,
            "branch_id": self.branch_id or None,
            "environment": self.environment or None,
        }
        return snapshot | {"gone": True} if self.gone_at else snapshot
