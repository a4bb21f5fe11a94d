"""The settings for tests: independent of a developer's `.env`, and fast."""

import os
import tempfile
from pathlib import Path

os.environ["SECRET_KEY"] = "for-tests-only-and-long-enough-to-be-no-warning-0123456789"
os.environ["DEBUG"] = "false"
os.environ["HTTPS"] = "false"
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright leaves its event loop running in the same process
os.environ["ELEVENLABS_API_KEY"] = ""
os.environ["ELEVENLABS_BASE_URL"] = "http://127.0.0.1:9"  # nothing answers there; tests set their own remote
os.environ.setdefault("VAR_DIR", str(Path(tempfile.gettempdir()) / f"controlplane-tests-{os.getuid()}"))
Path(os.environ["VAR_DIR"]).mkdir(mode=0o700, parents=True, exist_ok=True)

from controlplane.settings import *  # noqa: E402, F403
from controlplane.settings import DATABASES, STORAGES  # noqa: E402

ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
ELEVENLABS_MAX_CONCURRENCY = 1  # with 1, a sync reads in the calling thread, which sees uncommitted data
ELEVENLABS_TRAFFIC = "tests.settings.unlimited"  # else one 401 would stop a whole test; tests/traffic has real limits
ELEVENLABS_WRITE_DEADLINE = 2.0
ELEVENLABS_READ_DEADLINE = 5.0

# A file, because other processes and threads of some tests use the same database.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": os.environ["VAR_DIR"] + "/tests.sqlite3"}
    DATABASES["default"]["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
Path(os.environ["VAR_DIR"], "static").mkdir(exist_ok=True)  # `collectstatic` was not run


def unlimited(base_url: str, key: str) -> object:
    from controlplane.elevenlabs.traffic import Unlimited

    return Unlimited()
