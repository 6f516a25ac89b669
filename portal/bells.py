"""Ringing for a worker without waiting for the broker: one that is away takes seconds to fail, one that hangs never
does. A message only says "look"; losing one does no harm, because a tick finds what no message announced."""

import logging
from threading import BoundedSemaphore, Thread
from typing import Any, Final

from celery import Task

logger = logging.getLogger(__name__)

EXPIRES_SECONDS: Final = 60

_under_way = BoundedSemaphore(4)
"""So many messages are on their way at once; a broker that swallows more is left to the tick."""


def ring(task: "Task[Any, Any]", *words: str) -> None:
    """Send a message, from a worker or a thread that may wait."""
    try:
        task.apply_async(words, expires=EXPIRES_SECONDS, retry=False)
    except Exception as error:  # kombu and redis raise what they like when the broker is away
        logger.warning("No worker was woken for %s (%s); the tick will find the work.", task.name, error)


def ring_aside(task: "Task[Any, Any]", *words: str) -> None:
    """Send a message from a request, which does not wait for it."""
    if _under_way.acquire(blocking=False):
        Thread(target=_ring_and_make_room, args=(task, *words), daemon=True).start()


def _ring_and_make_room(task: "Task[Any, Any]", *words: str) -> None:
    try:
        ring(task, *words)
    finally:
        _under_way.release()
