"""Observations on their way into a basket, when that takes longer than anybody should wait. The rows are the job.

A message or the tick only says "look": who claims the row gets a lease and the next epoch, and works in slices of
seconds. Each portion comes into the basket in the same transaction that notes it as done, so that nothing is added
twice and nothing left out, whoever dies when. The basket can be used meanwhile.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from django.db import DataError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from basket import items, keeping
from basket.filling import Added, add_observations, put_in
from basket.holders import Holder
from basket.ledger import make, writing
from basket.manifests import manifests_for, without_manifest
from basket.models import Basket, Filling
from basket.packing import heights
from portal.archives.base import ArchiveError
from portal.errors import Problem
from portal.models import Observation

LITTLE_SECONDS: Final = 1.0
ROWS_A_SECOND: Final = 60_000  # of product lists packed into manifests
OBSERVATIONS_A_SECOND: Final = 3_000  # with manifests, put into a basket

SLICE_SECONDS: Final = 5.0
LEASE: Final = timedelta(seconds=60)
PORTION_ROWS: Final = 30_000  # about half a second

MOST_ATTEMPTS: Final = 5
"""So many claims without one observation added: the next one stops whoever adds it, and is set aside."""

OPEN: Final = (Filling.Phase.QUEUED, Filling.Phase.EXECUTING)
TROUBLES: Final = (Problem, ArchiveError, DataError, OverflowError, ValueError)
"""What the list of one observation may bring about, without fault of the others."""


class Lost(Exception):
    """The job is no longer ours: somebody else claimed it, or it was cancelled."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a filling, until the lease runs out or the epoch moves on."""

    pk: int
    epoch: int
    attempt: int


def add(basket: Basket, observations: Sequence[int]) -> Added | Filling:
    """Put observations (by primary key) into a basket: at once where that takes about a second, otherwise as a
    filling for a worker, which whoever called has to wake."""
    if seconds(observations) <= LITTLE_SECONDS:
        return add_observations(basket, observations)
    make(basket)
    packed = np.fromiter(observations, np.int64).tobytes()
    return Filling.objects.create(
        key=secrets.token_urlsafe(16), basket_id=basket.pk, observations=packed, total=len(observations)
    )


def seconds(observations: Sequence[int]) -> float:
    """About how long adding them takes."""
    rows = sum(heights(without_manifest(observations)).values())
    return rows / ROWS_A_SECOND + len(observations) / OBSERVATIONS_A_SECOND


def of_basket(basket: Basket) -> list[Filling]:
    """The fillings that a page of the basket tells of: those under way, and the last one if it left something out."""
    if basket.pk is None:
        return []
    recent = list(Filling.objects.filter(basket=basket.pk).defer("observations").order_by("-created", "-pk")[:10])
    return [one for place, one in enumerate(recent) if one.is_open or (place == 0 and one.failures)]


def held(holder: Holder, key: str) -> Filling:
    """The filling with this key of a basket that somebody holds. Raises Problem (404)."""
    among = Filling.objects.filter(key=key, basket__in=keeping.baskets(holder).order_by().values("pk"))
    filling = among.defer("observations").first()
    if filling is None:
        raise Problem("There is nothing of that name being added to your baskets.", code="not_found", status=404)
    return filling


def cancel(filling: Filling) -> None:
    """Stop. What came into the basket stays there; a filling that has ended stays as it is."""
    going = Filling.objects.filter(pk=filling.pk, phase__in=OPEN)
    going.update(phase=Filling.Phase.ABORTED, ended=timezone.now(), epoch=F("epoch") + 1, lease=None)
    filling.refresh_from_db()


def retry(filling: Filling) -> Filling:
    """A new filling with the observations that this one had to leave out. Asked again it is the same one."""
    with transaction.atomic():
        old = Filling.objects.select_for_update().get(pk=filling.pk)
        if not old.failures:
            raise Problem(
                "Nothing was left out: there is nothing to try again.", code="nothing_to_retry", status=409
            )
        packed = np.array([pk for pk, _, _ in old.failures], np.int64).tobytes()
        new, _ = Filling.objects.get_or_create(
            key=f"{old.key}~",
            defaults={"basket_id": old.basket_id, "observations": packed, "total": len(old.failures)},
        )
    return new


def work(key: str, *, seconds: float = SLICE_SECONDS) -> bool:
    """One slice. True when there is more to do: whoever called rings again.

    Does nothing, and says False, for a filling that has ended or that somebody else works on.
    """
    claim = _claim(key, timezone.now())
    if claim is None:
        return False
    deadline = time.monotonic() + seconds
    try:
        while _portion(claim):
            if time.monotonic() >= deadline:
                _release(claim)
                return True
    except Lost:
        return False
    return False


def due(now: datetime) -> list[str]:
    """Fillings that wait and that nobody works on, oldest first; at most 50."""
    waiting = Filling.objects.filter(_is_free(now), phase__in=OPEN)
    return list(waiting.order_by("created").values_list("key", flat=True)[:50])


def _is_free(now: datetime) -> Q:
    return Q(lease=None) | Q(lease__lt=now)


def _claim(key: str, now: datetime) -> Claim | None:
    """Attempts count the claims since an observation was last added, so one that kills its worker is found by them."""
    with transaction.atomic():
        free = Filling.objects.filter(_is_free(now), key=key, phase__in=OPEN)
        filling = free.select_for_update(skip_locked=True).first()
        if filling is None:
            return None
        filling.phase = Filling.Phase.EXECUTING
        filling.epoch += 1
        filling.attempts += 1
        filling.lease = now + LEASE
        filling.save(update_fields=["phase", "epoch", "attempts", "lease"])
    return Claim(filling.pk, filling.epoch, filling.attempts)


def _ours(claim: Claim) -> QuerySet[Filling]:
    return Filling.objects.filter(pk=claim.pk, epoch=claim.epoch, phase=Filling.Phase.EXECUTING)


def _change(claim: Claim, **columns: object) -> None:
    """Write into the row, if it is still ours. Raises Lost."""
    if not _ours(claim).update(**columns):
        raise Lost


def _release(claim: Claim) -> None:
    """The slice is over: anybody may claim the next one at once."""
    _change(claim, lease=None)


def _portion(claim: Claim) -> bool:
    """Add the next few observations. False when there is none left, and the filling has ended."""
    filling = _ours(claim).first()
    if filling is None:
        raise Lost
    left = np.frombuffer(filling.observations, np.int64)[filling.done :].tolist()
    if not left:
        _change(claim, phase=Filling.Phase.COMPLETED, ended=timezone.now(), lease=None)
        return False
    if claim.attempt > MOST_ATTEMPTS and filling.attempts > MOST_ATTEMPTS:
        _set_aside(
            claim, left[0], f"Adding it stopped the worker {MOST_ATTEMPTS} times. Ask the archive's operators."
        )
        return True
    _add_or_set_aside(claim, filling.basket, _first(left) if claim.attempt == 1 else left[:1])
    return True


def _first(left: Sequence[int]) -> list[int]:
    """So many of them that the page sees progress."""
    some = left[: items.AT_ONCE]
    rows = heights(without_manifest(some))
    return next(items.portions(some, [rows.get(pk, 0) for pk in some], PORTION_ROWS))


def _add_or_set_aside(claim: Claim, basket: Basket, some: Sequence[int]) -> None:
    """Add them together; where that fails, one by one, and leave out only those that cannot be added."""
    try:
        _add(claim, basket, some)
    except TROUBLES as error:
        if isinstance(error, Problem) and error.code == "basket_gone":
            _change(claim, phase=Filling.Phase.ABORTED, ended=timezone.now(), lease=None)
            raise Lost from error
        if len(some) == 1:
            _set_aside(claim, some[0], _told(error))
            return
        for pk in some:
            _add_or_set_aside(claim, basket, [pk])


def _add(claim: Claim, basket: Basket, some: Sequence[int]) -> None:
    manifests = list(manifests_for(some).values())
    with writing(basket) as ledger:
        added = put_in(ledger, manifests)
        _change(
            claim,
            done=F("done") + len(some),
            lease=timezone.now() + LEASE,
            attempts=0,
            **{name: F(name) + amount for name, amount in asdict(added).items()},
        )


def _set_aside(claim: Claim, pk: int, reason: str) -> None:
    """Count one as done that could not be added, and say why."""
    observation = Observation.objects.filter(pk=pk).first()
    name = f"{observation.archive}:{observation.obsid}" if observation else str(pk)
    with transaction.atomic():
        filling = _ours(claim).select_for_update().first()
        if filling is None:
            raise Lost
        filling.failures.append([pk, name, reason])
        filling.done, filling.attempts, filling.lease = filling.done + 1, 0, timezone.now() + LEASE
        filling.save(update_fields=["failures", "done", "attempts", "lease"])


def _told(error: Exception) -> str:
    if isinstance(error, Problem | ArchiveError):
        return error.message
    return f"Its list of files could not be read ({type(error).__name__}). Ask the archive's operators."
