"""Bells: each message says "look", the database says what is to be done. Losing or doubling one does no harm."""

import logging
from threading import BoundedSemaphore, Thread

from django.utils import timezone

from portal.celery import app
from retrieval import accounting, history, jobs, streams
from retrieval.layout import folder
from retrieval.models import Retrieval

logger = logging.getLogger(__name__)

EXPIRES_SECONDS = 60

_bells = BoundedSemaphore(4)
"""So many messages are on their way at once; a broker that swallows more is left to the tick."""


@app.task
def go_on(retrieval_id: str) -> None:
    """A slice of what a retrieval waits for."""
    if jobs.go_on(retrieval_id):
        ring(retrieval_id)


@app.task
def sweep_layouts() -> None:
    """Remove the layouts of bundles that are no more, or that nobody has read for long."""
    folder.sweep(history.etags)


@app.task
def tick() -> None:
    """Find what no message announced, and transfers that broke off."""
    accounting.broken_off(timezone.now())
    streams.forget_dead(timezone.now())
    for retrieval_id in jobs.due(timezone.now()):
        ring(retrieval_id)


def ring(retrieval_id: str) -> None:
    """Wake a worker. Without a broker nothing is lost: the tick finds the work."""
    try:
        go_on.apply_async((retrieval_id,), expires=EXPIRES_SECONDS, retry=False)
    except Exception as error:  # kombu and redis raise what they like when the broker is away
        logger.warning("No worker was woken for %s (%s); the tick will find it.", retrieval_id, error)


def start(retrieval: Retrieval) -> None:
    """Make a new retrieval ready, and the other parts of it: at once when little has to be done, else by a worker.

    Nobody waits for the broker: one that is away takes seconds to fail, and one that hangs never does.
    """
    waiting = [part.pk for part in history.siblings(retrieval) if not jobs.measure_little(part)]
    retrieval.refresh_from_db()
    if waiting and _bells.acquire(blocking=False):
        Thread(target=_ring_aside, args=(waiting,), daemon=True).start()


def _ring_aside(retrieval_ids: list[str]) -> None:
    try:
        for retrieval_id in retrieval_ids:
            ring(retrieval_id)
    finally:
        _bells.release()
