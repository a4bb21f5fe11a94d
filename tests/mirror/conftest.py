from tests.operations.conftest import clock

__all__ = ["clock"]
