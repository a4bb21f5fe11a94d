"""Actions on phone numbers: one module for each kind of write."""

from numbers.actions.assign import BRANCH_FIELDS, AssignNumber
from numbers.actions.base import UNASSIGNED, NumberAction, binding, get_number
from numbers.actions.import_number import ImportNumber
from numbers.actions.remove import RemoveNumber
from numbers.actions.set_label import SetLabel

__all__ = [
    "BRANCH_FIELDS",
    "UNASSIGNED",
    "AssignNumber",
    "ImportNumber",
    "NumberAction",
    "RemoveNumber",
    "SetLabel",
    "binding",
    "get_number",
]
