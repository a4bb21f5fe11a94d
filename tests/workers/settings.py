"""The tests' settings for processes of their own, which are told their remote by the environment."""

import os

from tests.settings import *  # noqa: F403

ELEVENLABS_BASE_URL = os.environ["TEST_REMOTE"]
