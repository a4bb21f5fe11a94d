"""Queryset filters of agents, shared by the list and the API. An empty value filters nothing."""

import json

from django.db.models import Exists, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast

from agents.models import Agent
from controlplane.operations import external_changes

Agents = QuerySet[Agent]
STATES = ("active", "archived", "gone", "all")


def in_state(agents: Agents, state: str) -> Agents:
    match state:
        case "all":
            return agents
        case "gone":
            return agents.filter(gone_at__isnull=False)
        case "archived":
            return agents.filter(gone_at=None, archived=True)
        case _:
            return agents.filter(gone_at=None, archived=False)


def with_value(agents: Agents, column: str, value: str) -> Agents:
    return agents.filter(**{column: value}) if value else agents


def with_tag(agents: Agents, tag: str) -> Agents:
    if not tag:
        return agents
    return _with_tag_text(agents).filter(_in_tags(json.dumps(tag)) | _in_tags(json.dumps(tag, ensure_ascii=False)))


def with_numbers(agents: Agents, some: str) -> Agents:
    """`some` is "some" or "none". Uses the reverse relation because `agents` does not import `numbers`."""
    with_any = Agent.objects.filter(pk=OuterRef("pk"), numbers__isnull=False, numbers__gone_at=None)
    match some:
        case "some":
            return agents.filter(Exists(with_any))
        case "none":
            return agents.filter(~Exists(with_any))
        case _:
            return agents


def changed_outside(agents: Agents, wanted: str) -> Agents:
    """Agents with an external change that is still open."""
    return agents.filter(external_changes.changed_outside("agent")) if wanted else agents


def matching(agents: Agents, search: str) -> Agents:
    """Agents whose name, id or tags contain every word. The end of an id may be typed as pages show it: …4f2a."""
    matches = _with_tag_text(agents)
    for word in search.split():
        plain = word.lstrip("…") or word
        tag = _in_tags(plain) | _in_tags(json.dumps(plain)[1:-1])
        matches = matches.filter(Q(name__icontains=plain) | Q(remote_id__icontains=plain) | tag)
    return matches


def _with_tag_text(agents: Agents) -> Agents:
    """SQLite has no `contains` lookup for JSON lists, so tags are searched as text. Callers look for a tag both with
    JSON escapes, as Django stores it on SQLite, and without."""
    return agents.alias(tag_text=Cast("tags", TextField()))


def _in_tags(text: str) -> Q:
    return Q(tag_text__icontains=text)
