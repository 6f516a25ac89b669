"""Read one setting from the environment, from NAME or from the file that NAME_FILE names.

A malformed value stops the start with the variable's name, its value and an example.
"""

import os
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from portal.remote.addresses import canonical, parsed


class EnvironmentProblem(Exception):
    """A variable is missing or malformed; the message names it and gives an example."""


def env(name: str, default: str | None = None, *, example: str = "") -> str:
    """Text of the variable. Without a default it must be set."""
    path = os.environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise EnvironmentProblem(f"{name}_FILE={path} cannot be read: {error.strerror}.") from error
    value = os.environ.get(name, default)
    if value is None:
        raise EnvironmentProblem(f"{name} is not set. For example: {name}={example}")
    return value


def envbool(name: str, *, default: bool) -> bool:
    """True for 1, true, yes, on; False for 0, false, no, off."""
    value = env(name, str(default)).lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off", ""}:
        return False
    raise EnvironmentProblem(f"{name}={value} is neither true nor false. For example: {name}=true")


def envint(name: str, default: int) -> int:
    """A whole number, 0 or more."""
    value = env(name, str(default)).replace("_", "").replace(",", "")
    if not value.isdecimal():
        raise EnvironmentProblem(f"{name}={value} is not a whole number. For example: {name}={default}")
    return int(value)


def envlist(name: str, default: str = "") -> list[str]:
    """Items separated by commas."""
    return [item.strip() for item in env(name, default).split(",") if item.strip()]


def database(url: str) -> dict[str, object]:
    """Django's DATABASES entry for a postgresql:// URL; query parameters become libpq options."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"} or not parts.path.strip("/"):
        raise EnvironmentProblem(
            f"DATABASE_URL={parts.scheme}://… is not a PostgreSQL address. "
            "For example: DATABASE_URL=postgresql://user:password@localhost:5432/skybasket"
        )
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": dict(parse_qsl(parts.query)),
    }


def stores(prefixes: list[str]) -> list[str]:
    """REMOTE_STORES: prefixes of addresses, each in its one spelling."""
    for prefix in prefixes:
        try:
            canonical(prefix)
        except ValueError as error:
            raise EnvironmentProblem(
                f"REMOTE_STORES={prefix} is no store: {error}. "
                "For example: REMOTE_STORES=https://data.example.org/archive/,s3://bucket/"
            ) from None
    return prefixes


def endpoint(url: str) -> str:
    """S3_ENDPOINT_URL: an http or https address, or blank."""
    try:
        return url and str(parsed(url))
    except ValueError as error:
        raise EnvironmentProblem(
            f"S3_ENDPOINT_URL={url}: {error}. For example: S3_ENDPOINT_URL=https://s3.example.org"
        ) from None
