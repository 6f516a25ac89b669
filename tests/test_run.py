"""`run` as people start it, really: in a closed directory, on a taken port, twice, and after every kind of death.

As root this is the case of a checkout and a home below /root; one test starts as an ordinary user from nothing.
"""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from tests.checkouts import (
    Site,
    answers,
    assert_gone,
    descendants,
    get,
    new_site,
    newcomer,
    read_until,
    running,
    until_ready,
    wait_for,
)
from tests.conftest import not_found


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A checkout that uses the environment which runs the tests."""
    with new_site() as made:
        made.extra["SKYBASKET_VENV"] = sys.prefix
        yield made


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


ADD = "from django.contrib.auth.models import User; User.objects.create_user('alice')"
COUNT = "from django.contrib.auth.models import User; print('users:', User.objects.count())"
PORT = "from django.conf import settings; print('port:', settings.DATABASES['default']['PORT'])"


def shell(site: Site, code: str) -> str:
    status, said = site.do("shell", "--no-imports", "-c", code)
    assert status == 0, said
    return said.strip()


def test_a_taken_port_is_said_and_the_next_one_used(site: Site, taken_port: int) -> None:
    with running(site, "--no-demo", "--port", str(taken_port)) as process:
        lines, address = until_ready(process)
        assert f"Port {taken_port} is taken; using {address.split(':')[2].strip('/')}." in lines
        assert get(address + "livez")


def test_a_second_run_in_the_same_home_says_where_the_first_is(site: Site) -> None:
    with running(site, "--no-demo") as process:
        _, address = until_ready(process)
        status, said = site.do("run")
        assert (status, said.strip()) == (1, f"skybasket: Skybasket is already running in {site.home}: {address}")
        assert get(address + "livez")


def test_other_commands_use_the_servers_of_the_run(site: Site) -> None:
    with running(site, "--no-demo") as process:
        until_ready(process)
        assert shell(site, PORT).removeprefix("port: ") in site.running().environment["DATABASE_URL"]
        assert set(site.running().children) == {"postgresql", "valkey", "worker", "beat", "web"}


def test_other_commands_start_and_stop_servers_where_none_run(site: Site) -> None:
    before = shell(site, COUNT)
    shell(site, ADD.replace("alice", "bob"))
    assert int(shell(site, COUNT).split()[-1]) == int(before.split()[-1]) + 1
    assert not (site.home / "run.json").exists()


def test_ctrl_c_stops_everything_in_order_and_keeps_the_data(site: Site) -> None:
    with running(site, "--no-demo") as process:
        until_ready(process)
        shell(site, ADD)
        users, family = shell(site, COUNT), descendants(process.pid)
        process.send_signal(signal.SIGINT)
        read_until(process, "Stopping…")
        assert process.wait(60) == 0
        assert_gone(family)
    assert shell(site, COUNT) == users


def test_what_dies_is_started_again(site: Site) -> None:
    with running(site, "--no-demo") as process:
        _, address = until_ready(process)
        before = site.running().children
        for name in ("postgresql", "valkey", "worker", "beat", "web"):
            os.kill(int(before[name][0]), signal.SIGKILL)
        wait_for(
            lambda: not set(map(str, before.values())) & set(map(str, site.running().children.values())),
            "new ones",
        )
        wait_for(lambda: answers(address + "readyz"), "that the page answers again")
        assert shell(site, COUNT)


def test_a_killed_supervisor_leaves_nothing_and_the_next_start_is_clean(site: Site) -> None:
    with running(site, "--no-demo") as process:
        until_ready(process)
        users, family = shell(site, COUNT), descendants(process.pid)
        process.kill()
        with running(site, "--no-demo") as following:
            _, address = until_ready(following)
            assert get(address + "livez")
            assert_gone(family)
            assert shell(site, COUNT) == users


def test_named_servers_are_used_and_none_is_started(site: Site) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS named_by_the_operator")
        connection.execute("CREATE DATABASE named_by_the_operator")
    given = {
        "DATABASE_URL": os.environ["DATABASE_URL"].rpartition("/")[0] + "/named_by_the_operator",
        "REDIS_URL": os.environ["REDIS_URL"].rpartition("/")[0] + "/9",
    }
    operated = replace(site, extra=site.extra | given)
    status, said = operated.do("run")
    assert status == 1
    assert "SECRET_KEY is not set. For example: SECRET_KEY=" in said
    operated.extra["SECRET_KEY"] = "x" * 50
    with running(operated, "--no-demo") as process:
        _, address = until_ready(process)
        assert get(address + "readyz")
        assert set(operated.running().children) == {"worker", "beat", "web"}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--host", "192.0.2.1"], "HOST=192.0.2.1 is not an address of this machine"),
        (["--port", "70000"], "PORT=70000 is not between 1 and 65535"),
    ],
)
def test_an_address_that_cannot_be_is_named(site: Site, words: list[str], complaint: str) -> None:
    status, said = site.do("run", *words)
    assert status == 1
    assert complaint in said


def test_an_ordinary_user_gets_from_nothing_to_the_demo_with_one_command_and_again_quickly() -> None:
    python, account = newcomer()
    with new_site(python, account) as site:
        with running(site) as process:
            try:
                lines, address = until_ready(process)
            except AssertionError as error:
                if "packages could not be installed" in str(error):
                    not_found("a package index")
                raise
            assert any(line.startswith("Making ") for line in lines)
            assert "Building the demo archive…" in lines
            assert b"M57" in get(address + "?target=M57")
        with running(site) as process:
            lines, address = until_ready(process)
            assert lines[0] == "Starting PostgreSQL…"
            assert "Building the demo archive…" not in lines
            assert b"M57" in get(address + "?target=M57")
