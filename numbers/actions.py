"""Actions on a phone number: assign (assign, move, unassign), edit label, remove."""

from typing import Any

from django.db.models import Q
from django.utils import timezone

from agents import mirror as agent_mirror
from agents.actions import ArchiveAgent, DeleteAgent
from agents.services import ARCHIVED
from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import ElevenLabs, NotFound
from controlplane.elevenlabs import PhoneNumber as RemoteNumber
from controlplane.mirror.upsert import Reading
from controlplane.operations.actions import Action, NothingToDo, PreconditionFailed, Reply, Secrets, Verdict, register
from controlplane.operations.models import OPEN_STATES, Operation, State
from numbers import mirror
from numbers.import_polling import GIVE_UP_AFTER
from numbers.models import PhoneNumber

UNASSIGNED = "no agent"
BRANCH_FIELDS = ("branch_id", "environment")  # the fields of a binding other than its agent


class _OnNumber(Action):
    """Base of the actions on an existing number."""

    object_type = "number"

    def read_back(self, client: ElevenLabs, op: Operation) -> dict[str, Any] | None:
        return get_number(client, op.object_id)

    def existing(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        """GET the number for a precheck. Raises PreconditionFailed if it does not exist."""
        number = get_number(client, op.object_id)
        if number is None:
            _refuse_while_importing(op)
            mirror.mark_missing(op.object_id)
            raise PreconditionFailed(
                f"{op.display_names['object']} is not in ElevenLabs any more: it was removed there."
            )
        op.precheck_object = number
        return number

    def store(self, op: Operation, observed: dict[str, Any] | None, cause: Cause) -> None:
        if observed is not None:
            mirror.upsert_row(observed, cause, Reading.by(op))
        elif op.state == State.DONE and self.removes:
            mirror.mark_gone(op.object_id, cause)


@register
class AssignNumber(_OnNumber):
    """`params`: agent_id (None unassigns) and shown, the agent id that the page showed. One PATCH, also for a move.

    A branch belongs to one agent, so it is cleared when the agent changes. `params` may also contain branch_id and
    environment: these are then set as given, provided that they still are as `shown_binding` says. That is how an undo
    restores them.
    """

    name = "number.assign"

    def title(self, op: Operation) -> str:
        number, old, new = op.display_names["object"], op.display_names["from"], op.display_names["to"]
        if op.params["agent_id"] is None:
            return f"Unassign {number} from {old}"
        if self._keeps_agent(op):
            return f"Set the {self._given_labels(op)} of {number}, which {new} answers"
        return f"Move {number} from {old} to {new}" if op.params["shown"] else f"Assign {number} to {new}"

    def success_message(self, op: Operation) -> str:
        number, old, new = op.display_names["object"], op.display_names["from"], op.display_names["to"]
        if op.params["agent_id"] is None:
            return f"Unassigned {number} from {old}. Calls to this number will not be answered by an agent."
        if self._keeps_agent(op):
            return f"Set the {self._given_labels(op)} of {number}, which {new} answers."
        if op.params["shown"]:
            return f"Moved {number} from {old} to {new}. Calls that come in from now on are answered by {new}."
        return f"Assigned {number} to {new}. Calls that come in from now on are answered by {new}."

    def precheck(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        requested = op.params["agent_id"]
        if requested is not None:
            check_agent(client, requested, op.display_names["to"])
        number = self.existing(client, op)
        now = RemoteNumber.parse(number).agent_id
        if now == requested and self._has_given_fields(op, number):
            raise NothingToDo(
                f"{op.display_names['object']} is already with {op.display_names['to']}; nothing was sent.",
                observed=number,
            )
        if now != op.params["shown"]:
            raise PreconditionFailed(
                f"{op.display_names['object']} is with {agent_name(number)} now, no longer with "
                f"{op.display_names['from']}: it was changed meanwhile.",
                observed=number,
            )
        for name, shown in op.params.get("shown_binding", {}).items():
            if (current := binding(number)[name]) not in (shown, op.params[name]):
                field = f"The {_field_label(name)} of {op.display_names['object']}"
                message = f"{field} is {current or 'none'} now: it was changed meanwhile."
                raise PreconditionFailed(message, observed=number)
        if requested is not None and number.get("supports_inbound") is False:
            raise PreconditionFailed(
                f"{op.display_names['object']} can only call out; ElevenLabs cannot assign it to an agent.",
                observed=number,
            )
        return binding(number)

    def send(self, client: ElevenLabs, op: Operation, secrets: Secrets) -> Reply:
        patch = {name: op.params[name] for name in ("agent_id", *BRANCH_FIELDS) if name in op.params}
        if self._clears_branch(op):
            patch["branch_id"] = None
        return Reply(op.object_id, client.update_number(op.object_id, patch).raw)

    def reconcile(self, op: Operation, observed: dict[str, Any] | None) -> Verdict:
        if observed is None:
            return Verdict(State.OVERTAKEN, "The number was removed from ElevenLabs meanwhile.")
        before, now = op.before or {}, binding(observed)
        if now["agent_id"] not in (op.params["agent_id"], before.get("agent_id")):
            message = f"Read back: it is with {agent_name(observed)} now; it was changed meanwhile."
            return Verdict(State.OVERTAKEN, message)
        if before.get("agent_id") != op.params["agent_id"]:
            if now["agent_id"] == op.params["agent_id"]:
                return self._done(op, now)
            return Verdict(
                State.NOT_APPLIED, f"Read back: it is still with {agent_name(observed)}. It is safe to do it again."
            )
        changing = [name for name in self._given_fields(op) if before.get(name) != op.params[name]]
        if any(now[name] == op.params[name] for name in changing):
            return self._done(op, now)
        overtaken = [name for name in changing if now[name] != before.get(name)]
        if overtaken:
            values = ", ".join(f"the {_field_label(name)} is {now[name] or 'none'}" for name in overtaken)
            return Verdict(State.OVERTAKEN, f"Read back: {values} now; it was changed meanwhile.")
        return Verdict(State.NOT_APPLIED, "Read back: nothing changed. It is safe to do it again.")

    def _done(self, op: Operation, now: dict[str, Any]) -> Verdict:
        before, branch, environment = op.before or {}, now["branch_id"], now["environment"]
        not_kept = [_field_label(name) for name in self._given_fields(op) if now[name] != op.params[name]]
        notes = []
        if self._clears_branch(op):
            cleared = before["branch_id"]
            if branch == cleared:
                not_kept.append("branch")
                notes.append(f"It still shows the branch {cleared} of the agent before.")
            else:
                notes.append(f"The branch {cleared} of {op.display_names['from']} was cleared.")
        elif branch and "branch_id" not in op.params:
            notes.append(f"ElevenLabs shows the branch {branch} for it, which was not requested.")
        if environment and "environment" not in op.params:
            notes.append(f"It uses the environment {environment}.")
        return Verdict(State.DONE, " ".join(notes), not_kept)

    def _clears_branch(self, op: Operation) -> bool:
        before = op.before or {}
        moves = before.get("agent_id") != op.params["agent_id"]
        return bool(moves and before.get("branch_id") and "branch_id" not in op.params)

    def _has_given_fields(self, op: Operation, number: dict[str, Any]) -> bool:
        now = binding(number)
        return all(now[name] == op.params[name] for name in self._given_fields(op))

    def _keeps_agent(self, op: Operation) -> bool:
        return bool(op.params["agent_id"] == op.params["shown"] and self._given_fields(op))

    def _given_labels(self, op: Operation) -> str:
        return " and ".join(map(_field_label, self._given_fields(op)))

    def _given_fields(self, op: Operation) -> list[str]:
        """Those of branch_id and environment that `params` contains."""
        return [name for name in BRANCH_FIELDS if name in op.params]

    def summarize(self, op: Operation, observed: dict[str, Any]) -> dict[str, Any]:
        return binding(observed)


@register
class RenameNumber(_OnNumber):
    """`params`: label and shown, the label that the page showed."""

    name = "number.rename"

    def title(self, op: Operation) -> str:
        return f"Label {op.display_names['object']} “{op.params['label']}”"

    def success_message(self, op: Operation) -> str:
        return f"Labelled {op.display_names['object']} “{op.params['label']}”."

    def precheck(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        number = self.existing(client, op)
        now = number.get("label")
        if now == op.params["label"]:
            raise NothingToDo(
                f"{op.display_names['object']} already has this label; nothing was sent.", observed=number
            )
        if now != op.params["shown"]:
            raise PreconditionFailed(
                f"{op.display_names['object']} is labelled “{now}” now: it was changed meanwhile.", observed=number
            )
        return self.summarize(op, number)

    def send(self, client: ElevenLabs, op: Operation, secrets: Secrets) -> Reply:
        return Reply(op.object_id, client.update_number(op.object_id, {"label": op.params["label"]}).raw)

    def reconcile(self, op: Operation, observed: dict[str, Any] | None) -> Verdict:
        if observed is None:
            return Verdict(State.OVERTAKEN, "The number was removed from ElevenLabs meanwhile.")
        if observed.get("label") == op.params["label"]:
            return Verdict(State.DONE)
        if observed.get("label") == (op.before or {}).get("label"):
            return Verdict(State.NOT_APPLIED, "Read back: the label is the old one. It is safe to do it again.")
        return Verdict(State.OVERTAKEN, f"Read back: the label is “{observed.get('label')}” now.")

    def summarize(self, op: Operation, observed: dict[str, Any]) -> dict[str, Any]:
        return {"label": observed.get("label")}


@register
class RemoveNumber(_OnNumber):
    name = "number.remove"
    removes = True

    def title(self, op: Operation) -> str:
        return f"Remove {op.display_names['object']} from ElevenLabs"

    def success_message(self, op: Operation) -> str:
        return (
            f"Removed {op.display_names['object']} from ElevenLabs. It stays yours at Twilio, where its webhook may "
            "still point to ElevenLabs."
        )

    def precheck(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        number = get_number(client, op.object_id)
        if number is None:
            _refuse_while_importing(op)
            raise NothingToDo(f"{op.display_names['object']} was already gone at ElevenLabs; nothing was sent.")
        now = RemoteNumber.parse(number).agent_id
        if now != op.params["shown"]:
            raise PreconditionFailed(
                f"{op.display_names['object']} is with {agent_name(number)} now: it was changed meanwhile.",
                observed=number,
            )
        return binding(number)

    def send(self, client: ElevenLabs, op: Operation, secrets: Secrets) -> Reply:
        client.delete_number(op.object_id)
        return Reply(op.object_id)

    def reconcile(self, op: Operation, observed: dict[str, Any] | None) -> Verdict:
        if observed is None:
            return Verdict(State.DONE)
        return Verdict(State.NOT_APPLIED, "Read back: the number is still there. It is safe to remove it again.")

    def summarize(self, op: Operation, observed: dict[str, Any]) -> dict[str, Any]:
        return binding(observed)


def _refuse_while_importing(op: Operation) -> None:
    """Raises PreconditionFailed while the import is still polled for, when a 404 for its id may mean "not yet"."""
    polled = PhoneNumber.objects.existing().filter(remote_id=op.object_id, listed_at=None, gave_up_at=None)
    if number := polled.filter(imported_at__gt=timezone.now() - GIVE_UP_AFTER).first():
        raise PreconditionFailed(
            f"{op.display_names['object']} cannot be seen at ElevenLabs yet: its import was accepted at "
            f"{number.imported_at:%H:%M:%S} UTC. Try again when it is listed, which usually takes 5 seconds."
        )


def check_agent(client: ElevenLabs, agent_id: str, name: str) -> None:
    """Raises PreconditionFailed unless the agent exists at ElevenLabs and is not archived.

    The product owner requires this read before a number is assigned.
    """
    _refuse_agent_being_removed(agent_id, name)
    try:
        agent = client.get_agent(agent_id)
    except NotFound:
        agent_mirror.mark_missing(agent_id)
        raise PreconditionFailed(
            f"{name} does not exist any more: it was deleted at ElevenLabs. Choose another.", field="agent"
        ) from None
    if agent.archived:
        raise PreconditionFailed(f"{name} is archived. Restore it first, or choose another.", field="agent")


def _refuse_agent_being_removed(agent_id: str, name: str) -> None:
    """Raises PreconditionFailed while the agent is being deleted or archived.

    Those actions check for open assignments in turn. Both sides commit their operation before they check, so at least
    one of the two sees the other. This check runs before the remote is read, so that the effect of an operation that
    has ended is visible there.
    """
    removal = Operation.objects.filter(
        Q(kind__startswith=DeleteAgent.name) | Q(kind=ArchiveAgent.name, **{f"params__set__{ARCHIVED}": True}),
        state__in=OPEN_STATES,
        resource=f"agent:{agent_id}",
    ).first()
    if removal is not None:
        what = "archived" if removal.kind == ArchiveAgent.name else "deleted"
        raise PreconditionFailed(
            f"{name} is being {what} by {removal.actor_name} since {removal.created_at:%H:%M:%S} UTC. Choose another.",
            field="agent",
        )


def get_number(client: ElevenLabs, number_id: str) -> dict[str, Any] | None:
    try:
        return client.get_number(number_id).raw
    except NotFound:
        return None


def binding(number: dict[str, Any]) -> dict[str, Any]:
    parsed = RemoteNumber.parse(number)
    name = parsed.assigned_agent.agent_name if parsed.assigned_agent else None
    return {
        "agent_id": parsed.agent_id,
        "agent_name": name,
        "branch_id": parsed.branch_id,
        "environment": parsed.environment,
    }


def _field_label(name: str) -> str:
    return name.removesuffix("_id")


def agent_name(number: dict[str, Any]) -> str:
    bound = binding(number)
    if bound["agent_id"] is None:
        return UNASSIGNED
    return f"{bound['agent_name'] or 'an agent without a name'} …{bound['agent_id'][-4:]}"
