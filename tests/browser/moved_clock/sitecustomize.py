"""In the path of every Python process of a site: it lives at another time from its first line on. Django, the workers
and the sandbox take their times from Python; only the heartbeats are told by the database's own clock."""

import os
import time

import time_machine

time_machine.travel(time.time() + float(os.environ["CLOCK_MOVED_BY"]), tick=True).start()
