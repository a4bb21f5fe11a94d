"""Django settings: ElevenLabs, Django, database, Celery, pages, logging. The README's table lists the environment
variables.

The settings of sign-in, security and the API are in `settings_security.py`.
"""

import contextlib
from datetime import timedelta
from pathlib import Path

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

from controlplane.environment import *  # noqa: F403
from controlplane.environment import BASE_DIR, DEBUG, VAR_DIR, env, text
from controlplane.settings_security import *  # noqa: F403

PORT = env.int("PORT", default=8000)

# --- ElevenLabs -------------------------------------------------------------------------------------------------
SANDBOX_PORT = env.int("SANDBOX_PORT", default=8100)
SANDBOX_KEY = "sk_sandbox"  # valid for the local sandbox only
ELEVENLABS_API_KEY = text("ELEVENLABS_API_KEY") or SANDBOX_KEY
ELEVENLABS_BASE_URL = text("ELEVENLABS_BASE_URL") or (
    f"http://127.0.0.1:{SANDBOX_PORT}" if ELEVENLABS_API_KEY == SANDBOX_KEY else "https://api.elevenlabs.io"
)
ELEVENLABS_WRITE_DEADLINE = env.float("ELEVENLABS_WRITE_DEADLINE", default=10.0)  # seconds, the whole call
ELEVENLABS_READ_DEADLINE = env.float("ELEVENLABS_READ_DEADLINE", default=20.0)  # seconds, one page
ELEVENLABS_MAX_CONCURRENCY = env.int("ELEVENLABS_MAX_CONCURRENCY", default=2)  # concurrent requests, over all processes
ELEVENLABS_TRAFFIC = "controlplane.traffic.shared.SharedTraffic"  # how `connect` enforces that limit

# A lost response is not treated as a failure until this much time has passed: see docs/architecture.md, "Settling".
SETTLE_AFTER = timedelta(seconds=env.int("SETTLE_AFTER_SECONDS", default=60))
SYNC_INTERVAL = env.int("SYNC_INTERVAL_SECONDS", default=60)
DETAILS_REFRESH = 3600 * env.float(
    "DETAILS_REFRESH_HOURS", default=24
)  # interval in which every agent's details are read again
HISTORY_KEPT_DAYS = env.int("HISTORY_KEPT_DAYS", default=0)
SYNC_RUNS_KEPT_DAYS = env.int("SYNC_RUNS_KEPT_DAYS", default=14)
LONGEST_KEPT_DAYS = 36_500  # a larger value is a mistake, and a system check reports it
# None: for ever
HISTORY_KEPT = timedelta(days=min(HISTORY_KEPT_DAYS, LONGEST_KEPT_DAYS)) if HISTORY_KEPT_DAYS > 0 else None
SYNC_RUNS_KEPT = timedelta(days=min(max(SYNC_RUNS_KEPT_DAYS, 1), LONGEST_KEPT_DAYS))
PICTURE_STALE_AFTER = timedelta(seconds=3 * SYNC_INTERVAL)
HEARTBEAT_STALE_AFTER = timedelta(seconds=env.int("HEARTBEAT_STALE_AFTER_SECONDS", default=60))  # worker and beat
# Staff have to give a reason for each write; a ticket, if given, has to match the pattern (a regular expression).
REQUIRE_REASON = env.bool("REQUIRE_REASON", default=False)
TICKET_PATTERN = text("TICKET_PATTERN")
# Numbers whose agent is gone: "ask" proposes to unassign them, "auto" unassigns them; at most this many at once.
ORPHAN_CLEANUP = text("ORPHAN_CLEANUP", "ask")
ORPHAN_CLEANUP_MAX = env.int("ORPHAN_CLEANUP_MAX", default=20)
PHONE_REGION = text("PHONE_REGION", "US").upper()  # the region of numbers typed without a country code

# --- Django -----------------------------------------------------------------------------------------------------
SECRET_KEY = env.str("SECRET_KEY").strip()
# Earlier keys, for as long as values signed with them are in use: sessions, API tokens, and Idempotency-Keys of 30
# days.
SECRET_KEY_FALLBACKS = [key for key in (one.strip() for one in env.list("SECRET_KEY_FALLBACKS", default=[])) if key]
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "crispy_forms",
    "django_htmx",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "corsheaders",
    "ninja",  # static files of its interactive documentation
    "controlplane",
    "controlplane.audit",
    "controlplane.sign_in",
    "controlplane.mirror",
    "controlplane.operations",
    "controlplane.health",
    "controlplane.traffic",
    "controlplane.api",
    "controlplane.dashboard",
    "agents",
    "numbers",
    "controlplane.accounts",
    "controlplane.history",
    "controlplane.external_changes",
    "controlplane.lifecycle",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "controlplane.middleware.AuditUnavailableMiddleware",  # before everything that may query the database
    "corsheaders.middleware.CorsMiddleware",
    "controlplane.api.middleware.ProblemJsonMiddleware",
    "csp.middleware.CSPMiddleware",
    "controlplane.middleware.RejectNulMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "controlplane.middleware.HtmxLoginMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "controlplane.audit.auth_events.CurrentUserMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "controlplane.sign_in.middleware.SignInLimits",
    "controlplane.middleware.InvalidPageMiddleware",
]

ROOT_URLCONF = "controlplane.urls"
WSGI_APPLICATION = "controlplane.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "controlplane.dashboard.context.data_age",
            ],
        },
    },
]

DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024  # a form submits a long prompt twice: as typed, and as it was shown

LANGUAGE_CODE = "en-us"
TIME_ZONE = env.str("TIME_ZONE", default="UTC")  # for the pages; the database stores UTC
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(VAR_DIR / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
if DEBUG:
    STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"

# --- Database ---------------------------------------------------------------------------------------------------
DATABASES = {"default": env.db_url_config(text("DATABASE_URL", f"sqlite:///{VAR_DIR / 'controlplane.sqlite3'}"))}
# Seconds for one statement of the web process, 0 for no limit; workers and commands have none. The second one is for
# exports of the history, which may have to read all of it for each thousand lines.
WEB_STATEMENT_TIMEOUT = env.float("WEB_STATEMENT_TIMEOUT_SECONDS", default=15)
WEB_EXPORT_STATEMENT_TIMEOUT = max(300.0, WEB_STATEMENT_TIMEOUT)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        # A first sync changes the same index pages again and again: with a checkpoint every 1,000 pages, the default,
        # the cost grows with the number of rows. 10,000 pages are a write-ahead log of 40 MB.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=10000;",
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # seconds, after which the database counts as down
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)

CACHES = {
    # The theme caches results of the command palette for five minutes, and would not find newer objects.
    "default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
    "catalogue": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},  # voices and LLMs, for the forms
}

# --- Celery: the broker only wakes workers; what is due is stored in the database ----------------------------------
BROKER_DIR = VAR_DIR / "broker"
CELERY_BROKER_URL = text("CELERY_BROKER_URL", "filesystem://localhost")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = 900
CELERY_TASK_SOFT_TIME_LIMIT = 840
# Acknowledged at the start: beat repeats what a killed worker leaves behind, and a worker with an unacknowledged
# message exits with an "unrecoverable error" when Redis goes away (kombu 5.7).
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_PUBLISH_RETRY = False  # a click never waits for the broker: beat finds the same row
if CELERY_BROKER_URL.startswith("filesystem"):
    for folder in ("messages", "control"):
        with contextlib.suppress(OSError):
            (BROKER_DIR / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {
        "data_folder_in": str(BROKER_DIR / "messages"),
        "data_folder_out": str(BROKER_DIR / "messages"),
        "control_folder": str(BROKER_DIR / "control"),
        "polling_interval": 0.2,
    }
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": 3600,
        "socket_timeout": 2,
        "socket_connect_timeout": 2,
    }

CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat-schedule")
CELERY_BEAT_SCHEDULE = {
    # The remote sends no events, so the data is as old as this interval at most.
    "sync": {"task": "numbers.tasks.sync", "schedule": SYNC_INTERVAL, "options": {"expires": SYNC_INTERVAL}},
    # A run every minute is 1,440 rows a day; their findings are in the history.
    "prune": {"task": "controlplane.mirror.tasks.prune", "schedule": 3600, "options": {"expires": 3600}},
    # An import is shown within 2 s of being listed: 1 s until the poll, the rest for the poll and the page. The due
    # times in the database space the calls out; if none is due, this costs one query.
    "poll imports": {"task": "numbers.tasks.poll_imports", "schedule": 1, "options": {"expires": 1}},
    # The two checks of an agent are ten minutes apart, so half of that is enough.
    "clean up orphans": {"task": "numbers.tasks.clean_up_orphans", "schedule": 300, "options": {"expires": 300}},
    # A lost response is first read back after 2 s; if none is due, this costs two queries.
    "settle": {"task": "controlplane.operations.tasks.settle", "schedule": 2, "options": {"expires": 10}},
    # The longest time that an entry is not in the chain; if there is nothing new, it costs two queries.
    "seal history": {"task": "controlplane.audit.tasks.seal", "schedule": 10, "options": {"expires": 10}},
    # Reads the whole history once a day, so that tampering is known by the next morning. A check requested by a user
    # starts at once; this only picks up what a lost message left behind. One query if nothing is due.
    "verify history": {"task": "controlplane.audit.tasks.verify", "schedule": 60, "options": {"expires": 60}},
    # Also records how many sign-ins a lock refused, once it has ended and no one has tried again.
    "forget sign-ins": {
        "task": "controlplane.accounts.tasks.purge_expired",
        "schedule": 900,
        "options": {"expires": 900},
    },
    # Entries of transactions that took hours; compares all entries with all links.
    "seal all history": {
        "task": "controlplane.audit.tasks.seal_everything",
        "schedule": 86_400,
        "options": {"expires": 86_400},
    },
    # Picks up what a lost message or a killed worker left behind.
    "run change sets": {
        "task": "controlplane.operations.tasks.run_change_sets",
        "schedule": 15,
        "options": {"expires": 15},
    },
}

# --- Pages ------------------------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, UNSAFE_EVAL],  # Alpine, which the admin theme uses, evaluates expressions
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "media-src": [
            SELF,
            ELEVENLABS_BASE_URL,
            "https://storage.googleapis.com",
            "https://*.elevenlabs.io",
        ],  # voice previews
        "frame-ancestors": [NONE],
        "form-action": [SELF],
        "base-uri": [SELF],
        "object-src": [NONE],
    },
}
CRISPY_TEMPLATE_PACK = "unfold_crispy"
CRISPY_ALLOWED_TEMPLATE_PACKS = ["unfold_crispy"]
CRISPY_FAIL_SILENTLY = False
from controlplane.dashboard.unfold import UNFOLD  # noqa: E402, F401

# --- Logging: to the terminal, each line passed through the scrubber ----------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"scrub": {"()": "controlplane.elevenlabs.ScrubFilter"}},
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"terminal": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["scrub"]}},
    "root": {"handlers": ["terminal"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "celery.worker.strategy": {"level": "WARNING"},  # two lines per poll would hide everything else
        "celery.app.trace": {"level": "WARNING"},
    },
}
