"""Before pages are served: the database is brought up to date, and an empty catalogue gets the demo archive.

A process of its own (`python -m portal.prepare [--demo]`), because it needs the settings with working servers.
"""

import os
import sys

import django
from django.apps import apps
from django.core.management import call_command, get_commands

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")


def prepare(*, demo: bool) -> None:
    """Migrate; with `demo`, build the small demo archive unless there are observations already."""
    call_command("migrate", interactive=False, verbosity=0)
    observations = apps.get_model("portal", "Observation")._default_manager
    if demo and "demo" in get_commands() and not observations.exists():
        sys.stdout.write("Building the demo archive…\n")
        sys.stdout.flush()
        call_command("demo", scale="small")


if __name__ == "__main__":
    django.setup()
    prepare(demo="--demo" in sys.argv)
