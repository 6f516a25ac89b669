"""Where a script finds things: each file's bytes, the check of a token, the packs. All from SITE_URL, never from a
request's Host header, which anybody can write."""

from urllib.parse import quote, urlsplit

from django.conf import settings
from django.urls import Resolver404, resolve

from portal.archives import archive

FILE = "/api/v0.1/Download/file?uri="
PACK = "/api/v1/retrievals/pack"
TOKEN_CHECK = "/whoami"  # noqa: S105  # an address
TOKEN_PAGE = "/account/tokens/"  # noqa: S105  # an address

PORTS = {"http": 80, "https": 443}


def of_file(archive_name: str, uri: str) -> str:
    """The address of a file's bytes: the archive's own where it has one, else ours. `archive_name` may be blank."""
    own = archive(archive_name).address(uri) if archive_name else None
    return own or settings.SITE_URL + FILE + quote(uri, safe=":/")


def pack() -> str:
    """The address that gives small files together."""
    return settings.SITE_URL + PACK


def token_check() -> str | None:
    """The address that says whether a token is good; None where there are no tokens."""
    return _known(TOKEN_CHECK)


def token_page() -> str:
    """The page on which a person gets a token; blank where there are no tokens."""
    return _known(TOKEN_PAGE) or ""


def origin(url: str) -> str:
    """``scheme://host:port`` of a URL, in lower case, the port always given."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or PORTS[parts.scheme]}"


def _known(path: str) -> str | None:
    try:
        resolve(path)
    except Resolver404:
        return None
    return settings.SITE_URL + path
