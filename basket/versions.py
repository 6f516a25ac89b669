"""The version of a basket as an entity tag (RFC 9110, 8.8.3): a client that says which one it saw learns that
nothing changed, or changes nothing where something did."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from django.db import transaction

from basket.ledger import cube_of, locked, show
from basket.models import Basket
from portal.errors import Problem
from portal.quantities import counted

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
        before, version = tag(basket), basket.version
        stored = locked(basket)
        if wanted is not None and not (stored.version == version and before in wanted):
            raise _changed(stored.version)
        show(basket, stored)
        yield


class NotAsSeen(Problem):
    """A form asks for something that is no longer what its page showed."""

    status = 409
    code = "basket_changed"


def seen_before(basket: Basket, version: str) -> bool:
    """Whether a form's page showed another version of the basket; a form that names none saw this one."""
    return version.isascii() and version.isdigit() and version != str(basket.version)


def amount(basket: Basket, what: str) -> str:
    """How much is selected, or how much there is in all, as a page and its form tell it: files-bytes."""
    sums = cube_of(basket).sums()
    return (
        f"{sums['selected_files']}-{sums['selected_bytes']}"
        if what == "selected"
        else f"{sums['files']}-{sums['bytes']}"
    )


@contextmanager
def only_as_seen(basket: Basket, version: str, what: str, saw: str) -> Iterator[None]:
    """What is done inside is done to what a form's page showed: to the `selected` files, or to `all`.

    A basket that changed elsewhere is no hindrance where those are as many, with as many bytes, as they were.
    Raises NotAsSeen.
    """
    if not saw or basket.pk is None:
        yield
        return
    with transaction.atomic():
        stored = locked(basket)
        if seen_before(stored, version) and amount(stored, what) != saw:
            raise NotAsSeen(_not_as_seen(stored, what))
        yield


def _not_as_seen(basket: Basket, what: str) -> str:
    sums = cube_of(basket).sums()
    now = counted(sums["selected_files" if what == "selected" else "files"], "file")
    told = f"{now} {'selected' if what == 'selected' else 'in it'} now"
    return f"Your basket was changed in another tab, with {told}. Nothing was done: look again, and repeat it."


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
