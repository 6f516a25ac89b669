"""nginx as a store: files of one folder by HTTP, with ranges, conditions and connections that are kept."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from portal.embedded.processes import LOOPBACK, Program, free_port, is_free
from tests.conftest import not_found
from tests.web_server import until

CONFIGURATION = """
{user}
daemon off;
worker_processes 1;
pid {home}/nginx.pid;
error_log {home}/error.log;
events {{ worker_connections 256; }}
http {{
    log_format asked '$request_method $uri $status $http_range $connection';
    access_log {home}/access.log asked;
    client_body_temp_path {home}/t1; proxy_temp_path {home}/t2; fastcgi_temp_path {home}/t3;
    uwsgi_temp_path {home}/t4; scgi_temp_path {home}/t5;
    server {{ listen {address}:{port}; root {files}; }}
}}
"""


@dataclass
class NginxStore:
    """A running nginx and its folder."""

    files: Path
    port: int
    log: Path

    @property
    def url(self) -> str:
        """The prefix of all of its files."""
        return f"http://{LOOPBACK}:{self.port}/"

    def put(self, name: str, data: bytes) -> str:
        """Keep a file; its address."""
        path = self.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return self.url + name

    def asked(self, method: str = "GET") -> list[list[str]]:
        """The requests so far: method, path, status, range, connection."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.split() for line in lines if line.startswith(method)]


@contextmanager
def nginx_store(home: Path) -> Iterator[NginxStore]:
    """Start it in a folder and wait until it listens; stop it at the end."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx") or not_found("nginx")
    files, port = home / "files", free_port()
    files.mkdir(parents=True)
    configuration = home / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""  # the folder of a test is its owner's alone
    configuration.write_text(CONFIGURATION.format(home=home, files=files, port=port, address=LOOPBACK, user=user))
    running = Program("nginx", [program, "-c", str(configuration)], home / "nginx.log")
    running.start()
    try:
        until(lambda: not is_free(port), "nginx listens")
        yield NginxStore(files, port, home / "access.log")
    finally:
        running.stop()
