"""Work in the background. Each message says "look", the database says what is to be done."""

from typing import Final

from celery import shared_task
from django.utils import timezone

from basket import fillings, manifests, recently_removed
from basket.models import Filling
from portal.bells import ring, ring_aside

AT_ONCE: Final = 200


@shared_task
def build_manifests() -> None:
    """Build missing manifests, so that adding an observation finds its own; so many in one run."""
    manifests.build_missing(AT_ONCE)


@shared_task
def forget() -> None:
    """Delete what was removed too long ago to be brought back."""
    recently_removed.forget(timezone.now())


@shared_task
def fill(key: str) -> None:
    """Put some more of a filling's observations into its basket."""
    if fillings.work(key):
        ring(fill, key)


@shared_task
def find_fillings() -> None:
    """Find those that no message announced, and those whose worker was killed."""
    for key in fillings.due(timezone.now()):
        ring(fill, key)


def start(filling: Filling) -> None:
    """Wake a worker for a new filling."""
    ring_aside(fill, filling.key)
