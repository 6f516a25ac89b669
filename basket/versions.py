"""The version of a basket as an entity tag (RFC 9110, 8.8.3): a client that says which one it saw learns that
nothing changed, or changes nothing where something did."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from django.db import transaction

from basket.ledger import locked, show
from basket.models import Basket
from portal.errors import Problem

LONGEST: Final = 1000
TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
EXPECTED: Final = 'If-Match takes the ETag of GET /api/v1/basket/, for example If-Match: "12-7", or *.'


def tag(basket: Basket) -> str:
    """Which basket, and in which version: what every write changes. 0-0 is a basket that is not stored yet."""
    return f"{basket.pk or 0}-{basket.version}"


def etag(basket: Basket, version: int, answer: Mapping[str, Any]) -> str:
    """The strong tag of an answer about a basket: what it says may also change with the time, the reader's rights
    and the filters of the address."""
    said = json.dumps(answer, sort_keys=True, default=str).encode()
    return f'"{basket.pk or 0}-{version}-{hashlib.sha256(said).hexdigest()[:12]}"'


def unchanged(etag: str, if_none_match: str) -> bool:
    """Whether If-None-Match names this tag; by weak comparison, as RFC 9110 (13.1.2) wants. Nonsense names none."""
    known = [opaque for _, opaque in _tags(if_none_match) or ()]
    return if_none_match.strip() == "*" or etag.strip('"') in known


@contextmanager
def only_if(basket: Basket, if_match: str | None) -> Iterator[None]:
    """What is written inside is written to the version that If-Match names, or not at all; None: to whichever.

    Raises Problem: 412 where the basket changed since, 400 for a header that is none.
    """
    if if_match is None:
        yield
        return
    wanted = _wanted(if_match)
    with transaction.atomic():
        before = tag(basket)
        stored = locked(basket)
        if wanted is not None and not (stored.version == basket.version and before in wanted):
            raise _changed(stored.version)
        show(basket, stored)
        yield


def _wanted(if_match: str) -> set[str] | None:
    """Basket and version of each strong tag; None for any."""
    if if_match.strip() == "*":
        return None
    tags = _tags(if_match)
    if tags is None:
        raise Problem(f"This If-Match is no list of entity tags. {EXPECTED}", field="If-Match")
    return {"-".join(opaque.split("-")[:2]) for weak, opaque in tags if not weak}


def _tags(header: str) -> list[tuple[str, str]] | None:
    """(weak, opaque) of each tag of a list; None where it is none."""
    parts = [part.strip() for part in header[:LONGEST].split(",") if part.strip()]
    found = [TAG.fullmatch(part) for part in parts]
    if not parts or len(header) > LONGEST or not all(found):
        return None
    return [(match[1] or "", match[2]) for match in found if match]


def _changed(version: int) -> Problem:
    told = f"The basket changed since you read it: it is at version {version} now. Nothing was changed; read it again."
    return Problem(told, field="If-Match", code="basket_changed", status=412)
