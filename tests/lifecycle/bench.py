"""Steps of the experiment by themselves, on a workspace as the steps before them leave it."""

from threading import Event

from agents.models import Agent
from controlplane.audit.justification import NO_JUSTIFICATION
from controlplane.audit.models import Entry
from controlplane.elevenlabs import connect
from controlplane.lifecycle import cleanup, exclusive_run
from controlplane.lifecycle.experiment import CannotGoOn, Experiment, Step
from controlplane.lifecycle.models import Report
from controlplane.lifecycle.report import judged
from controlplane.lifecycle.runner import Runner
from controlplane.lifecycle.steps import LABEL, SALES, SUPPORT, body_of
from numbers.actions.import_number import TwilioCredentials
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests.lifecycle.conftest import SID, TOKEN
from tests.operations.consistency_checks import violations
from tests.sandbox_process import Sandbox

NUMBER = "+14155550123"
PLANS = {plan.name: plan for plan in reversed(exclusive_run.FIRST)}  # the first of two with the same name
ON_NOTHING = ("create", "wrong credentials", "malformed SID", "key SID alone", "not in the account", "import")
# Who answers the number before these steps; before all others it is Sales.
ANSWERED_BY = {"assign": None, "swap": SUPPORT, "delete": SUPPORT}


class Bench:
    def __init__(self, remote: Sandbox, stopping: type[Event]) -> None:
        self.remote = remote
        self.report = Report.objects.create(base_url=remote.url, actor_name="system")
        runner = Runner(self.report, connect(), actor=None, justification=NO_JUSTIFICATION, stopping=stopping())
        self.x = Experiment(runner, NUMBER, TwilioCredentials(sid=SID, token=TOKEN))
        self.since = self.history_since = 0
        self.shows_what_it_did = True  # False where the remote answers what it did not do: then nothing can agree

    def set_up_for(self, name: str) -> None:
        if name in ON_NOTHING:
            return
        made = {bot: self.remote.create_agent(bot, **body_of(bot)["conversation_config"]) for bot in (SUPPORT, SALES)}
        self.remote.import_number(NUMBER, LABEL, agent_id=made.get(ANSWERED_BY.get(name, SALES)))
        self.remote.advance(10)
        assert sync_all() is not None
        self.x.agents = {bot: Agent.objects.get(name=bot) for bot in (SUPPORT, SALES)}
        self.x.line = PhoneNumber.objects.get()
        self.since, self.history_since = self.remote.ledger()[-1]["id"], Entry.objects.latest("pk").pk

    def run(self, *names: str) -> dict[str, Step]:
        """A step that the others cannot go on without ends it, as in a whole run."""
        try:
            self.x.run([PLANS[name] for name in names], 1)
        except CannotGoOn:
            assert {step.outcome for step in self.x.steps} & {"otherwise"}
        return {step.name: step for step in self.x.steps}

    def verdicts(self) -> dict[int, str]:
        return {line["number"]: line["verdict"] for line in judged(self.x.findings)}

    def refuted(self) -> set[int]:
        return {number for number, verdict in self.verdicts().items() if verdict == "refuted"}

    def end(self) -> None:
        """What the steps made is removed, and then operations, ledger and mirror agree."""
        self.remote.clear_faults()
        self.remote.advance(7200)  # by then everything is listed
        assert cleanup.end(self.x.runner, str) == []
        if self.shows_what_it_did:
            assert violations(self.remote, since=self.since, history_since=self.history_since) == []
