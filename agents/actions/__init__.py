"""Actions on agents: one module for each kind of write."""

from agents.actions.create import CreateAgent, DuplicateAgent
from agents.actions.delete import DeleteAgent
from agents.actions.update import ArchiveAgent, UpdateAgent

__all__ = ["ArchiveAgent", "CreateAgent", "DeleteAgent", "DuplicateAgent", "UpdateAgent"]
