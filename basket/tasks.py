"""Work in the background."""

from celery import shared_task

from basket import manifests

AT_ONCE = 200


@shared_task
def build_manifests() -> None:
    """Build missing manifests, so that adding an observation finds its own; so many in one run."""
    manifests.build_missing(AT_ONCE)
