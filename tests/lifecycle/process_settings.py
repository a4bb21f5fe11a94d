"""For a process that a test starts: its sandbox, and time enough for a request that the test holds back."""

import os

from tests.settings import *  # noqa: F403

ELEVENLABS_BASE_URL = os.environ["SANDBOX_URL"]
ELEVENLABS_API_KEY = "sk_sandbox"
ELEVENLABS_WRITE_DEADLINE = 60.0
