"""Any events in any order: every kind of write, lost answers, the console, time, failing syncs, delayed workers. In the
end the remote's ledger, the operations and the mirror are consistent."""

from collections.abc import Callable
from typing import Any

from django.db import transaction
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from agents.models import Agent
from controlplane.mirror import holds
from controlplane.mirror.models import Hold, SyncRun
from controlplane.operations import settle
from controlplane.operations.errors import ResourceLocked
from numbers import import_polling
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests import agent_writes as agent_services
from tests import number_writes as number_services
from tests.mirror.consistency_checks import inconsistencies
from tests.mirror.faults import EFFECT_AFTER, LOST, NO_FAULT, READS, WRITING
from tests.operations.clock import Clock, started
from tests.operations.consistency_checks import mirror_differs
from tests.operations.writes import CREDENTIALS, PROMPT
from tests.sandbox_process import Sandbox

NAMES = ["Support Bot", "Sales Bot", "Night Bot"]
LABELS = ["Main", "Night line", "Fax"]
LINES = [f"+1555010{place:04}" for place in range(6)]

pick = st.integers(min_value=0, max_value=11)
maybe_lost = st.sampled_from([NO_FAULT, NO_FAULT, *LOST])


class ControlPlaneMachine(RuleBasedStateMachine):
    remote: Sandbox  # set before the machine runs

    def __init__(self) -> None:
        super().__init__()
        self.remote.reset()
        self.travel = started(self.remote)
        self.clock = Clock(self.remote, self.travel.__enter__())
        self.rollback = transaction.atomic()
        self.rollback._from_testcase = True  # type: ignore[attr-defined]  # else `durable` is refused inside of it
        self.rollback.__enter__()
        self.requests = 0
        self.is_initialized = False

    @initialize(
        begins=st.booleans(),
        listed_after=st.sampled_from([0, 5, 30]),
        hidden=st.booleans(),
        after_delete=st.sampled_from(["dangling", "null", "released"]),
        paging=st.sampled_from(["keyset", "offset"]),
    )
    def is_set_up(self, begins: bool, listed_after: int, hidden: bool, after_delete: str, paging: str) -> None:
        if not begins:  # the first example of Hypothesis has no steps
            assume(False)
        self.is_initialized = True
        self.remote.settings(
            listed_after=listed_after, hidden_until_listed=hidden, after_delete=after_delete, paging=paging
        )
        for name in NAMES[:2]:
            self.remote.console("create_agent", name=name)
        for line in LINES[:2]:
            self.remote.console("add_number", phone_number=line, label=LABELS[0])
        self.passes(60)
        sync_all()

    def passes(self, seconds: float) -> None:
        """The sandbox applies delayed writes with the next call, so make one as soon as they are due."""
        for some in (min(seconds, EFFECT_AFTER + 5), seconds - min(seconds, EFFECT_AFTER + 5)):
            self.clock.passes(some)
            self.remote.get("/v1/user")

    # --- our own writes --------------------------------------------------------------------------------------------
    def ask(self, lost: dict[str, Any], service: Callable[..., Any], *args: Any, **options: Any) -> None:
        if lost:
            self.remote.faults([{"method": method, "path": "/v1/convai/*", **lost} for method in WRITING])
        self.requests += 1
        try:
            service(*args, **options, key=f"key {self.requests}", actor=None)
        except ResourceLocked:
            pass
        finally:
            self.remote.clear_faults()

    def agent(self, place: int) -> Agent | None:
        rows = list(Agent.objects.filter(gone_at=None).order_by("pk"))
        return rows[place % len(rows)] if rows else None

    def line(self, place: int) -> PhoneNumber | None:
        rows = list(PhoneNumber.objects.filter(gone_at=None).order_by("pk"))
        return rows[place % len(rows)] if rows else None

    @rule(name=st.sampled_from(NAMES), lost=maybe_lost)
    def we_create(self, name: str, lost: dict[str, Any]) -> None:
        body = {"tags": [str(self.requests)], "conversation_config": {"agent": {"prompt": {"prompt": "You help."}}}}
        self.ask(lost, agent_services.create, name=name, body=body)

    @rule(place=pick, name=st.sampled_from(NAMES), prompt=st.sampled_from(["Day", "Night"]), lost=maybe_lost)
    def we_update(self, place: int, name: str, prompt: str, lost: dict[str, Any]) -> None:
        agent = self.agent(place)
        if agent is not None and agent.remote_data:
            shown = agent.remote_data["conversation_config"]["agent"]["prompt"]["prompt"]
            values, before = {"name": name, PROMPT: prompt}, {"name": agent.name, PROMPT: shown}
            self.ask(lost, agent_services.update, agent, values=values, shown=before)

    @rule(place=pick, lost=maybe_lost)
    def we_duplicate(self, place: int, lost: dict[str, Any]) -> None:
        if agent := self.agent(place):
            self.ask(lost, agent_services.duplicate, agent, name=f"Copy {self.requests % 2}")

    @rule(place=pick, lost=maybe_lost)
    def we_archive_or_restore(self, place: int, lost: dict[str, Any]) -> None:
        if agent := self.agent(place):
            self.ask(lost, agent_services.archive, agent, archived=not agent.archived)

    @rule(place=pick, lost=maybe_lost)
    def we_delete(self, place: int, lost: dict[str, Any]) -> None:
        if agent := self.agent(place):
            self.ask(lost, agent_services.delete, agent)

    @rule(line=st.sampled_from(LINES), label=st.sampled_from(LABELS), place=pick, bind=st.booleans(), lost=maybe_lost)
    def we_import(self, line: str, label: str, place: int, bind: bool, lost: dict[str, Any]) -> None:
        to = self.agent(place) if bind else None
        self.ask(lost, number_services.import_number, line, label=label, credentials=CREDENTIALS, agent=to)

    @rule(number=pick, place=pick, release=st.booleans(), lost=maybe_lost)
    def we_assign(self, number: int, place: int, release: bool, lost: dict[str, Any]) -> None:
        if line := self.line(number):
            to = None if release else self.agent(place)
            self.ask(lost, number_services.assign, line, to, shown=line.bound_to)

    @rule(number=pick, label=st.sampled_from(LABELS), lost=maybe_lost)
    def we_rename(self, number: int, label: str, lost: dict[str, Any]) -> None:
        if line := self.line(number):
            self.ask(lost, number_services.set_label, line, label, shown=line.label)

    @rule(number=pick, lost=maybe_lost)
    def we_remove(self, number: int, lost: dict[str, Any]) -> None:
        if line := self.line(number):
            self.ask(lost, number_services.remove, line, shown=line.bound_to)

    # --- the console -------------------------------------------------------------------------------------------------
    def existing(self) -> tuple[list[str], list[str]]:
        """The ids of all existing agents and numbers, listed or not, by the ledger."""
        kept: dict[str, str] = {}
        for entry in self.remote.ledger():
            if entry["kind"].startswith("delete_"):
                kept.pop(entry["object_id"], None)
            else:
                kept[entry["object_id"]] = entry["kind"].rpartition("_")[2]
        return [one for one in kept if kept[one] == "agent"], [one for one in kept if kept[one] == "number"]

    @rule(action=st.sampled_from(["rename", "patch", "archive", "unarchive", "delete"]), place=pick)
    def the_console_on_an_agent(self, action: str, place: int) -> None:
        agents, _ = self.existing()
        if not agents:
            return
        about: dict[str, Any] = {"agent_id": agents[place % len(agents)]}
        if action == "rename":
            about["name"] = f"Console {place % 3}"
        elif action == "patch":
            about["patch"] = {"conversation_config": {"agent": {"prompt": {"prompt": f"Console {place}"}}}}
        self.remote.console(f"{action}_agent", **about)

    @rule(name=st.sampled_from(NAMES))
    def the_console_makes_an_agent(self, name: str) -> None:
        self.remote.console("create_agent", name=name)

    @rule(action=st.sampled_from(["assign", "release", "label", "delete"]), number=pick, place=pick)
    def the_console_on_a_number(self, action: str, number: int, place: int) -> None:
        agents, numbers = self.existing()
        if not numbers or (action == "assign" and not agents):
            return
        number_id = numbers[number % len(numbers)]
        match action:
            case "assign":
                self.try_in_the_console("assign", number=number_id, agent_id=agents[place % len(agents)])
            case "release":
                self.try_in_the_console("assign", number=number_id, agent_id=None)
            case "label":
                self.try_in_the_console("patch_number", number=number_id, patch={"label": LABELS[place % 3]})
            case "delete":
                self.try_in_the_console("delete_number", number=number_id)

    @rule(line=st.sampled_from(LINES))
    def the_console_adds_a_number(self, line: str) -> None:
        self.try_in_the_console("add_number", phone_number=line)

    def try_in_the_console(self, action: str, **about: Any) -> None:
        """May be refused, for a number that exists already or is hidden until it is listed."""
        answer = self.remote.call("POST", "/_sandbox/console", json={"action": action, **about})
        assert answer.status_code < 500, answer.text

    # --- the workers, and time ---------------------------------------------------------------------------------------
    @rule(seconds=st.sampled_from([1, 6, 20, 45, 70, 150, 700]))
    def time_passes(self, seconds: int) -> None:
        self.passes(seconds)

    @rule(full=st.booleans())
    def a_sync(self, full: bool) -> None:
        run = sync_all(full=full)
        assert run is not None
        assert run.state in (SyncRun.State.COMPLETE, SyncRun.State.HELD), run.problem
        assert run.quarantined == 0, run.left_out
        self.assert_no_existing_object_is_gone()

    @rule(fault=st.sampled_from(READS), skip=st.integers(0, 2))
    def a_sync_with_a_fault(self, fault: tuple[str, dict[str, Any]], skip: int) -> None:
        path, how = fault
        self.remote.fault("GET", path, **how, skip=skip)
        assert sync_all() is not None
        self.remote.clear_faults()
        self.assert_no_existing_object_is_gone()

    @precondition(lambda _: Hold.objects.filter(state=Hold.State.OPEN).exists())
    @rule()
    def open_holds_are_accepted(self) -> None:
        for hold in Hold.objects.filter(state=Hold.State.OPEN):
            holds.accept(hold, actor=None, name="ada")  # type: ignore[arg-type]

    @rule()
    def unconfirmed_ones_are_looked_at(self) -> None:
        settle.settle_due()

    @rule()
    def imports_are_looked_for(self) -> None:
        import_polling.poll_due()

    # --- what must hold ----------------------------------------------------------------------------------------------
    def assert_no_existing_object_is_gone(self) -> None:
        agents, numbers = self.existing()
        gone = {*Agent.objects.exclude(gone_at=None).values_list("remote_id", flat=True)}
        gone |= {*PhoneNumber.objects.exclude(gone_at=None).values_list("remote_id", flat=True)}
        assert not gone & {*agents, *numbers}

    def teardown(self) -> None:
        try:
            if self.is_initialized:
                self.remote.clear_faults()
                self.recover()
                assert inconsistencies(self.remote) == []
                assert mirror_differs(self.remote) == []
        finally:
            transaction.set_rollback(True)
            self.rollback.__exit__(None, None, None)
            self.travel.__exit__(None, None, None)

    def recover(self) -> None:
        """Do what the workers do in the minutes after, and accept what is held. An import that is never listed takes
        longest: ten minutes to its verdict, and ten more until it is marked as deleted."""
        for _ in range(8):
            self.passes(250)
            settle.settle_due()
            import_polling.poll_due()
        quiet = 0
        for _ in range(6):
            self.passes(60)
            run = sync_all()
            assert run is not None
            if run.state == SyncRun.State.HELD:
                self.open_holds_are_accepted()
            else:
                assert run.state == SyncRun.State.COMPLETE, run.problem
            quiet = quiet + 1 if self.found_nothing(run) else 0
            if quiet == 2:  # the next run would not find anything either
                break
        assert run.state == SyncRun.State.COMPLETE
        self.assert_no_existing_object_is_gone()

    def found_nothing(self, run: SyncRun) -> bool:
        missing = {"missing_since__isnull": False, "gone_at": None}
        waits = any(model.objects.filter(**missing).exists() for model in (Agent, PhoneNumber))
        return run.state == SyncRun.State.COMPLETE and not (run.added or run.changed or run.gone or waits)
