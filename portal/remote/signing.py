"""Signing a request to S3 that has no body: AWS Signature Version 4, in the Authorization header.

Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4): Using the Authorization Header".
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote

from portal.remote.addresses import Address, Keys

EMPTY = hashlib.sha256(b"").hexdigest()


def signed(method: str, address: Address, headers: Mapping[str, str], keys: Keys, now: datetime) -> dict[str, str]:
    """The headers with Host, x-amz-content-sha256, x-amz-date and Authorization added."""
    stamp = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    every = {
        **headers,
        "Host": address.authority,
        "x-amz-content-sha256": EMPTY,
        "x-amz-date": stamp,
    }
    lines = {name.lower(): " ".join(value.split()) for name, value in every.items()}
    names = ";".join(sorted(lines))
    path, _, query = address.path.partition("?")
    request = "\n".join(
        [
            method,
            path,
            _canonical(query),
            *(f"{name}:{lines[name]}" for name in sorted(lines)),
            "",
            names,
            EMPTY,
        ]
    )
    scope = f"{stamp[:8]}/{keys.region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{keys.secret}".encode()
    for part in scope.split("/"):
        key = _hash(key, part)
    signature = _hash(key, text).hex()
    credential = f"Credential={keys.access}/{scope},SignedHeaders={names},Signature={signature}"
    return every | {"Authorization": f"AWS4-HMAC-SHA256 {credential}"}


def _canonical(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    return "&".join(sorted(f"{quote(name, safe='-._~')}={quote(value, safe='-._~')}" for name, value in pairs))


def _hash(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
