"""The Celery application: it rings bells. What has to be done stands in the database, not in its messages."""

import os
import signal
from typing import Any

from celery import Celery
from celery.signals import worker_process_init

from portal.embedded.processes import bound_to_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("skybasket")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
def end_with_the_worker(**_: Any) -> None:
    """A killed worker's processes would finish their task first, beside those of the next worker."""
    bound_to_parent(os.getppid(), signal.SIGKILL)()
