"""The step that runs `live_check` while the workspace has objects."""

from controlplane.lifecycle.experiment import Experiment, Plan
from controlplane.lifecycle.live import run_checks
from controlplane.lifecycle.step import Step


def inspect(x: Experiment, step: Step) -> None:
    checks, findings = run_checks(x.client)
    x.findings += findings
    failed = [check for check in checks if check.level == "fail"]
    notes = [f"{check.name}: {check.message}" for check in failed or checks if check.level != "ok"]
    step.conclude(not failed, " ".join(notes) or "Every check of live_check passed.")


LOOK = Plan("look", "Look at the lists as live_check does", "read", "Every list fits its schema.", inspect)
