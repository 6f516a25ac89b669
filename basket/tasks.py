"""Work in the background."""

from celery import shared_task
from django.utils import timezone

from basket import manifests, recently_removed

AT_ONCE = 200


@shared_task
def build_manifests() -> None:
    """Build missing manifests, so that adding an observation finds its own; so many in one run."""
    manifests.build_missing(AT_ONCE)


@shared_task
def forget() -> None:
    """Delete what was removed too long ago to be brought back."""
    recently_removed.forget(timezone.now())
