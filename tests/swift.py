"""A real S3 server: OpenStack Swift with its S3 face, from Debian's packages, as loopback processes in one folder.

Accounts and containers are Swift's, so files are put there by its own protocol, and S3 sees them as buckets and keys.
Packages: swift-proxy, swift-account, swift-container, swift-object, memcached.
"""

import http.client
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from portal.embedded.processes import LOOPBACK, Account, Program, free_port, server_account
from tests.tools import tool

ACCESS_KEY = "test:tester"
SECRET_KEY = "testing"
REGION = "us-east-1"
PATIENCE_SECONDS = 60.0

RINGS = """
import sys
from swift.common.ring import RingBuilder
folder, *rings = sys.argv[1:]
for ring in rings:
    name, port = ring.split("=")
    builder = RingBuilder(4, 1, 1)
    place = {"ip": "127.0.0.1", "port": int(port), "device": "d1", "region": 1, "zone": 1, "weight": 1.0}
    builder.add_dev(place | {"replication_ip": "127.0.0.1", "replication_port": int(port), "meta": ""})
    builder.rebalance()
    builder.get_ring().save(f"{folder}/{name}.ring.gz")
"""

FILTERS = (
    "catch_errors gatekeeper healthcheck cache listing_formats bulk tempurl "
    "s3api tempauth slo dlo versioned_writes symlink"
)
"""In the order that s3api wants."""

OPTIONS = {
    "s3api": f"s3_acl = false\nlocation = {REGION}\n",
    "tempauth": f"user_{ACCESS_KEY.replace(':', '_')} = {SECRET_KEY} .admin\n",
}

STORAGE = """
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
[{name}-replicator]
[{name}-updater]
[{name}-auditor]
"""


@dataclass
class Swift:
    """A running server; `url` is S3's endpoint."""

    port: int
    _token: str = field(default="", init=False)
    _account: str = field(default="", init=False)

    @property
    def url(self) -> str:
        """S3's endpoint."""
        return f"http://{LOOPBACK}:{self.port}"

    def make(self, bucket: str) -> None:
        """A bucket; nothing happens when there is one of that name."""
        self._ask("PUT", quote(bucket), b"")

    def put(self, bucket: str, key: str, data: bytes) -> str:
        """Keep an object; its s3:// address."""
        self._ask("PUT", f"{quote(bucket)}/{quote(key)}", data)
        return f"s3://{bucket}/{key}"

    def delete(self, bucket: str, key: str) -> None:
        """Take an object away."""
        self._ask("DELETE", f"{quote(bucket)}/{quote(key)}", b"")

    def _ask(self, method: str, path: str, data: bytes) -> None:
        if not self._token:
            self._sign_in()
        opened = http.client.HTTPConnection(LOOPBACK, self.port, timeout=60)
        opened.request(method, f"{self._account}/{path}", data, {"X-Auth-Token": self._token})
        answer = opened.getresponse()
        told = answer.read()
        opened.close()
        assert answer.status < 300, f"{method} {path}: {answer.status} {told!r}"

    def _sign_in(self) -> None:
        opened = http.client.HTTPConnection(LOOPBACK, self.port, timeout=60)
        opened.request("GET", "/auth/v1.0", headers={"X-Storage-User": ACCESS_KEY, "X-Storage-Pass": SECRET_KEY})
        answer = opened.getresponse()
        answer.read()
        opened.close()
        self._token = answer.headers["X-Storage-Token"]
        self._account = urlsplit(answer.headers["X-Storage-Url"]).path


@contextmanager
def swift() -> Iterator[Swift]:
    """Start it in a folder of its own and wait until it answers; stop it and clear up at the end."""
    programs = [tool(f"swift-{name}-server") for name in ("account", "container", "object", "proxy")]
    memcached = tool("memcached")
    account = server_account()
    folder = Path(tempfile.mkdtemp(prefix="skybasket-swift-"))
    started: list[Program] = []
    try:
        ports = {name: free_port() for name in ("account", "container", "object", "proxy", "memcached")}
        _configure(folder, ports, account)
        words = [memcached, "-l", LOOPBACK, "-p", str(ports["memcached"]), "-U", "0", "-m", "16"]
        started.append(_started("memcached", words, folder, account))
        for name, path in zip(ports, programs, strict=False):
            command = [path, str(folder / f"{name}-server.conf")]
            started.append(_started(name, command, folder, account))
        server = Swift(ports["proxy"])
        _wait(server, started)
        yield server
    finally:
        for program in reversed(started):
            program.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _configure(folder: Path, ports: dict[str, int], account: Account | None) -> None:
    device = folder / "devices" / "d1"
    device.mkdir(parents=True)
    rings = [f"{name}={ports[name]}" for name in ("account", "container", "object")]
    subprocess.run(["/usr/bin/python3", "-c", RINGS, str(folder), *rings], check=True, capture_output=True)
    (folder / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_suffix = tests\n[storage-policy:0]\nname = one\ndefault = yes\n"
    )
    user = pwd.getpwuid(account.uid if account else os.geteuid()).pw_name
    for name in ("account", "container", "object", "proxy"):
        own = _proxy(ports["memcached"]) if name == "proxy" else STORAGE.format(name=name)
        (folder / f"{name}-server.conf").write_text(
            f"[DEFAULT]\nbind_ip = {LOOPBACK}\nbind_port = {ports[name]}\nworkers = 0\nuser = {user}\n"
            f"swift_dir = {folder}\ndevices = {folder / 'devices'}\nmount_check = false\n"
            f"disable_fallocate = true\nfallocate_reserve = 0\nlog_level = ERROR\n{own}"
        )
    if account is not None:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, account.uid, account.gid)


def _proxy(memcached: int) -> str:
    pipeline = f"[pipeline:main]\npipeline = {FILTERS} proxy-server\n"
    application = "[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n"
    own = OPTIONS | {"cache": f"memcache_servers = {LOOPBACK}:{memcached}\n"}
    filters = (
        f"[filter:{name}]\nuse = egg:swift#{'memcache' if name == 'cache' else name}\n{own.get(name, '')}"
        for name in FILTERS.split()
    )
    return pipeline + application + "".join(filters)


def _started(name: str, command: list[str], folder: Path, account: Account | None) -> Program:
    environment = {"PATH": os.defpath, "SWIFT_DIR": str(folder), "HOME": str(folder)}
    program = Program(name, command, folder / f"{name}.log", environment=environment, account=account)
    program.start()
    return program


def _wait(server: Swift, programs: Sequence[Program]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _answers(server.port):
        for program in programs:
            assert program.running, f"Swift's {program.name} stopped.\n{program.tail(40)}"
        assert time.monotonic() < deadline, f"Swift did not answer within {PATIENCE_SECONDS:.0f} s."
        time.sleep(0.1)


def _answers(port: int) -> bool:
    opened = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        opened.request("GET", "/healthcheck")
        return opened.getresponse().status == 200
    except OSError:
        return False
    finally:
        opened.close()
