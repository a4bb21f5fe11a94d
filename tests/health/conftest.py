from tests.pages.conftest import operator, sign_in
from tests.workers.conftest import redis_server, redis_stage, stage

__all__ = ["operator", "redis_server", "redis_stage", "sign_in", "stage"]
