"""How many downloads run at once, for a person and for an address; each is a row that lives as long as its stream.

The rows are counted, not locks: a stream renews its row, and one whose process was killed is soon counted no more.
Who begins a stream holds a lock of this person and of this address for the time of one count and one insert.
"""

import ipaddress
from datetime import datetime, timedelta
from uuid import UUID
from zlib import crc32

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from portal.errors import Problem
from retrieval.models import Stream

ALIVE = timedelta(seconds=20)
"""A row that was not renewed for so long is of a stream that is no more: its process was killed."""

RETRY_SECONDS = 10

LOCK = 0x5354_5245
"""The first key of our advisory locks in PostgreSQL; the second is a hash of what is counted."""


class TooManyStreams(Problem):
    """429: as many downloads run as may run at once."""

    status = 429
    code = "too_many_downloads"
    retry_after = RETRY_SECONDS


class Place:
    """One stream's place among those that may run at once."""

    def __init__(self, stream_id: UUID | None) -> None:
        self._id = stream_id

    def keep(self, now: datetime) -> None:
        """The stream lives."""
        if self._id is not None:
            Stream.objects.filter(pk=self._id).update(renewed=now)

    def leave(self) -> None:
        """It has ended; may be called again."""
        if self._id is not None:
            Stream.objects.filter(pk=self._id).delete()


NOWHERE = Place(None)
"""Of a stream that is not counted."""


def enter(person: str, address: str, now: datetime) -> Place:
    """Take a place; `person` and `address` are counted where they are not blank. Raises TooManyStreams."""
    counted = {"person": person, "address": _network(address)}
    with transaction.atomic():
        for name in sorted(value for value in counted.values() if value):
            _lock(name)
        _refuse_more(counted["person"], counted["address"], now)
        stream = Stream.objects.create(**counted, begun=now, renewed=now)
    return Place(stream.pk)


def forget_dead(now: datetime) -> int:
    """Remove the rows of streams that are no more. Returns how many."""
    return Stream.objects.filter(renewed__lt=now - ALIVE).delete()[0]


def _refuse_more(person: str, address: str, now: datetime) -> None:
    same = Q(person=person, person__gt="") | Q(address=address, address__gt="")
    running = Stream.objects.filter(same, renewed__gte=now - ALIVE)
    rows = list(running.values_list("person", "address"))
    yours = sum(person == one for one, _ in rows) if person else 0
    here = sum(address == one for _, one in rows) if address else 0
    if settings.STREAMS_PER_USER and yours >= settings.STREAMS_PER_USER:
        raise _too_many(f"{yours} of your downloads are", "one person", settings.STREAMS_PER_USER)
    if settings.STREAMS_PER_ADDRESS and here >= settings.STREAMS_PER_ADDRESS:
        raise _too_many(f"{here} downloads to {address} are", "one address", settings.STREAMS_PER_ADDRESS)


def _too_many(running: str, whom: str, most: int) -> TooManyStreams:
    return TooManyStreams(
        f"{running} running, and {whom} may have {most} at once. Nothing was sent. Wait for one of them to end, or "
        "let a script or a batch do it: they fetch one file after the other."
    )


def _network(address: str) -> str:
    """One household or laboratory has a /64 of IPv6 addresses, and would otherwise have as many limits."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def _lock(name: str) -> None:
    """Until the end of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK, crc32(name.encode()) - 2**31])
