"""The right to work on a retrieval: whoever claims its row gets a lease and the next epoch.

Nothing is written once the epoch has moved on. A worker that dies leaves its lease to run out.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from retrieval.models import BUNDLES, Phase, Retrieval

LEASE = timedelta(seconds=60)

MOST_ATTEMPTS = 5
"""So many claims without any progress: what comes next stops whoever works on it."""


class Lost(Exception):
    """The job is no longer ours: somebody else claimed it, or it was cancelled."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a retrieval in this phase, until the lease runs out or the epoch moves on."""

    retrieval_id: str
    phase: Phase
    epoch: int
    attempt: int

    def held(self) -> Retrieval:
        """The row, locked, if it is still ours. Raises Lost."""
        ours = Retrieval.objects.filter(pk=self.retrieval_id, epoch=self.epoch, phase=self.phase)
        retrieval = ours.select_for_update().first()
        if retrieval is None:
            raise Lost
        return retrieval


def is_free(now: datetime) -> Q:
    """Retrievals that nobody is working on."""
    return Q(lease=None) | Q(lease__lt=now)


def waiting(now: datetime) -> Q:
    """Retrievals that somebody should work on: their files have no rows yet, or the bundle has no length."""
    return is_free(now) & (Q(phase=Phase.PENDING) | Q(phase=Phase.QUEUED, length=None, method__in=BUNDLES))


def take(retrieval_id: str, phase: Phase, now: datetime) -> Claim | None:
    """Claim a retrieval that waits in this phase; None when it does not, or somebody else has it.

    Attempts count the claims since there was any progress, so what kills its worker is found by them.
    """
    with transaction.atomic():
        free = Retrieval.objects.filter(waiting(now), pk=retrieval_id, phase=phase)
        retrieval = free.select_for_update(skip_locked=True).first()
        if retrieval is None:
            return None
        retrieval.epoch += 1
        retrieval.attempts += 1
        retrieval.lease = now + LEASE
        retrieval.save(update_fields=["epoch", "attempts", "lease"])
    return Claim(retrieval.pk, phase, retrieval.epoch, retrieval.attempts)


class Heart:
    """Renews the lease while something takes long, every tenth of its length in time."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._due = time.monotonic() + LEASE.total_seconds() / 10

    def beat(self, count: int = 0) -> None:
        """Some work was done, such as `count` bytes read. Raises Lost when the job is no longer ours."""
        del count
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + LEASE.total_seconds() / 10
        claim = self._claim
        ours = Retrieval.objects.filter(pk=claim.retrieval_id, epoch=claim.epoch, phase=claim.phase)
        if not ours.update(lease=timezone.now() + LEASE):
            raise Lost
