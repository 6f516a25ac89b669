"""Files in S3: a real server, OpenStack Swift with its S3 face, from ingest to the zip."""

import hashlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from portal.archives.local import measure
from portal.ingest import load_tables
from portal.models import Observation, StoredFile
from portal.remote.limits import Limits
from portal.remote.measuring import look_at, look_at_all
from portal.remote.problems import StoreProblem
from retrieval.fetching import Reader, Sources, Unfit, batches
from retrieval.models import Phase
from retrieval.zipplan import FileRange
from tests.downloads import MB, curl, freeze, settled
from tests.mast_tables import load_observations, load_products, observation, own, product
from tests.small_archive import SmallArchive
from tests.swift import ACCESS_KEY, REGION, SECRET_KEY, Swift, swift
from tests.web_server import serving, signed_in

ONCE = Limits(seconds=20, attempts=1, requests=4, bytes=4 * MB)


@pytest.fixture(scope="module")
def running() -> Iterator[Swift]:
    with swift() as server:
        server.make("archive")
        yield server


@pytest.fixture
def s3(running: Swift, settings: Settings) -> Swift:
    settings.S3_ENDPOINT_URL, settings.S3_REGION = running.url, REGION
    settings.S3_ACCESS_KEY_ID, settings.S3_SECRET_ACCESS_KEY = ACCESS_KEY, SECRET_KEY
    settings.REMOTE_STORES = ["s3://archive/"]
    return running


def read(url: str, size: int) -> bytes:
    """A file as a stream reads it, expected to be as its store tells now."""
    found, sources = look_at(url, ONCE), Sources()
    sources.add(url, size, found.mtime_ns, -1, found.etag)
    coming = [FileRange(0, 0, size)]
    reader = Reader(sources, coming, ONCE)
    try:
        return b"".join(reader.read(batch) for batch in batches(coming))
    finally:
        reader.close()


@pytest.mark.parametrize("key", ["plain.fits", "a b/c+d&e=f.fits", "ü/✓?#%20.fits", "q'(1)*~!.fits"])
def test_an_object_of_any_name_is_read_in_parts(s3: Swift, key: str) -> None:
    data = os.urandom(3 * MB + 1)
    url = s3.put("archive", key, data)
    assert look_at(url, ONCE).size == len(data)
    assert read(url, len(data)) == data
    measured = measure(url)
    assert (measured.size, measured.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert measured.etag == f'"{hashlib.md5(data).hexdigest()}"'


def test_an_object_that_was_written_again_is_not_read(s3: Swift) -> None:
    data = os.urandom(2 * MB)
    url = s3.put("archive", "again.fits", data)
    found, sources = look_at(url, ONCE), Sources()
    sources.add(url, len(data), found.mtime_ns, -1, found.etag)
    s3.put("archive", "again.fits", os.urandom(2 * MB))
    reader = Reader(sources, [FileRange(0, 0, len(data))], ONCE)
    with pytest.raises(Unfit, match="written again in its store"):
        reader.read([FileRange(0, 0, MB)])
    reader.close()
    assert [one.reason for one in sources.unfit()] == [
        "This file was written again in its store since it was measured."
    ]
    s3.delete("archive", "again.fits")
    assert "has no such file" in next(sources.unfit()).reason


@pytest.mark.parametrize(
    ("key", "secret"), [(ACCESS_KEY, "wrong"), ("nobody:here", SECRET_KEY), (ACCESS_KEY, ""), ("", "")]
)
def test_without_the_right_keys_nothing_is_read_and_that_is_told(
    s3: Swift, settings: Settings, key: str, secret: str
) -> None:
    url = s3.put("archive", "secret.fits", b"secret")
    settings.S3_ACCESS_KEY_ID, settings.S3_SECRET_ACCESS_KEY = key, secret
    with pytest.raises(StoreProblem) as caught:
        look_at(url, ONCE)
    assert not caught.value.temporary
    assert "s3://archive" in caught.value.reason
    assert "wrong" not in caught.value.reason


def test_a_bucket_outside_the_stores_is_not_asked_for(s3: Swift) -> None:
    s3.make("private")
    with pytest.raises(StoreProblem, match="in no store"):
        look_at(s3.put("private", "secret.fits", b"secret"), ONCE)


def test_many_objects_are_looked_at_together(s3: Swift) -> None:
    urls = [s3.put("archive", f"many/{n}", bytes(n)) for n in range(40)]
    sizes = [one.size if one and not isinstance(one, StoreProblem) else None for one in look_at_all(urls)]
    assert sizes == list(range(40))


@pytest.mark.django_db(transaction=True)
def test_from_ingest_to_the_zip(s3: Swift, alice: User, tmp_path: Path) -> None:
    contents = {f"jw01_{n:02}_cal.fits": os.urandom(n * 150_000) for n in range(20)}
    for name, data in contents.items():
        s3.put("archive", f"seed/JWST/jw01_nis/{name}", data)
    load_observations(tmp_path, observation())
    rows = [product(name, size=len(data)) for name, data in contents.items()]
    report = load_products(tmp_path, *rows, own(), files="s3://archive/seed")
    assert (report.linked, report.missing, report.unreadable.first) == (20, 1, [])
    assert load_tables(checksums=True).measured == 20
    stored = {one.product.productFilename: one.sha256 for one in StoredFile.objects.all()}
    assert stored == {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    archive = SmallArchive(tmp_path)
    archive.observations = {"jw01_t001": Observation.objects.get(obsid="900")}
    retrieval, cookie = freeze(archive, alice), signed_in(alice)
    assert (retrieval.requested, retrieval.failed) == (21, 1)
    path = tmp_path / "part.zip"
    with serving(tmp_path, **environment(s3, tmp_path)) as site:
        assert curl(site, retrieval, cookie, "-r", "0-9999999", "-o", str(path)) == 0
        assert curl(site, retrieval, cookie, "-C", "-", "-o", str(path)) == 0
        settled(retrieval, Phase.COMPLETED)
    with zipfile.ZipFile(path) as opened:
        assert {name: opened.read(f"JWST/jw01_nis/{name}") for name in contents} == contents


def environment(s3: Swift, folder: Path) -> dict[str, str]:
    """What a server has to know, its secret in a file."""
    secret = folder / "secret"
    secret.write_text(f"{SECRET_KEY}\n")
    return {
        "REMOTE_STORES": "s3://archive/seed/",
        "S3_ENDPOINT_URL": s3.url,
        "S3_REGION": REGION,
        "S3_ACCESS_KEY_ID": ACCESS_KEY,
        "S3_SECRET_ACCESS_KEY_FILE": str(secret),
    }
