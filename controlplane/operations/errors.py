"""Why an action was not even started, or not continued."""

from controlplane.operations.models import ChangeSet, Operation


class ResourceLocked(Exception):
    """Another operation holds the lock on this resource; it is available as `operation`."""

    def __init__(self, operation: Operation) -> None:
        super().__init__(
            f"Not sent. {operation.actor_name} requested at {operation.created_at:%H:%M:%S} UTC to: {operation.title}. "
            "Until it is finished, nothing else can be changed here."
        )
        self.operation = operation


class KeyReused(Exception):
    """An idempotency key was used again with other values."""

    def __init__(self, first: Operation | ChangeSet) -> None:
        self.first = first
        super().__init__(
            f"Not sent. This form was already sent with other values: {first.title}. Open the page again to "
            "request something else."
        )


class Expired(Exception):
    """Another process ended the operation because it took too long before sending. Nothing was sent."""
