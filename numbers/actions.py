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
BRANCH_FIELDS = ("branch_id", "environment")  # what a binding has besides its agent


class _OnNumber(Action):
    """A write on a number that is there."""

    object_type = "number"

    def read_back(self, client: ElevenLabs, op: Operation) -> dict[str, Any] | None:
        return get_number(client, op.object_id)

    def existing(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
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
    """wanted: agent_id (None releases) and shown, the agent the page showed. One PATCH, also for a move.

    A branch belongs to one agent: it is cleared when another one takes over. wanted may name branch_id and environment
    too; then just these are set, if they still are as `shown_binding` says. So an undo brings back what was before.
    """

    name = "number.assign"

    def title(self, op: Operation) -> str:
        number, old, new = op.display_names["object"], op.display_names["from"], op.display_names["to"]
        if op.params["agent_id"] is None:
            return f"Unassign {number} from {old}"
        if self._sets_only_what_is_named(op):
            return f"Set the {self._words(op)} of {number}, which {new} answers"
        return f"Move {number} from {old} to {new}" if op.params["shown"] else f"Assign {number} to {new}"

    def success_message(self, op: Operation) -> str:
        number, old, new = op.display_names["object"], op.display_names["from"], op.display_names["to"]
        if op.params["agent_id"] is None:
            return f"Unassigned {number} from {old}. Calls to this number will not be answered by an agent."
        if self._sets_only_what_is_named(op):
            return f"Set the {self._words(op)} of {number}, which {new} answers."
        if op.params["shown"]:
            return f"Moved {number} from {old} to {new}. Calls that come in from now on are answered by {new}."
        return f"Assigned {number} to {new}. Calls that come in from now on are answered by {new}."

    def precheck(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        wanted = op.params["agent_id"]
        if wanted is not None:
            check_agent(client, wanted, op.display_names["to"])
        number = self.existing(client, op)
        now = RemoteNumber.parse(number).agent_id
        if now == wanted and self._has_what_is_named(op, number):
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
            if (there := binding(number)[name]) not in (shown, op.params[name]):
                field = f"The {_field_label(name)} of {op.display_names['object']}"
                words = f"{field} is {there or 'none'} now: it was changed meanwhile."
                raise PreconditionFailed(words, observed=number)
        if wanted is not None and number.get("supports_inbound") is False:
            raise PreconditionFailed(
                f"{op.display_names['object']} can only call out; ElevenLabs cannot assign it to an agent.",
                observed=number,
            )
        return binding(number)

    def send(self, client: ElevenLabs, op: Operation, secrets: Secrets) -> Reply:
        patch = {name: op.params[name] for name in ("agent_id", *BRANCH_FIELDS) if name in op.params}
        if self._leaves_a_branch(op):
            patch["branch_id"] = None
        return Reply(op.object_id, client.update_number(op.object_id, patch).raw)

    def reconcile(self, op: Operation, observed: dict[str, Any] | None) -> Verdict:
        if observed is None:
            return Verdict(State.OVERTAKEN, "The number was removed from ElevenLabs meanwhile.")
        before, now = op.before or {}, binding(observed)
        if now["agent_id"] not in (op.params["agent_id"], before.get("agent_id")):
            words = f"Read back: it is with {agent_name(observed)} now; it was changed meanwhile."
            return Verdict(State.OVERTAKEN, words)
        if before.get("agent_id") != op.params["agent_id"]:
            if now["agent_id"] == op.params["agent_id"]:
                return self._done(op, now)
            return Verdict(
                State.NOT_APPLIED, f"Read back: it is still with {agent_name(observed)}. It is safe to do it again."
            )
        changing = [name for name in self._named(op) if before.get(name) != op.params[name]]
        if any(now[name] == op.params[name] for name in changing):
            return self._done(op, now)
        third = [name for name in changing if now[name] != before.get(name)]
        if third:
            words = ", ".join(f"the {_field_label(name)} is {now[name] or 'none'}" for name in third)
            return Verdict(State.OVERTAKEN, f"Read back: {words} now; it was changed meanwhile.")
        return Verdict(State.NOT_APPLIED, "Read back: nothing changed. It is safe to do it again.")

    def _done(self, op: Operation, now: dict[str, Any]) -> Verdict:
        before, branch, environment = op.before or {}, now["branch_id"], now["environment"]
        not_kept = [_field_label(name) for name in self._named(op) if now[name] != op.params[name]]
        words = []
        if self._leaves_a_branch(op):
            left = before["branch_id"]
            if branch == left:
                not_kept.append("branch")
                words.append(f"It still shows the branch {left} of the agent before.")
            else:
                words.append(f"The branch {left} of {op.display_names['from']} was cleared.")
        elif branch and "branch_id" not in op.params:
            words.append(f"ElevenLabs shows the branch {branch} for it, which was not requested.")
        if environment and "environment" not in op.params:
            words.append(f"It uses the environment {environment}.")
        return Verdict(State.DONE, " ".join(words), not_kept)

    def _leaves_a_branch(self, op: Operation) -> bool:
        before = op.before or {}
        moves = before.get("agent_id") != op.params["agent_id"]
        return bool(moves and before.get("branch_id") and "branch_id" not in op.params)

    def _has_what_is_named(self, op: Operation, number: dict[str, Any]) -> bool:
        now = binding(number)
        return all(now[name] == op.params[name] for name in self._named(op))

    def _sets_only_what_is_named(self, op: Operation) -> bool:
        return bool(op.params["agent_id"] == op.params["shown"] and self._named(op))

    def _words(self, op: Operation) -> str:
        return " and ".join(map(_field_label, self._named(op)))

    def _named(self, op: Operation) -> list[str]:
        return [name for name in BRANCH_FIELDS if name in op.params]

    def summarize(self, op: Operation, observed: dict[str, Any]) -> dict[str, Any]:
        return binding(observed)


@register
class RenameNumber(_OnNumber):
    """wanted: label and shown, the label the page showed."""

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
    """As long as an import is looked for, a 404 by its id may mean "not yet"."""
    sought = PhoneNumber.objects.here().filter(remote_id=op.object_id, listed_at=None, gave_up_at=None)
    if number := sought.filter(imported_at__gt=timezone.now() - GIVE_UP_AFTER).first():
        raise PreconditionFailed(
            f"{op.display_names['object']} cannot be seen at ElevenLabs yet: its import was accepted at "
            f"{number.imported_at:%H:%M:%S} UTC. Try again when it is listed, which usually takes 5 seconds."
        )


def check_agent(client: ElevenLabs, agent_id: str, name: str) -> None:
    """The owner's rule: read the agent at the remote before anything is bound to it."""
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
    """Deletions and archivings look for us likewise. Each side writes down its intent before it looks, so at least one
    of the two sees the other; and this look comes before the remote is read, so that one which has ended shows there.
    """
    taking = Operation.objects.filter(
        Q(kind__startswith=DeleteAgent.name) | Q(kind=ArchiveAgent.name, **{f"params__set__{ARCHIVED}": True}),
        state__in=OPEN_STATES,
        resource=f"agent:{agent_id}",
    ).first()
    if taking is not None:
        deed = "archived" if taking.kind == ArchiveAgent.name else "deleted"
        raise PreconditionFailed(
            f"{name} is being {deed} by {taking.actor_name} since {taking.created_at:%H:%M:%S} UTC. Choose another.",
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
