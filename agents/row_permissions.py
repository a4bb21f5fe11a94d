"""Which actions each agent's row offers to the current user. The page of each action checks again."""

from collections.abc import Sequence

from django.contrib.auth.models import AnonymousUser, User

from agents.models import Agent

ACTIONS = ("change", "duplicate", "archive", "delete")


def annotate_permissions(agents: Sequence[Agent], user: User | AnonymousUser) -> Sequence[Agent]:
    """Adds `rights`, which `templates/agents/row_actions.html` uses."""
    rights = {action for action in ACTIONS if user.has_perm(f"agents.{action}_agent")}
    for agent in agents:
        agent.__dict__["rights"] = rights
    return agents
