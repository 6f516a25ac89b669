"""Linking the bytes of the catalogue's files, and measuring them."""

import hashlib
import os
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.archives.local import BLOCK, measure
from portal.ingest import Report, load_tables
from portal.ingest.files import MEASURED_TOGETHER
from portal.models import Product, StoredFile
from tests.mast_tables import Row, load_products, own, product, version

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    path.mkdir()
    return path


def put(store: Path, row: Row, content: bytes = b"bytes") -> Path:
    path = store.joinpath(row["obs_collection"], row["obs_id"], row["productFilename"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def counts(report: Report) -> tuple[int, int, int, int]:
    return report.linked, report.missing, report.measured, report.kept


def test_bytes_are_found_and_the_rest_is_missing(tmp_path: Path, store: Path) -> None:
    path = put(store, own())
    report = load_products(tmp_path, own(), product(), files=store)
    assert counts(report) == (1, 1, 0, 0)
    stored = StoredFile.objects.get()
    assert (stored.path, stored.size, stored.mtime_ns) == (str(path), 5, path.stat().st_mtime_ns)
    assert (stored.crc32, stored.sha256, stored.measured) == (None, "", False)


def test_a_file_may_lie_under_any_of_the_names_that_list_it(tmp_path: Path, store: Path) -> None:
    pool = [product("pool.csv", obs_id=name, obsID=name) for name in ("aaa", "bbb", "ccc")]
    put(store, pool[2])
    load_products(tmp_path, *pool, files=store)
    assert Product.objects.get().obs_id == "aaa"
    assert StoredFile.objects.get().path.endswith("/JWST/ccc/pool.csv")


def test_checksums_are_those_of_the_bytes(tmp_path: Path, store: Path) -> None:
    content = os.urandom(3 * BLOCK + 17)
    put(store, own(), content)
    put(store, product(), b"")
    report = load_products(tmp_path, own(), product(), files=store, checksums=True)
    assert (counts(report), report.measured_bytes) == ((2, 0, 2, 0), len(content))
    found = {s.product.productFilename: (s.size, s.crc32, s.sha256) for s in StoredFile.objects.all()}
    assert found == {
        "jw01_t001_i2d.fits": (len(content), zlib.crc32(content), hashlib.sha256(content).hexdigest()),
        "jw01_nis_cal.fits": (0, 0, hashlib.sha256(b"").hexdigest()),
    }


def test_a_measured_size_becomes_the_catalogues_and_raises_the_version(tmp_path: Path, store: Path) -> None:
    put(store, own())
    report = load_products(tmp_path, own(), own("x.fits", parent_obsid="901"), files=store, checksums=True)
    assert report.size_differences.first == ["jw01_t001_i2d.fits: 5 bytes on disk, 2,880 in the catalogue"]
    assert Product.objects.get(productFilename="jw01_t001_i2d.fits").size == 5
    assert (version("900"), version("901")) == (2, 1)


def test_without_checksums_the_size_of_the_catalogue_stays(tmp_path: Path, store: Path) -> None:
    put(store, own())
    report = load_products(tmp_path, own(), files=store)
    assert (report.size_differences.count, Product.objects.get().size, version()) == (1, 2880, 1)
    assert "Size on disk differs from the catalogue: 1" in report.summary()


def test_the_same_load_again_measures_nothing_and_changes_nothing(tmp_path: Path, store: Path) -> None:
    put(store, own())
    load_products(tmp_path, own(), files=store, checksums=True)
    before = list(StoredFile.objects.values())
    report = load_products(tmp_path, own(), files=store, checksums=True)
    assert counts(report) == (1, 0, 0, 1)
    assert (list(StoredFile.objects.values()), version(), report.files_updated) == (before, 2, 0)


def test_a_changed_file_is_measured_again(tmp_path: Path, store: Path) -> None:
    path = put(store, own())
    load_products(tmp_path, own(), files=store, checksums=True)
    path.write_bytes(b"other")
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    assert counts(load_tables(files=store)) == (1, 0, 0, 0)
    assert StoredFile.objects.get().crc32 is None
    assert counts(load_tables(files=store, checksums=True)) == (1, 0, 1, 0)
    assert StoredFile.objects.get().crc32 == zlib.crc32(b"other")


def test_files_alone_link_the_whole_archive_and_no_other(tmp_path: Path, store: Path) -> None:
    put(store, own())
    put(store, product())
    load_products(tmp_path, own(), product())
    load_products(tmp_path, own(), archive="mast")
    assert counts(load_tables(files=store)) == (2, 0, 0, 0)
    assert not StoredFile.objects.exclude(product__archive="local").exists()


def test_files_with_a_table_link_the_files_of_that_table(tmp_path: Path, store: Path) -> None:
    load_products(tmp_path, own("a.fits", obsID="901", parent_obsid="901"))
    report = load_products(tmp_path, own(), files=store)
    assert counts(report) == (0, 1, 0, 0)


def test_a_second_store_leaves_what_the_first_one_has(tmp_path: Path, store: Path) -> None:
    other = tmp_path / "other"
    first, second = put(store, own()), put(other, product())
    load_products(tmp_path, own(), product(), files=store)
    assert counts(load_tables(files=other)) == (2, 0, 0, 0)
    assert set(StoredFile.objects.values_list("path", flat=True)) == {str(first), str(second)}


def test_a_moved_file_keeps_its_checksums(tmp_path: Path, store: Path) -> None:
    put(store, own())
    load_products(tmp_path, own(), files=store, checksums=True)
    moved = store.rename(tmp_path / "elsewhere")
    assert counts(load_tables(files=moved, checksums=True)) == (1, 0, 0, 1)
    assert StoredFile.objects.get().path.startswith(str(moved))


def test_a_file_that_has_gone_is_missing(tmp_path: Path, store: Path) -> None:
    path = put(store, own())
    load_products(tmp_path, own(), files=store, checksums=True)
    path.unlink()
    assert counts(load_tables(files=store)) == (0, 1, 0, 0)
    assert not StoredFile.objects.exists()


def test_checksums_alone_measure_what_is_linked(tmp_path: Path, store: Path) -> None:
    put(store, own())
    load_products(tmp_path, own(), files=store)
    assert counts(load_tables(checksums=True)) == (1, 0, 1, 0)


@pytest.mark.parametrize("place", ["file", "folder", "mission"])
def test_a_link_that_leads_outside_is_refused(tmp_path: Path, store: Path, place: str) -> None:
    outside = put(tmp_path / "secret", own())
    inside = store / outside.relative_to(tmp_path / "secret")
    link, target = {
        "file": (inside, outside),
        "folder": (inside.parent, outside.parent),
        "mission": (store / "JWST", outside.parent.parent),
    }[place]
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)
    report = load_products(tmp_path, own(), files=store, checksums=True)
    assert (counts(report), report.refused.count) == ((0, 1, 0, 0), 1)
    assert "outside" in report.refused.first[0]
    assert not StoredFile.objects.exists()


def test_a_link_that_stays_inside_is_followed(tmp_path: Path, store: Path) -> None:
    real = put(store, own(obs_id="real"))
    (store / "JWST" / "jw01_t001").symlink_to("real")
    load_products(tmp_path, own(), files=store)
    assert StoredFile.objects.get().path == str(real)


def test_what_is_no_regular_file_is_refused(tmp_path: Path, store: Path) -> None:
    folder = store / "JWST" / "jw01_t001"
    (folder / "a.fits").mkdir(parents=True)
    os.mkfifo(folder / "b.fits")
    (folder / "c.fits").symlink_to("c.fits")
    report = load_products(tmp_path, own("a.fits"), own("b.fits"), own("c.fits"), files=store, checksums=True)
    assert (counts(report), report.refused.count) == ((0, 3, 0, 0), 2)


def test_measuring_refuses_what_is_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        measure(str(tmp_path / "pipe"))
    with pytest.raises(IsADirectoryError):
        measure(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        measure(str(tmp_path / "none"))


def test_a_file_that_changes_while_it_is_read_is_told_and_not_measured(tmp_path: Path, store: Path) -> None:
    path = put(store, own(), bytes(BLOCK + 1))

    def disturb(stage: str, done: int, total: int) -> None:
        if stage == "Computing checksums" and done == BLOCK:
            assert total == BLOCK + 1
            path.write_bytes(b"shorter")

    report = load_products(tmp_path, own(), files=store, checksums=True, progress=disturb)
    assert (counts(report), report.unreadable.count) == ((1, 0, 0, 0), 1)
    assert "changed while it was read" in report.unreadable.first[0]
    assert StoredFile.objects.get().crc32 is None


def test_an_interruption_stops_the_reading_and_keeps_what_was_measured(tmp_path: Path, store: Path) -> None:
    rows = [own(f"{n:03}.fits") for n in range(MEASURED_TOGETHER + 2)]
    for row in rows:
        put(store, row, b"x")

    def interrupt(stage: str, done: int, total: int) -> None:
        if stage == "Computing checksums" and done == MEASURED_TOGETHER + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_products(tmp_path, *rows, files=store, checksums=True, progress=interrupt)
    assert StoredFile.objects.exclude(crc32=None).count() == MEASURED_TOGETHER
    assert counts(load_tables(files=store, checksums=True))[2:] == (2, MEASURED_TOGETHER)


def test_a_file_that_may_not_be_read_is_missing_and_told(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(store, own())
    path.chmod(0)
    if os.access(path, os.R_OK):  # the superuser may read everything: be somebody else
        monkeypatch.setattr(os, "access", lambda *_: False)
    report = load_products(tmp_path, own(), files=store)
    assert (counts(report), report.unreadable.count) == ((0, 1, 0, 0), 1)


def test_what_is_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="is not a folder"):
        load_products(tmp_path, own(), files=tmp_path / "none")
    assert not Product.objects.exists()


def test_progress_is_told_in_files_and_in_bytes(tmp_path: Path, store: Path) -> None:
    rows = [own(f"{n}.fits") for n in range(600)]
    for row in rows:
        put(store, row, b"x" * 10)
    told: list[tuple[str, int, int]] = []
    report = load_products(tmp_path, *rows, files=store, checksums=True, progress=lambda *step: told.append(step))
    assert report.measured == 600
    assert ("Looking for files", 600, 600) in told
    steps = [done for stage, done, total in told if stage == "Computing checksums" and total == 6000]
    assert steps == sorted(steps)
    assert steps[-1] == 6000


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(content=st.binary(max_size=5000))
def test_a_measurement_is_what_the_bytes_say(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    found = measure(str(path))
    assert (found.size, found.crc32) == (len(content), zlib.crc32(content))
    assert (found.sha256, found.path) == (hashlib.sha256(content).hexdigest(), str(path))
