"""The embedded servers and their processes: closed to others, and no stranger is ever stopped."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from portal.embedded.homes import Home, Running
from portal.embedded.postgresql import PostgreSQL
from portal.embedded.processes import Program, ServerProblem, birth, end_survivor, free_port, is_free, rotated
from portal.embedded.servers import take_lock_or_borrow


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    """Somebody's process."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield process
        process.kill()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.prepare()
    return made


def test_postgresql_lets_nobody_in_without_the_password() -> None:
    address = urlsplit(os.environ["DATABASE_URL"])
    for password in ("", "guess"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(
                host="127.0.0.1", port=address.port, user="skybasket", password=password, dbname="postgres"
            )


def test_valkey_lets_nobody_in_without_the_password() -> None:
    with socket.create_connection(("127.0.0.1", urlsplit(os.environ["REDIS_URL"]).port or 0)) as connection:
        connection.sendall(b"GET anything\r\n")
        assert connection.recv(100).startswith(b"-NOAUTH")


def test_no_password_stands_in_the_process_list() -> None:
    secrets = [str(urlsplit(os.environ[name]).password).encode() for name in ("DATABASE_URL", "REDIS_URL")]
    listed = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, check=True).stdout
    assert str(urlsplit(os.environ["DATABASE_URL"]).port).encode() in listed
    assert [secret for secret in secrets if secret in listed] == []


def test_what_the_home_keeps_is_closed_to_other_users(home: Home) -> None:
    first = home.secret("key")
    home.write(Running("run", environment={"SECRET_KEY": first}))
    assert home.secret("key") == first
    assert len(first) >= 40
    assert home.path.stat().st_mode & 0o077 == 0
    for path in (home.path / "secrets" / "key", home.path / "run.json"):
        assert path.stat().st_mode & 0o077 == 0


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    with pytest.raises(ServerProblem, match=r"SKYBASKET_HOME=.*/file/home cannot be used"):
        Home(tmp_path / "file" / "home").prepare()


def test_only_one_process_holds_the_lock_and_the_other_borrows(home: Home) -> None:
    code = (
        "import sys; from pathlib import Path; from portal.embedded.homes import Home, Running;"
        "home = Home(Path(sys.argv[1])); assert home.take_lock();"
        "home.write(Running('run', environment={'REDIS_URL': 'redis://x'})); print('held', flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(home.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        borrowed = take_lock_or_borrow(home, print)
        assert borrowed is not None
        assert borrowed.pid == holder.pid
        holder.kill()
    assert take_lock_or_borrow(home, print) is None
    home.give_lock_back()


def test_a_survivor_is_stopped_and_a_stranger_with_its_number_is_not(sleeper: "subprocess.Popen[bytes]") -> None:
    assert not end_survivor(sleeper.pid, "another birth")
    assert sleeper.poll() is None
    assert end_survivor(sleeper.pid, str(birth(sleeper.pid)))
    assert sleeper.wait() == -signal.SIGINT


def test_a_pid_file_that_names_a_stranger_does_not_block_the_start(
    tmp_path: Path, sleeper: "subprocess.Popen[bytes]"
) -> None:
    server = PostgreSQL(programs=tmp_path, folder=tmp_path, password="x", log=tmp_path / "log")
    server.data.mkdir()
    pid_file = server.data / "postmaster.pid"
    pid_file.write_text(f"{sleeper.pid}\n{server.data}\n", encoding="utf-8")
    server.clear_way()
    assert sleeper.poll() is None
    assert not pid_file.exists()


def test_a_pid_file_that_names_nobody_is_left_to_postgresql(
    tmp_path: Path, sleeper: "subprocess.Popen[bytes]"
) -> None:
    sleeper.kill()
    sleeper.wait()
    server = PostgreSQL(programs=tmp_path, folder=tmp_path, password="x", log=tmp_path / "log")
    server.data.mkdir()
    (server.data / "postmaster.pid").write_text(f"{sleeper.pid}\n{server.data}\n", encoding="utf-8")
    server.clear_way()
    assert (server.data / "postmaster.pid").exists()


def test_a_server_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    broken = tmp_path / "postgres"
    broken.write_text("#!/bin/sh\necho FATAL: no space left on device\nexit 1\n", encoding="utf-8")
    broken.chmod(0o755)
    server = PostgreSQL(programs=tmp_path, folder=tmp_path, password="x", log=tmp_path / "postgresql.log")
    port = free_port()
    program = server.program(port)
    program.start()
    with pytest.raises(ServerProblem, match="FATAL: no space left on device"):
        server.wait(program, port)


def test_a_program_that_does_not_listen_to_reason_is_killed_with_its_children(tmp_path: Path) -> None:
    log = tmp_path / "stubborn.log"
    stubborn = Program(
        "stubborn", ["/bin/sh", "-c", "trap '' TERM; sleep 600 & echo $!; wait; wait"], log, patience=0.2
    )
    stubborn.start()
    while not (said := log.read_text(encoding="utf-8")).endswith("\n"):
        assert stubborn.running
    stubborn.stop()
    assert not stubborn.running
    child = int(said)
    while birth(child):
        continue
    assert birth(child) is None


def test_a_port_is_free_until_somebody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not is_free(listener.getsockname()[1])
    assert is_free(free_port())


def test_a_log_that_has_grown_large_is_put_aside(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_bytes(b"short")
    assert rotated(log).read_bytes() == b"short"
    os.truncate(log, 10_000_001)
    assert not rotated(log).exists()
    assert (tmp_path / "web.log.1").stat().st_size == 10_000_001
