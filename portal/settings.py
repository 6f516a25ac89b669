"""Every setting of Skybasket. What an operator may set is in docs/configuration.md, nothing else is read."""

import re
from pathlib import Path

from portal.env import database, endpoint, env, envbool, envint, envlist, stores

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent


def packaged(name: str) -> Path:
    """The folder inside an installed wheel first: a neighbour of site-packages may be somebody else's."""
    inside = PACKAGE / f"_{name}"
    return inside if inside.exists() else CHECKOUT / name


VERSION = (re.findall(r"(?m)^## ([0-9.]+)", packaged("CHANGELOG.md").read_text(encoding="utf-8")) or ["0.0.0"])[0]

# Where things are
SKYBASKET_HOME = Path(env("SKYBASKET_HOME", "~/.skybasket")).expanduser().resolve()
HOST = env("HOST", "127.0.0.1")
PORT = envint("PORT", 8000)
SITE_URL = env("SITE_URL", f"http://{HOST}:{PORT}").rstrip("/")
DEBUG = envbool("DEBUG", default=False)
SECRET_KEY = env("SECRET_KEY", example="$(openssl rand -base64 48)")
ALLOWED_HOSTS = envlist("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = [SITE_URL] if SITE_URL.startswith("https://") else []

# What it serves
ARCHIVES = envlist("ARCHIVES", "local")
STREAM_LIMIT_BYTES = envint("STREAM_LIMIT_BYTES", 53_687_091_200)

# Files that lie in stores elsewhere (portal.remote): only those below these prefixes are ever asked for
REMOTE_STORES = stores(envlist("REMOTE_STORES"))
REMOTE_PRIVATE_HOSTS = envlist("REMOTE_PRIVATE_HOSTS")
REMOTE_READ_AHEAD = max(envint("REMOTE_READ_AHEAD", 8), 1)
REMOTE_READ_AHEAD_BYTES = envint("REMOTE_READ_AHEAD_BYTES", 67_108_864)
REMOTE_TIMEOUT_SECONDS = max(envint("REMOTE_TIMEOUT_SECONDS", 20), 1)
REMOTE_ATTEMPTS = max(envint("REMOTE_ATTEMPTS", 5), 1)
S3_ENDPOINT_URL = endpoint(env("S3_ENDPOINT_URL", ""))
S3_REGION = env("S3_REGION", "us-east-1")
S3_ACCESS_KEY_ID = env("S3_ACCESS_KEY_ID", "")
S3_SECRET_ACCESS_KEY = env("S3_SECRET_ACCESS_KEY", "")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.admin",
    "rest_framework",
    "drf_spectacular",
    "portal",
    "basket",
    "retrieval",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.middleware.security_headers",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "basket.middleware.current_basket",
    "portal.middleware.ProblemPages",
]
ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"
WSGI_APPLICATION = "portal.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [packaged("templates")],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.site",
                "basket.context.basket",
            ],
        },
    },
]

# PostgreSQL is the only database. Connections are pooled: under ASGI each request runs on a thread of its own.
DATABASES = {
    "default": database(env("DATABASE_URL", example="postgresql://user:password@localhost:5432/skybasket"))
}
DATABASE_POOL = envint("DATABASE_POOL", 20)
if DATABASE_POOL:
    DATABASES["default"]["OPTIONS"] = {
        **dict(DATABASES["default"]["OPTIONS"]),  # type: ignore[call-overload]  # a dict, by portal.env.database
        "pool": {"min_size": 1, "max_size": DATABASE_POOL, "timeout": 10},
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Celery rings the bell; the database is the record. No result backend: publishing must never block a page.
CELERY_BROKER_URL = env("REDIS_URL", example="redis://localhost:6379/0")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 1800,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "global_keyprefix": "skybasket:",
    "socket_connect_timeout": 1,
    "socket_keepalive": True,
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 900
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_ROUTES = {"retrieval.tasks.measure": {"queue": "bundling"}}
CELERY_BEAT_SCHEDULE = {
    "retrieval-tick": {"task": "retrieval.tasks.tick", "schedule": 10.0},
    "basket-manifests": {"task": "basket.tasks.build_manifests", "schedule": 60.0},
}

# People
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_COOKIE_AGE = 60 * 60 * 24 * 365
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = SITE_URL.startswith("https://")
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE
SECURE_REFERRER_POLICY = "same-origin"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# Words, dates, numbers: plain English and UTC
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

# Files that the pages need
STATIC_URL = "static/"
STATICFILES_DIRS = [packaged("static")]
STATIC_ROOT = SKYBASKET_HOME / "static"
WHITENOISE_USE_FINDERS = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "portal.errors.api_error",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Skybasket",
    "DESCRIPTION": "Find observations, choose exactly the files you need, get all of them.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
