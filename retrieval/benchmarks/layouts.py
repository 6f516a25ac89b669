"""What a bundle costs by its number of members: the click, laying it out, its first byte, memory; and compressing.

Members are sparse files of 10 MB, so 100,000 of them are a bundle of 1 TB.
"""

import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.utils import timezone

from basket.filling import add_observations
from basket.models import Basket
from basket.page import Filters
from basket.selection import select
from portal.benchmark import Figure, at_least, at_most, medians
from portal.models import Membership, Observation, Product, StoredFile
from retrieval import compression, delivery, jobs, plan
from retrieval.fetching import PIECE_BYTES, batches
from retrieval.gzplan import Compressor, deflated
from retrieval.models import Retrieval

MEMBER_BYTES = 10_000_000
PER_OBSERVATION = 1000
READ_BYTES = 200_000_000
NOBODY = AnonymousUser()

READER = "import django; django.setup(); from retrieval.benchmarks.layouts import reading; print(reading({!r}))"


def figures(*, quick: bool) -> Iterator[Figure]:
    """Ratios to a bundle of 10 members, and compressing as a ratio to zlib at level 1."""
    limit = settings.STREAM_LIMIT_BYTES
    settings.STREAM_LIMIT_BYTES = 1 << 62
    try:
        with tempfile.TemporaryDirectory(prefix="skybasket-bench-") as folder:
            yield from _by_members([10, 1000, 10_000 if quick else 100_000], Path(folder))
    finally:
        settings.STREAM_LIMIT_BYTES = limit
    yield from _compressing(rounds=1 if quick else 3)


def _by_members(counts: list[int], folder: Path) -> Iterator[Figure]:
    least = 0
    for count in counts:
        basket = _filled(_archive(count, folder))
        begun = time.perf_counter()
        retrieval = plan.freeze(basket, NOBODY, timezone.now(), key=basket.key)
        click = time.perf_counter() - begun
        yield at_most(f"seconds for the click on Download, {count:,} files", click, 1.0)
        seconds, first, memory = _prepared(retrieval), _first_byte(retrieval), _memory(retrieval)
        note = f"put together in {seconds:.1f} s; first byte {first * 1000:.0f} ms"
        what, looked = f"first byte, {count:,} members × one lstat of each file", first / _looked_at(retrieval)
        yield at_most(what, looked, 2.5, note) if count == counts[-1] else Figure(what, looked, note=note)
        least = least or memory
        yield at_most(f"MB more than with 10 members, {count:,} members", (memory - least) / 1e6, 20.0)


def _archive(count: int, folder: Path) -> Iterator[int]:
    """Observations of so many sparse files; their keys."""
    crc32 = zlib.crc32(bytes(MEMBER_BYTES))
    for start in range(0, count, PER_OBSERVATION):
        name = f"jw{count:08d}-c{start // PER_OBSERVATION:04d}"
        observation = Observation.objects.create(obsid=name[2:], obs_id=name, obs_collection="JWST", calib_level=3)
        products = Product.objects.bulk_create(
            Product(
                dataURI=f"mast:JWST/product/{name}_{number:05d}_cal.fits", obs_collection="JWST", obs_id=name,
                productFilename=f"{name}_{number:05d}_cal.fits", size=MEMBER_BYTES, dataRights="PUBLIC",
            )
            for number in range(start, min(start + PER_OBSERVATION, count))
        )  # fmt: skip
        Membership.objects.bulk_create(
            Membership(observation=observation, product=one, obsID=name[2:], obs_id=name) for one in products
        )
        StoredFile.objects.bulk_create(_stored(folder / one.productFilename, one, crc32) for one in products)
        yield observation.pk


def _stored(path: Path, product: Product, crc32: int) -> StoredFile:
    with path.open("wb") as hollow:
        hollow.truncate(MEMBER_BYTES)
    found = path.stat()
    return StoredFile(
        product=product,
        path=str(path),
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
        crc32=crc32,
        sha256="0" * 64,
    )


def _filled(observations: Iterator[int]) -> Basket:
    basket = Basket.objects.create(key=f"bench {Basket.objects.count()}")
    add_observations(basket, list(observations))
    select(basket, "", Filters(mrp=False), value=True)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return basket


def _prepared(retrieval: Retrieval) -> float:
    """Seconds until a retrieval can be downloaded."""
    begun = time.perf_counter()
    while jobs.go_on(retrieval.pk):
        pass
    retrieval.refresh_from_db()
    return time.perf_counter() - begun


def _first_byte(retrieval: Retrieval) -> float:
    """Seconds until the first piece can be sent: every file looked at, every right asked about."""

    def ask() -> None:
        laid_out, _ = delivery.prepare(retrieval, NOBODY, timezone.now())
        reader = laid_out.reader()
        reader.read(next(batches(laid_out.plan.segments())))
        reader.close()

    return medians(3, {"ask": ask})["ask"]


def _looked_at(retrieval: Retrieval) -> float:
    """Seconds that it takes to look at every file, and nothing else."""
    paths = list(retrieval.files.values_list("source", flat=True))

    def look() -> None:
        for path in paths:
            os.lstat(path)

    return medians(3, {"look": look})["look"]


def _memory(retrieval: Retrieval) -> int:
    """Resident bytes of a fresh process that has sent a part of the bundle and its manifests."""
    server = os.environ["DATABASE_URL"].rpartition("/")[0]
    environment = os.environ | {"DATABASE_URL": f"{server}/{connection.settings_dict['NAME']}"}
    command = [sys.executable, "-c", READER.format(retrieval.pk)]
    done = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)  # noqa: S603  # ours
    return int(done.stdout)


def reading(retrieval_id: str) -> int:
    """Read the beginning and the manifests of a bundle, as a stream does; the largest resident size so far, bytes."""
    retrieval = Retrieval.objects.get(pk=retrieval_id)
    laid_out, _ = delivery.prepare(retrieval, NOBODY, timezone.now())
    manifests = laid_out.plan.member_span(len(laid_out.positions))[0]
    reader = laid_out.reader()
    for start, stop in ((0, min(READ_BYTES, manifests)), (manifests, laid_out.plan.length)):
        for batch in batches(laid_out.plan.segments(start, stop)):
            reader.read(batch)
    reader.close()
    [line] = [one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def _compressing(rounds: int) -> Iterator[Figure]:
    """In seconds of the processor: compressing takes one core, whatever the others do."""
    data = jwst_exposure(1024)
    ours = [_packed(data, compression.new()) for _ in range(rounds)]
    zlibs = [_packed(data, zlib.compressobj(1, zlib.DEFLATED, -15)) for _ in range(rounds)]
    seconds, size = median(one for one, _ in ours), ours[0][1]
    note = f"{compression.name()}: {size / len(data):.3f} of the size"
    yield at_least("tar.gz of calibrated JWST exposures, GB/s of one core", len(data) / seconds / 1e9, 0.7, note)
    yield Figure("tar.gz × zlib at level 1, speed", median(one for one, _ in zlibs) / seconds)
    yield at_most("tar.gz × zlib at level 1, size", size / zlibs[0][1], 1.03)


def _packed(data: bytes, compressor: Compressor) -> tuple[float, int]:
    """Seconds of the processor that it takes to deflate, and to how many bytes."""
    pieces = [data[start : start + PIECE_BYTES] for start in range(0, len(data), PIECE_BYTES)]
    begun = time.process_time()
    size = sum(map(len, deflated(pieces, compressor)))
    return time.process_time() - begun, size


def jwst_exposure(side: int) -> bytes:
    """The arrays of a calibrated exposure (SCI, ERR, DQ, AREA, VAR_POISSON, VAR_RNOISE, VAR_FLAT) of made-up sky.

    As the pipeline writes them: counts of a few groups, flat-fielded, so the float32 have few distinct low bits left
    in the errors and nearly none in quality and area.
    """
    chance = np.random.default_rng(1)
    counts = chance.poisson(200, (side, side)) / 8
    flat = 1 + 0.02 * chance.standard_normal((side, side))
    science = (counts / flat).astype(">f4")
    poisson = (counts / 100).astype(">f4")
    noise = np.broadcast_to(np.repeat(chance.uniform(0.1, 0.2, 16), side // 16), (side, side)).astype(">f4")
    quality = np.where(chance.random((side, side)) < 0.01, 4, 0).astype(">u4")
    area = (1 + 1e-4 * np.add.outer(np.arange(side), np.arange(side)) / side).astype(">f4")
    error = np.sqrt(poisson + noise).astype(">f4")
    zeros = np.zeros((side, side), ">f4")
    arrays = (science, error, quality, area, poisson, noise, zeros)
    return b"".join(array.tobytes() for array in arrays)
