"""The `skybasket` command, which is also what manage.py calls: every management command, with its servers.

A command that needs the database uses the servers of a `run` that is up in the same home, or starts them for as
long as it works; DATABASE_URL and REDIS_URL name others.
"""

import hashlib
import os
import subprocess
import sys
from contextlib import suppress

import django
from django.conf import settings
from django.core.management import execute_from_command_line

from portal import testing
from portal.embedded.homes import Home
from portal.embedded.processes import SOURCES, ServerProblem, python, python_path
from portal.embedded.servers import PLACEHOLDERS, given, servers_for
from portal.env import EnvironmentProblem

# They read the settings and no table. `run` has servers of its own.
WITHOUT_SERVERS = {
    *("check", "collectstatic", "compilemessages", "diffsettings", "findstatic", "help", "makemessages", "run"),
    *("spectacular", "startapp", "startproject", "version"),
}
# They work on the tables themselves and find them as they are.
BEFORE_MIGRATION = {"dbshell", "makemigrations", "migrate", "optimizemigration", "showmigrations", "sqlmigrate"}


def main() -> None:
    """Do what the command line says."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "help")
    if command == "test":
        testing.main(sys.argv[2:])
    try:
        if command in WITHOUT_SERVERS or {"-h", "--help", "--version"} & set(sys.argv):
            without_servers(command)
        else:
            with_servers(command)
    except (EnvironmentProblem, ServerProblem) as problem:
        sys.exit(f"skybasket: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)


def without_servers(command: str) -> None:
    """Run a command that reads the settings alone."""
    os.environ.update({name: text for name, text in PLACEHOLDERS.items() if not given(name)})
    if command == "version" or "--version" in sys.argv:
        sys.stdout.write(f"Skybasket {settings.VERSION}, Django {django.__version__}\n")
    else:
        execute_from_command_line(sys.argv)


def with_servers(command: str) -> None:
    """Run a command that needs the database; one that starts it finds the tables of this version in it."""
    home = Home.chosen()
    with servers_for(home, command, say) as started:
        if started is not None and command not in BEFORE_MIGRATION:
            bring_up_to_date(home)
        execute_from_command_line(sys.argv)


def bring_up_to_date(home: Home) -> None:
    """Migrate, unless these very migrations were applied in this home before."""
    wanted = hashlib.sha256(repr(migrations()).encode()).hexdigest()
    stamp = home.path / "migrated"
    with suppress(OSError):
        if stamp.read_text(encoding="utf-8") == wanted:
            return
    prepared = subprocess.run(python("portal.prepare"), env=os.environ | python_path(), check=False)  # noqa: S603  # own words
    if prepared.returncode:
        raise ServerProblem("The database could not be brought up to date; the reason stands above.")
    stamp.write_text(wanted, encoding="utf-8")


def migrations() -> list[str]:
    """The names of all migrations that this version may apply, and Django's version for its own."""
    names = sorted(str(path.relative_to(SOURCES)) for path in SOURCES.glob("*/migrations/0*.py"))
    return [django.__version__, *names]


def say(line: str) -> None:
    """A line for whoever sits at the terminal; a command's output stays its own."""
    sys.stderr.write(f"{line}\n")
