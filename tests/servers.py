"""Throw-away PostgreSQL and Redis for one test run, started before Django's settings are read.

A pytest plugin, named in pyproject.toml. Debian's servers are taken where they are installed, otherwise the
wheels; SKYBASKET_TEST_POSTGRES=wheel takes the PostgreSQL that an embedded install has.
"""

import atexit
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from portal.embedded.places import data_folder, postgresql_programs, valkey_program
from portal.embedded.postgresql import PostgreSQL
from portal.embedded.processes import Program, free_port, server_account
from portal.embedded.valkey import Valkey

# What a machine's crash would cost is a test run.
CARELESS = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]


def debian_postgresql() -> Path | None:
    """The folder of the newest PostgreSQL server that Debian's packages installed."""
    folders = [found.parent for found in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return max(folders, key=lambda folder: int(folder.parent.name), default=None)


def start_servers(home: Path) -> list[Program]:
    """Both servers on random ports, their addresses in the environment."""
    account = server_account()
    folder = data_folder(home, account)
    debian = None if os.environ.get("SKYBASKET_TEST_POSTGRES") == "wheel" else debian_postgresql()
    redis = shutil.which("redis-server")
    valkey = Valkey(
        program_path=Path(redis) if redis else valkey_program(account),
        folder=folder,
        password=secrets.token_hex(8),
        log=home / "valkey.log",
        account=account,
        keep=False,
    )
    postgresql = PostgreSQL(
        programs=debian or postgresql_programs(account),
        folder=folder,
        password=secrets.token_hex(8),
        log=home / "postgresql.log",
        account=account,
        options=CARELESS,
    )
    broker_port, database_port = free_port(), free_port()
    programs = [valkey.program(broker_port), postgresql.program(database_port)]
    programs[0].start()
    postgresql.create()
    programs[1].start()
    valkey.wait(programs[0], broker_port)
    postgresql.wait(programs[1], database_port)
    os.environ["REDIS_URL"] = valkey.url(broker_port)
    os.environ["DATABASE_URL"] = postgresql.url(database_port)
    return programs


def stop_servers(programs: list[Program], home: Path) -> None:
    """Also after a failure and after Ctrl-C; after a kill the kernel stops the servers."""
    for program in programs:
        program.stop()
    shutil.rmtree((home / "servers").resolve(), ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def clean_environment(home: Path) -> None:
    """Nothing of the developer's own installation reaches the tests."""
    for name in [*os.environ]:
        if name.endswith("_FILE") or name in {"SITE_URL", "ALLOWED_HOSTS", "HOST", "PORT", "ARCHIVES"}:
            del os.environ[name]
    (home / "static").mkdir()
    os.environ |= {"SKYBASKET_HOME": str(home), "SECRET_KEY": secrets.token_hex(32), "DATABASE_POOL": "0"}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(args: list[str]) -> Generator[None]:
    """A wrapper, because pytest-django reads the settings in the same hook."""
    if not {"-h", "--help", "--version"} & set(args):
        home = Path(tempfile.mkdtemp(prefix="skybasket-tests-"))
        home.chmod(0o711)
        clean_environment(home)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        atexit.register(stop_servers, start_servers(home), home)
    return (yield)
