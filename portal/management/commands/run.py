"""`run`: the whole of Skybasket in the foreground, from nothing."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from portal.embedded.homes import Home
from portal.supervisor import Supervisor


class Command(BaseCommand):
    """The one command on a fresh machine."""

    help = "Start everything, print the address, stop everything on Ctrl-C."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The address, and whether an empty catalogue is filled."""
        parser.add_argument("--host", default=settings.HOST, help="address to listen on (HOST, %(default)s)")
        parser.add_argument("--port", type=int, default=settings.PORT, help="port (PORT, %(default)s)")
        parser.add_argument("--no-demo", action="store_true", help="leave an empty catalogue empty")

    def handle(self, *, host: str, port: int, no_demo: bool, **_options: Any) -> None:
        """Until Ctrl-C or SIGTERM."""
        home = Home(settings.SKYBASKET_HOME)
        Supervisor(home, self.say, host=host, port=port, demo=not no_demo).run()

    def say(self, line: str) -> None:
        """One line of progress; that the terminal is gone must not hinder an orderly stop."""
        try:
            self.stdout.write(line)
            self.stdout.flush()
        except OSError:
            pass
