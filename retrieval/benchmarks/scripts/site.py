"""A real Skybasket, on the scratch database, with an archive of small files: what gives them packed."""

import hashlib
import os
import subprocess
import time
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from portal.embedded.processes import SOURCES, free_port, python, python_path
from portal.models import Product, StoredFile
from portal.supervisor import web_options
from retrieval import addresses
from retrieval.benchmarks.scripts.load import Load, content
from retrieval.scripts.entry import Entry

PACK = addresses.PACK
READY_SECONDS = 60.0


def entries(load: Load, files: int, url: str) -> list[Entry]:
    """The plan of these files, when the site is at `url`."""
    return load.entries(files, lambda _, uri: f"{url}{addresses.FILE}{uri}")


@contextmanager
def serving(folder: Path, load: Load, files: int) -> Iterator[int]:
    """Stock an archive with the files, serve it, and give the port."""
    folder.mkdir()
    stock(folder, load, files)
    port = free_port()
    command = python("granian", *web_options("127.0.0.1", port), "portal.asgi:application")
    with subprocess.Popen(command, cwd=SOURCES, env=_environment(), stdin=subprocess.DEVNULL) as process:  # noqa: S603
        try:
            _wait(f"http://127.0.0.1:{port}/livez")
            yield port
        finally:
            process.terminate()


def _environment() -> dict[str, str]:
    """That of this process, on the database that it works on now."""
    server = os.environ["DATABASE_URL"].rpartition("/")[0]
    database = f"{server}/{connection.settings_dict['NAME']}"
    return os.environ | python_path() | {"DATABASE_URL": database, "DJANGO_SETTINGS_MODULE": "portal.settings"}


def stock(folder: Path, load: Load, files: int) -> None:
    """Write the files below `folder`, and their rows into the catalogue, measured."""
    products = [
        Product(
            dataURI=entry.uri,
            obs_collection="JWST",
            obs_id=entry.path.split("/")[1],
            productFilename=entry.path.rpartition("/")[2],
            size=load.size,
            dataRights="PUBLIC",
        )
        for entry in entries(load, files, "")
    ]
    made = enumerate(Product.objects.bulk_create(products, batch_size=2000))
    stored = [_stored(folder / str(number), content(number, load.size), product) for number, product in made]
    StoredFile.objects.bulk_create(stored, batch_size=2000)


def _stored(path: Path, data: bytes, product: Product) -> StoredFile:
    path.write_bytes(data)
    return StoredFile(
        product=product,
        path=str(path),
        size=len(data),
        mtime_ns=path.stat().st_mtime_ns,
        crc32=zlib.crc32(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _wait(url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310  # our own http address
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
