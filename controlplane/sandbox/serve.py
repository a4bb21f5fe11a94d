"""Starts the server, and stops it on SIGTERM or SIGINT."""

import signal
import sys
import threading
from pathlib import Path

from pydantic import ValidationError

from .http_server import Server
from .options import switches
from .seed import seed
from .state import SandboxState
from .storage import StateInUse, Storage


def serve(options: dict[str, object]) -> int:
    """Returns the exit code."""
    path, host, port = Path(str(options["state"])), str(options["host"]), int(str(options["port"]))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        state = Storage(path)
    except (StateInUse, OSError) as error:
        return failed(f"Cannot use the state file {path}: {error}. Another one: --state FILE")
    try:
        world = SandboxState(state, switches(options))
        server = Server((host, port), world)
    except ValidationError as error:
        return failed(f"Not a valid switch: {error.errors()[0]['msg']}")
    except OverflowError:
        return failed(f"There is no port {port}: ports are numbers from 0 to 65535 (--port).")
    except OSError as error:
        return failed(
            f"Cannot listen on port {port} of {host}: {error.strerror}. Choose another: --port PORT (0: any free one)"
        )
    seed(state, agents=int(str(options["agents"])), numbers=int(str(options["numbers"])))
    worker = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    worker.start()
    sys.stdout.write(f"Sandbox ElevenLabs listening on http://{server.server_name}:{server.server_port}\n")
    sys.stdout.flush()
    stop.wait()
    server.shutdown()
    server.server_close()
    world.faults.clear()
    state.close()
    return 0


def failed(message: str) -> int:
    sys.stderr.write(message + "\n")
    return 1
