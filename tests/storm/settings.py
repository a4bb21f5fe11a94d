"""For the processes of the storm: their own sandbox, the traffic rules of production, and waits that fit into a minute.

Two more waits are constants of the product; `work.py` shortens them.
"""

import os
from datetime import timedelta

from tests.settings import *  # noqa: F403
from tests.settings import LOGGING

ELEVENLABS_BASE_URL = os.environ["STORM_REMOTE"]
ELEVENLABS_API_KEY = os.environ["STORM_KEY"]
ELEVENLABS_TRAFFIC = "controlplane.traffic.shared.SharedTraffic"
ELEVENLABS_MAX_CONCURRENCY = 4
ELEVENLABS_WRITE_DEADLINE = 1.0  # the cost of a call that hangs
ELEVENLABS_READ_DEADLINE = 1.0
SETTLE_AFTER = timedelta(seconds=12)  # well above the duration of one attempt, so that "not applied" stays correct
DETAILS_REFRESH = 3600.0
LOGGING["root"]["level"] = "ERROR"
