from tests.pages.conftest import operator, sign_in
from tests.workers.conftest import harness, redis_harness, redis_server

__all__ = ["harness", "operator", "redis_harness", "redis_server", "sign_in"]
