"""Ingest from a store: files are linked where they lie, and nothing is copied."""

import hashlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from portal.archives.local import LocalArchive
from portal.ingest import load_tables
from portal.models import Product, StoredFile
from tests.hostile_store import MODIFIED, HostileStore, Reply, hostile_store
from tests.mast_tables import load_products, own, product, write
from tests.test_ingest_files import counts

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(settings: Settings) -> Iterator[HostileStore]:
    settings.REMOTE_ATTEMPTS = 1
    with hostile_store() as running:
        settings.REMOTE_STORES = [running.url]
        yield running


def test_files_are_found_below_a_prefix_and_the_rest_is_missing(tmp_path: Path, store: HostileStore) -> None:
    url = store.put("data/JWST/jw01_t001/jw01_t001_i2d.fits", b"bytes")
    report = load_products(tmp_path, own(), product(), files=f"{store.url}data")
    assert counts(report) == (1, 1, 0, 0)
    stored = StoredFile.objects.get()
    assert (stored.path, stored.size, stored.mtime_ns) == (url, 5, MODIFIED * 1_000_000_000)
    assert (stored.etag, stored.crc32) == (f'"{hashlib.md5(b"bytes").hexdigest()}"', None)
    assert LocalArchive().locate([stored.product.dataURI])[stored.product.dataURI].path == url
    assert store.gets() == []


def test_a_file_may_lie_under_any_of_the_names_that_list_it_and_have_any_name(
    tmp_path: Path, store: HostileStore
) -> None:
    rows = [
        product("a b#c?.fits", dataURI="mast:JWST/product/abc", obs_id=name, obsID=name)
        for name in ("aaa", "bbb", "ccc")
    ]
    url = store.put("JWST/ccc/a%20b%23c%3F.fits", b"x")
    load_products(tmp_path, *rows, files=store.url)
    assert StoredFile.objects.get().path == url


def test_checksums_are_those_of_the_bytes_and_are_read_once(tmp_path: Path, store: HostileStore) -> None:
    content = os.urandom(3_000_000)
    store.put("JWST/jw01_t001/jw01_t001_i2d.fits", content)
    report = load_products(tmp_path, own(), files=store.url, checksums=True)
    assert (counts(report), report.measured_bytes) == ((1, 0, 1, 0), len(content))
    stored = StoredFile.objects.get()
    assert (stored.crc32, stored.sha256) == (zlib.crc32(content), hashlib.sha256(content).hexdigest())
    assert Product.objects.get().size == len(content)
    asked = len(store.gets())
    assert counts(load_tables(files=store.url, checksums=True)) == (1, 0, 0, 1)
    assert len(store.gets()) == asked
    store.put("JWST/jw01_t001/jw01_t001_i2d.fits", b"new")
    assert counts(load_tables(checksums=True)) == (1, 0, 1, 0)
    assert StoredFile.objects.get().size == 3


def test_a_store_that_is_down_takes_nothing_away(tmp_path: Path, store: HostileStore) -> None:
    url = store.put("JWST/jw01_t001/jw01_t001_i2d.fits", b"bytes")
    load_products(tmp_path, own(), files=store.url, checksums=True)
    before = StoredFile.objects.values().get()
    store.heads["/JWST/jw01_t001/jw01_t001_i2d.fits"] = Reply(status=503)
    report = load_tables(files=store.url)
    assert (counts(report), report.unreadable.count) == ((1, 0, 0, 1), 1)
    assert url in report.unreadable.first[0]
    assert StoredFile.objects.values().get() == before
    store.put("", b"a listing")
    store.heads["/"] = Reply(status=503)
    with pytest.raises(CommandError, match="cannot give this file at present"):
        call_command("ingest", files=store.url)
    del store.heads["/JWST/jw01_t001/jw01_t001_i2d.fits"], store.files["/JWST/jw01_t001/jw01_t001_i2d.fits"]
    assert counts(load_tables(checksums=True)) == (0, 1, 0, 0)
    assert not StoredFile.objects.exists()


def test_a_file_that_the_store_does_not_give_is_told(tmp_path: Path, store: HostileStore) -> None:
    path = "JWST/jw01_t001/jw01_t001_i2d.fits"
    store.put(path, b"bytes")
    store.heads[f"/{path}"] = Reply(status=403)
    report = load_products(tmp_path, own(), files=store.url)
    assert (counts(report), report.unreadable.count) == ((0, 1, 0, 0), 1)
    assert "403" in report.unreadable.first[0]


def test_a_prefix_outside_the_stores_is_refused_and_nothing_is_loaded(tmp_path: Path, settings: Settings) -> None:
    settings.REMOTE_STORES = ["https://data.example.org/archive/"]
    table = write(tmp_path / "products.csv", [own()])
    for prefix in ("https://data.example.org/", "http://127.0.0.1:9/", "s3://bucket/jwst"):
        with pytest.raises(CommandError, match="REMOTE_STORES="):
            call_command("ingest", products=table, files=prefix)
    assert not Product.objects.exists()
