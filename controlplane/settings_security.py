"""Django settings of sign-in, security and the API."""

from datetime import timedelta

from controlplane.environment import DEBUG, env, text, whole_number

# False only if the browser really uses http, on the local machine. A blank value counts as unset and turns nothing off.
HTTPS = env.bool("HTTPS") if text("HTTPS") else not DEBUG
AUTHENTICATION_BACKENDS = [
    "controlplane.sign_in.backend.SignInLimits",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
SIGN_IN_WINDOW = timedelta(minutes=15)  # failures count for this long, and a lock lasts as long
# Failures within that window before the lock: see docs/decisions/0014-sign-in-limits.md
SIGN_IN_FAILURES = {"pair": 10, "device": 10, "address": 50, "account": 50}
KNOWN_DEVICE_AGE = timedelta(days=180)
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # not in a readable cookie
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [
    *(r"^healthz$", r"^readyz$"),  # requested over http on the internal network
    r"^api/(?!docs$|openapi\.json$)",  # rejected instead: see `controlplane.api.middleware`
]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
# number of proxies that append to X-Forwarded-For
TRUSTED_PROXIES = whole_number("TRUSTED_PROXIES", default=int(BEHIND_PROXY))
CSRF_FAILURE_VIEW = "controlplane.csrf.csrf_failure"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# --- API --------------------------------------------------------------------------------------------------------
API_ACCESS_TOKEN_LIFETIME = timedelta(minutes=15)  # of an access token; each request queries the database anyway
API_MAX_BODY_BYTES = 1024 * 1024  # maximum size of a body
API_MAX_TOKEN_BODY_BYTES = 32 * 1024  # maximum size of an unauthenticated body; the longest password, escaped, fits
API_RATE_PER_MINUTE = env.int("API_RATE_PER_MINUTE", default=600)  # requests of one token, over all processes
API_PASSWORD_SIGN_IN = env.bool("API_PASSWORD_SIGN_IN", default=True)
IDEMPOTENCY_KEY_RETENTION = timedelta(
    days=30
)  # for this long a repeated Idempotency-Key is compared with its first body
CORS_URLS_REGEX = r"^/api/"
# none by default: scripts of other sites have no access
CORS_ALLOWED_ORIGINS = env.list("API_CORS_ORIGINS", default=[])
CORS_ALLOW_HEADERS = ["accept", "authorization", "content-type", "idempotency-key"]
CORS_EXPOSE_HEADERS = ["Location", "Retry-After"]
