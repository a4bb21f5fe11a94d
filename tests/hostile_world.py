"""A workspace in which every text that outsiders can set is one of the given texts."""

from collections.abc import Sequence
from datetime import timedelta

from django.contrib.auth.models import Group, User
from django.utils import timezone

from agents.models import Agent
from controlplane.api import tokens
from controlplane.audit import chain
from controlplane.audit.justification import Justification
from controlplane.audit.models import Entry
from controlplane.lifecycle.models import Report
from controlplane.mirror.models import Hold, OutsideChange, SyncRun
from controlplane.operations import external_changes
from controlplane.operations.models import ChangeSet, Operation, State
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests import agent_writes as agents
from tests import number_writes as services
from tests.sandbox_process import Sandbox

NAME = 290  # close to the longest name or label; a sync leaves out objects with longer ones
SHORT = 39  # longer texts are left out when an answer repeats what was sent
Rows = dict[str, object]  # {prefix of a route: the key of the row in its URL}


def build(remote: Sandbox, texts: Sequence[str]) -> list[Rows]:
    """Create one object of each kind for each text. The rows of the last text come last."""
    people = [User.objects.create_user(text[:150], first_name=text[:150], is_staff=True) for text in texts]
    found = [(remote.create_agent(text[:NAME], **config_of(text)), text) for text in texts]
    lines = [
        remote.import_number(f"+1555010{at:04}", text[:NAME], agent_id=agent_id)
        for at, (agent_id, text) in enumerate(found)
    ]
    remote.advance(10)
    synced()
    for (agent_id, text), line in zip(found, lines, strict=True):  # the console changes one such text to another
        remote.console("patch_number", number=line, patch={"label": f"{text[:NAME]}!"})
        remote.console(
            "patch_agent",
            agent_id=agent_id,
            patch={"name": f"{text[:NAME]}!", "conversation_config": config_of(f"{text}!")},
        )
    synced()
    chain.seal()
    return [
        rows_of(remote, text, agent_id, line, person)
        for (agent_id, text), line, person in zip(found, lines, people, strict=True)
    ]


def report_of(text: str) -> dict[str, object]:
    """The data of a report of the API check in which every text is this one."""
    step = {"name": text, "title": text, "way": text, "expected": text, "found": text, "body": text, "trace_id": text}
    numbers = {"status": 400, "milliseconds": 1, "took": 1, "requests": 1, "writes": 1, "operation": None}
    line = {"number": 1, "assumed": text, "confirmed_by": text, "part": True, "evidence": text}
    return {
        **dict.fromkeys(("remote", "workspace", "by", "began", "ended", "number", "broken_off", "in_use"), text),
        "sandbox": True,
        "rounds": 2,
        "hot_swap": 2,
        "after_delete": "null",
        "left": [text],
        "latencies": [{"name": "listed", "words": text, "count": 1, "p50": 1, "p95": 2}],
        "steps": [step | numbers | {"round": number, "outcome": "otherwise"} for number in (1, 2)],
        "assumptions": [line | {"verdict": verdict} for verdict in ("confirmed", "refuted", "not tried")],
    }


def config_of(text: str) -> dict[str, object]:
    return {"agent": {"first_message": text, "prompt": {"prompt": text}}}


def synced() -> None:
    run = sync_all()
    assert run is not None
    assert (run.state, run.quarantined) == (SyncRun.State.COMPLETE, 0), (run.problem, run.left_out)


def rows_of(remote: Sandbox, text: str, agent_id: str, line: str, person: User) -> Rows:
    agent, number = Agent.objects.get(remote_id=agent_id), PhoneNumber.objects.get(remote_id=line)
    refusal = {"detail": {"status": "invalid", "message": text}}
    remote.fault("PATCH", f"/v1/convai/phone-numbers/{line}", "status", status=400, body=refusal)
    why = Justification(text, text[:100])
    op = services.set_label(
        number, text[:SHORT], shown=number.label, key=f"label {line}", actor=person, justification=why
    )
    assert op.state == State.REFUSED, op.message
    done = agents.update(
        agent,
        values={"name": text[:NAME]},
        shown={"name": agent.name},
        key=f"name {agent_id}",
        actor=person,
        justification=why,
    )
    assert done.state == State.DONE, done.message
    Operation.objects.filter(pk__in=[op.pk, done.pk]).update(trace_id=text[:80], evidence=text, not_kept=[text])
    ended = {"actor": person, "actor_name": text, "state": ChangeSet.State.STOPPED, "ended_at": timezone.now()}
    texts = {"title": text, "problem": text, "reason": why.reason, "ticket": why.ticket}
    change_set = ChangeSet.objects.create(key=line, fingerprint="", **texts, **ended)
    Operation.objects.filter(pk=op.pk).update(change_set=change_set)
    run = SyncRun.objects.create(
        state=SyncRun.State.PARTIAL,
        ended_at=timezone.now(),
        requested_by=person,
        problem=text,
        phase=text[:40],
        remote=text[:200],
        left_out=[{"what": "agents", "id": text, "why": text}],
        failed_calls=[{"method": "GET", "path": text, "status": 500, "tries": 1, "trace": text, "ms": 1}],
        quarantined=1,
    )
    hold = Hold.objects.create(
        kind=Hold.Kind.WORKSPACE, state=Hold.State.ACCEPTED, here=text[:300], there=text[:300], run=run,
        decided_at=timezone.now(), decided_by=person, decided_by_name=text,
    )  # fmt: skip
    of_number, of_agent = (OutsideChange.objects.filter(object_id=one).latest("pk") for one in (line, agent_id))
    external_changes.decide([of_agent.pk], OutsideChange.State.ADOPTED, actor=person, name=text, justification=why)
    changed = Entry.objects.filter(object_id=agent_id, kind="agent.changed")
    robot = User.objects.create_user(f"{text[:140]} robot", first_name=text[:150])
    token, _ = tokens.issue(robot, name=text[:100], lives=timedelta(days=1), by=person, by_name=text, justification=why)
    return {
        "admin/api/token/": token.pk,
        "admin/agents/agent/": agent.pk,
        "admin/numbers/phonenumber/": number.pk,
        "admin/numbers/phonenumber/delete-agent/": agent.pk,
        "admin/operations/operation/": op.pk,
        "admin/operations/changeset/": change_set.pk,
        "admin/mirror/hold/": hold.pk,
        "admin/mirror/syncrun/": run.pk,
        "admin/mirror/outsidechange/": of_number.pk,
        "admin/audit/entry/": changed.earliest("pk").pk,
        "admin/audit/entry/<int:pk>/undo/": changed.get(cause="operation").pk,
        "admin/audit/entry/answered/": line,
        "admin/audit/entry/then/": ("agent", agent_id),
        "admin/lifecycle/report/": Report.objects.create(
            state=Report.State.BROKEN_OFF,
            base_url=text[:200],
            workspace=text[:64],
            actor_name=text,
            data=report_of(text),
        ).pk,
        "admin/auth/user/": person.pk,
        "admin/auth/group/": Group.objects.create(name=text[:150]).pk,
        "admin/r/": 1,
        "admin/": "no-such-page",
    }
