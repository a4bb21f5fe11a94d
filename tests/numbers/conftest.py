from tests.operations.conftest import at_once, clock

__all__ = ["at_once", "clock"]
