"""Which addresses may be asked for: those below the prefixes of REMOTE_STORES, and none else. No request is made here.

An address that leads elsewhere, however it is spelt, is refused before a name is resolved; what a name resolves to
is judged by `portal.remote.wire` (OWASP ASVS 5.0 1.3.6, 13.2.4).
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote, urljoin, urlsplit

from portal.remote.problems import StoreProblem

SCHEMES = ("https://", "http://", "s3://")
PORTS = {"https": 443, "http": 80}

_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MOST_ENCODINGS = 5


@dataclass(frozen=True, slots=True)
class Address:
    """An HTTP address, taken apart; `path` as on the wire, with the query."""

    scheme: str
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them (RFC 9110 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Keys:
    """What signs requests to S3."""

    access: str
    secret: str
    region: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where one request goes. `label` names the store to people; `private`: it may have a private address."""

    address: Address
    label: str
    private: bool
    keys: Keys | None = None


def is_remote(source: str) -> bool:
    """Whether a source is an address, and not a path on a disk of ours."""
    return source.startswith(SCHEMES)


def parsed(url: str) -> Address:
    """An http or https address. Raises ValueError saying what is wrong with it."""
    if not _PRINTABLE.fullmatch(url) or "\\" in url:
        raise ValueError("it holds a character that has to be percent-encoded")
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError("it is no http:// or https:// address")
    if "@" in parts.netloc or "#" in url:
        raise ValueError("it holds a user name, a password or a fragment")
    port = PORTS[parts.scheme] if parts.port is None else parts.port
    _refuse_climbing(parts.path)
    path = parts.path or "/"
    return Address(parts.scheme, parts.hostname, port, f"{path}?{parts.query}" if parts.query else path)


def canonical(source: str) -> str:
    """The one spelling of a source, or of a prefix of sources. Raises ValueError saying what is wrong with it."""
    if not source.startswith("s3://"):
        return str(parsed(source))
    bucket, _, key = source.removeprefix("s3://").partition("/")
    if not bucket or _CONTROL.search(source):
        raise ValueError("it is no s3://bucket/key")
    _refuse_climbing(f"{bucket}/{key}")
    return f"s3://{bucket}/{key}"


def _refuse_climbing(path: str) -> None:
    """A path that a server, or a proxy before it, might take for one outside the prefix."""
    for _ in range(_MOST_ENCODINGS):
        if any(segment in {".", ".."} for segment in re.split(r"[/\\;]", path)):
            raise ValueError("it holds a . or .. segment")
        decoded = unquote(path)
        if decoded == path:
            return
        path = decoded
    raise ValueError("it is percent-encoded over and over")


class Stores:
    """The stores that may be read. `private_hosts` may have private addresses; so may an IP address itself."""

    def __init__(
        self, prefixes: Iterable[str], *, private_hosts: Iterable[str] = (), s3_endpoint: str = "", keys: Keys
    ) -> None:
        self._prefixes = [canonical(prefix) for prefix in prefixes]
        self._private_hosts = {host.lower() for host in private_hosts}
        self._endpoint = parsed(s3_endpoint or f"https://s3.{keys.region}.amazonaws.com")
        self._keys = keys

    def target(self, source: str) -> Target:
        """Where to ask for a source. Raises StoreProblem for one outside every store."""
        try:
            spelt = canonical(source)
        except ValueError as error:
            raise StoreProblem(f"{source} cannot be read: {error}.") from None
        if not any(_is_below(spelt, prefix) for prefix in self._prefixes):
            raise StoreProblem(
                f"{source} is in no store that the archive may read from. Its operators can add the store to "
                "REMOTE_STORES."
            )
        return self._in_s3(spelt) if spelt.startswith("s3://") else self._at(parsed(spelt))

    def redirected(self, target: Target, location: str) -> Target:
        """Where a store sends us on to: nowhere but into another store, and never with S3's signature."""
        try:
            return self.target(urljoin(str(target.address), location))
        except (StoreProblem, ValueError):
            raise StoreProblem(
                f"The store {target.label} redirects to {location[:200]}, which the archive may not read from. Its "
                "operators can add that to REMOTE_STORES."
            ) from None

    def _at(self, address: Address) -> Target:
        return Target(address, address.host, self._may_be_private(address.host))

    def _in_s3(self, source: str) -> Target:
        bucket, _, key = source.removeprefix("s3://").partition("/")
        at = self._endpoint
        path = f"{at.path.rstrip('/')}/{quote(bucket, safe='-._~')}/{quote(key, safe='/-._~')}"
        keys = self._keys if self._keys.access else None
        address = Address(at.scheme, at.host, at.port, path)
        return Target(address, f"s3://{bucket}", self._may_be_private(at.host), keys)

    def _may_be_private(self, host: str) -> bool:
        if host in self._private_hosts:
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True


def _is_below(spelt: str, prefix: str) -> bool:
    return spelt == prefix or spelt.startswith(prefix if prefix.endswith("/") else (f"{prefix}/", f"{prefix}?"))


@lru_cache(maxsize=4)
def stores_of(prefixes: tuple[str, ...], private_hosts: tuple[str, ...], s3_endpoint: str, keys: Keys) -> Stores:
    """The same stores for the same settings."""
    return Stores(prefixes, private_hosts=private_hosts, s3_endpoint=s3_endpoint, keys=keys)
