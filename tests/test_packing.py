"""Measuring how files pack, once per content, and reading a tar.gz: compressed while it leaves, alike every time."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser
from hypothesis import given, settings
from hypothesis import strategies as st

from basket.models import Basket
from portal.errors import Problem
from retrieval import bundle, compression, jobs, measuring, plan
from retrieval.fetching import Reader, Sources, Unfit, batches
from retrieval.gzplan import GzipPlan, packed_size
from retrieval.models import Outcome, PackedSize, Phase, Retrieval, RetrievalFile
from retrieval.packing import PackingReader
from retrieval.tarplan import TarPlan
from retrieval.virtual import Member
from tests.conftest import CHECKOUT
from tests.small_archive import NOW, SmallArchive, fill, law, path_of
from tests.web_server import environment

TEXT = random.Random(7).randbytes(400_000).hex().encode()


@pytest.fixture
def archive(tmp_path: Path) -> SmallArchive:
    return SmallArchive(tmp_path)


def freeze(archive: SmallArchive, key: str = "stranger") -> Retrieval:
    basket = fill(Basket.objects.create(key=key), archive)
    return plan.freeze(basket, AnonymousUser(), NOW, key=key, method="tar.gz")


def ready(retrieval: Retrieval) -> Retrieval:
    assert jobs.measure_little(retrieval)
    law(retrieval)
    assert (retrieval.phase, retrieval.length is None) == (Phase.QUEUED, False)
    return retrieval


def content(retrieval: Retrieval, start: int = 0) -> bytes:
    laid_out = bundle.load(retrieval)
    reader = laid_out.reader()
    try:
        return b"".join(map(reader.read, batches(laid_out.plan.segments(start))))
    finally:
        reader.close()


@pytest.mark.django_db
def test_the_first_request_measures_and_the_next_one_knows(
    archive: SmallArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.file("a_cal.fits", TEXT)
    archive.file("b_cal.fits", os.urandom(50_000))
    archive.file("c_cal.fits", measured=False)
    first = freeze(archive)
    assert (first.phase, first.length, bundle.unmeasured(first)[0]) == (Phase.QUEUED, None, 3)
    ready(first)
    known = dict(first.files.values_list("path", "packed"))
    assert known["JWST/jw1/b_cal.fits"] == 0
    assert 0 < (known["JWST/jw1/a_cal.fits"] or 0) < len(TEXT) * 0.6
    assert PackedSize.objects.count() == 3
    monkeypatch.setattr(measuring, "packed_size", None)
    assert freeze(archive, "another").length == first.length


@pytest.mark.django_db
def test_the_same_content_under_another_name_is_not_measured_again(archive: SmallArchive) -> None:
    archive.file("a_cal.fits", TEXT)
    ready(freeze(archive))
    archive.file("b_cal.fits", TEXT)
    second = freeze(archive, "another")
    assert second.length is not None
    assert len(set(second.files.values_list("packed", flat=True))) == 1


@pytest.mark.django_db
def test_a_file_that_changes_before_it_is_packed_fails_alone(archive: SmallArchive) -> None:
    product = archive.file("a_cal.fits", TEXT)
    archive.file("b_cal.fits", TEXT + b"!")
    retrieval = freeze(archive)
    path_of(product).write_bytes(TEXT[1:])
    ready(retrieval)
    failed = retrieval.files.get(outcome=Outcome.FAILED)
    assert failed.path == "JWST/jw1/a_cal.fits"
    assert "799,999 bytes in the archive instead of 800,000" in failed.reason


@pytest.mark.django_db
def test_a_zip_asks_nothing_of_the_compressor(archive: SmallArchive) -> None:
    archive.file("a_cal.fits", TEXT)
    basket = fill(Basket.objects.create(key="stranger"), archive)
    retrieval = plan.freeze(basket, AnonymousUser(), NOW)
    assert retrieval.length is not None
    assert RetrievalFile.objects.get().packed is None


@pytest.mark.django_db
def test_any_rest_of_a_tar_gz_is_the_rest_of_the_whole(archive: SmallArchive) -> None:
    for number in range(5):
        archive.file(f"{number}_cal.fits", TEXT[: number * 150_000])
        archive.file(f"{number}.jpg", os.urandom(number * 50_000))
    retrieval = ready(freeze(archive))
    whole = content(retrieval)
    assert len(whole) == retrieval.length
    for start in random.Random(1).sample(range(len(whole)), 25):
        assert content(retrieval, start) == whole[start:]


@pytest.mark.django_db
def test_what_another_compressor_measured_is_measured_again_or_refused(
    archive: SmallArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.file("a_cal.fits", TEXT)
    laid_out, waiting = ready(freeze(archive)), freeze(archive, "another")
    waiting.length, waiting.etag = None, ""
    waiting.save()
    monkeypatch.setattr(compression, "name", lambda: "isa-l of tomorrow")
    with pytest.raises(Problem, match="another compressor"):
        bundle.load(laid_out)
    ready(waiting)
    assert waiting.compressor == "isa-l of tomorrow"
    assert set(PackedSize.objects.values_list("compressor", flat=True)) == {
        laid_out.compressor,
        "isa-l of tomorrow",
    }


@pytest.mark.django_db
def test_every_process_packs_alike() -> None:
    program = (
        "import sys, zlib; from retrieval import compression; from retrieval.gzplan import deflated; "
        "data = open(sys.argv[1], 'rb').read(); "
        "print(compression.name(), zlib.crc32(b''.join(deflated([data], compression.new()))))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program, sys.executable],
            cwd=CHECKOUT, env=environment() | {"PYTHONHASHSEED": str(seed)}, capture_output=True, check=True,
        ).stdout
        for seed in range(3)
    }  # fmt: skip
    assert len(told) == 1
    assert told.pop().decode().startswith(f"{compression.name()} ")


class Pieces:
    """A tar.gz over files on disk, and what is read of it."""

    def __init__(self, folder: Path, contents: list[bytes]) -> None:
        self.sources = Sources()
        for number, data in enumerate(contents):
            path = folder / str(number)
            path.write_bytes(data)
            self.sources.add(str(path), len(data), path.stat().st_mtime_ns, -1)
        padded = [data + bytes(-len(data) % 512) for data in contents]
        sizes = [packed_size([data], compression.new()) for data in padded]
        tar = TarPlan(Member(str(number), len(data), 0) for number, data in enumerate(contents))
        self.plan = GzipPlan(tar, sizes, compressor="")

    def reader(self) -> PackingReader:
        return PackingReader(self.plan, Reader(self.sources), compression.new)

    def read(self, start: int, stop: int, size: int) -> Iterator[bytes]:
        reader = self.reader()
        try:
            yield from map(reader.read, batches(self.plan.segments(start, stop), size))
        finally:
            reader.close()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1_000_000), st.integers(0, 1_000_000), st.integers(1000, 300_000))
def test_pieces_of_any_size_are_the_slice(
    tmp_path_factory: pytest.TempPathFactory, one: int, other: int, size: int
) -> None:
    pieces = Pieces(tmp_path_factory.getbasetemp(), [TEXT[:700_000], b"", TEXT[:333], os.urandom(70_000)])
    whole = b"".join(pieces.read(0, pieces.plan.length, 1 << 20))
    start, stop = sorted([one % pieces.plan.length, other % pieces.plan.length])
    assert b"".join(pieces.read(start, stop, size)) == whole[start:stop]


def test_a_file_that_changed_is_noticed_while_it_is_packed(tmp_path: Path) -> None:
    pieces = Pieces(tmp_path, [TEXT])
    (tmp_path / "0").write_bytes(TEXT[:-1])
    with pytest.raises(Unfit, match="799,999 bytes"):
        list(pieces.read(0, pieces.plan.length, 1 << 20))
