"""On the path of every Python process of a site: its clock is moved before any other code runs. Django, the workers and
the sandbox use Python's clock; only the heartbeats use the database's own."""

import os
import time

import time_machine

time_machine.travel(time.time() + float(os.environ["CLOCK_MOVED_BY"]), tick=True).start()
