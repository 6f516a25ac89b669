"""Throw-away PostgreSQL and Redis for one test run, started before Django's settings are read."""

import atexit
import ctypes
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import pytest

LIBC = ctypes.CDLL(None)
ROOT = os.geteuid() == 0
NOBODY = 65534


def die_with_parent() -> None:
    LIBC.prctl(1, signal.SIGINT)


def start(command: list[str], log: Path) -> "subprocess.Popen[bytes]":
    who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if ROOT else {}
    with log.open("wb") as output:
        return subprocess.Popen(
            command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd="/",
            start_new_session=True, preexec_fn=die_with_parent, **who,
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise RuntimeError(f"{process.args!r} did not start:\n{log.read_text()}")


def start_all(home: Path) -> list["subprocess.Popen[bytes]"]:
    run = home / "servers"
    run.mkdir()
    if ROOT:
        home.chmod(0o711)
        os.chown(run, NOBODY, NOBODY)
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))[-1]
    port, broker = free_port(), free_port()
    redis = start(
        [shutil.which("redis-server") or "redis-server", "--bind", "127.0.0.1", "--port", str(broker),
         "--save", "", "--dir", str(run)], home / "redis.log",
    )
    init = start(
        [f"{binaries}/initdb", "-D", f"{run}/data", "-U", "skybasket", "--auth=trust", "-E", "UTF8",
         "--locale=C", "--no-sync"], home / "initdb.log",
    )
    if init.wait(60):
        raise RuntimeError((home / "initdb.log").read_text())
    options = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
    postgres = start(
        [f"{binaries}/postgres", "-D", f"{run}/data", "-h", "127.0.0.1", "-p", str(port), "-k", str(run),
         *[word for option in options for word in ("-c", option)]], home / "postgres.log",
    )
    ready = [f"{binaries}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    wait_for(port, postgres, home / "postgres.log")
    wait_for(broker, redis, home / "redis.log")
    while subprocess.run(ready, check=False).returncode:
        time.sleep(0.02)
    os.environ |= {
        "DATABASE_URL": f"postgresql://skybasket@127.0.0.1:{port}/postgres",
        "REDIS_URL": f"redis://127.0.0.1:{broker}/0",
    }
    return [redis, postgres]


def stop_all(processes: list["subprocess.Popen[bytes]"], home: Path) -> None:
    for process in processes:
        process.send_signal(signal.SIGINT)
    for process in processes:
        process.wait(30)
    shutil.rmtree(home, ignore_errors=True)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(args: list[str]) -> Generator[None]:
    if not {"-h", "--help", "--version"} & set(args) and "PYTEST_XDIST_WORKER" not in os.environ:
        home = Path(tempfile.mkdtemp(prefix=f"skybasket-tests-{getpass.getuser()}-"))
        (home / "static").mkdir()
        for name in [name for name in os.environ if name.endswith("_FILE")]:
            del os.environ[name]
        os.environ |= {
            "SKYBASKET_HOME": str(home), "SECRET_KEY": secrets.token_hex(32), "DATABASE_POOL": "0",
        }
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        processes = start_all(home)
        atexit.register(stop_all, processes, home)
    return (yield)
