"""The virtual tar.gz: any range of it equals the slice, remembered sizes hold, and every reader unpacks it."""

import gzip
import io
import random
import tarfile
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.gzplan import (
    STORED,
    Compressor,
    Deflated,
    DeflateStream,
    Differs,
    GzipPlan,
    deflated,
    packed_size,
    stored_size,
)
from retrieval.tarplan import TarPlan
from retrieval.virtual import FileRange, Inline, Member, Segment
from tests.tars import planned, python_extract
from tests.test_tarplan import MANIFESTS, SAMPLE
from tests.tools import ask, files_below
from tests.virtual_archives import read
from tests.zips import zeros_crc32

ZLIB = f"zlib {zlib.ZLIB_RUNTIME_VERSION} level 1"
NOISE = random.Random(1).randbytes(300_000)
CONTENTS = st.dictionaries(
    st.text("abé", min_size=1, max_size=120),
    st.binary(max_size=600) | st.integers(0, 140_000).map(lambda size: NOISE[:size]) | st.just(bytes(50_000)),
    max_size=5,
)

EXTRACTORS: dict[str, Callable[[Path, Path], object]] = {
    "python": python_extract,
    "tar": lambda archive, folder: ask("tar", "-xf", archive, "-C", folder),
    "tar from a pipe": lambda archive, folder: ask("tar", "-xzf", "-", "-C", folder, stdin=archive),
    "bsdtar": lambda archive, folder: ask("bsdtar", "-xf", archive, "-C", folder),
    "bsdtar from a pipe": lambda archive, folder: ask("bsdtar", "-xf", "-", "-C", folder, stdin=archive),
}


def level_1() -> "zlib._Compress":
    return zlib.compressobj(1, zlib.DEFLATED, -15)


def filled(pieces: Iterable[Segment], contents: list[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if isinstance(piece, FileRange):
            yield contents[piece.index][piece.offset : piece.offset + piece.length]
        else:
            yield piece


def packed(tar: TarPlan, files: Mapping[str, bytes]) -> GzipPlan:
    """The plan after a first pass over the tar."""
    contents = list(files.values())
    stored = GzipPlan(tar, [STORED] * len(tar), compressor=ZLIB)
    sizes = [packed_size(filled(stored.unpacked(index), contents), level_1()) for index in range(len(tar))]
    return GzipPlan(tar, sizes, compressor=ZLIB)


def stream(plan: GzipPlan, index: int, contents: list[bytes]) -> DeflateStream:
    return DeflateStream(index, plan.packed_bytes(index), filled(plan.unpacked(index), contents), level_1())


def sent(plan: GzipPlan, files: Mapping[str, bytes], start: int = 0, stop: int | None = None) -> bytes:
    contents, out = list(files.values()), io.BytesIO()
    for piece in plan.segments(start, stop):
        if isinstance(piece, Deflated):
            out.write(stream(plan, piece.index, contents).read(piece.offset, piece.length))
        else:
            out.writelines(filled([piece], contents))
    return out.getvalue()


@given(CONTENTS, st.data())
@settings(max_examples=200, deadline=None)
def test_any_range_is_the_slice_of_the_whole(files: dict[str, bytes], data: st.DataObject) -> None:
    tar = planned(files, MANIFESTS)
    plan = packed(tar, files)
    whole = sent(plan, files)
    assert len(whole) == plan.length
    assert gzip.decompress(whole) == read(tar, files)
    start = data.draw(st.integers(0, plan.length), "start")
    stop = data.draw(st.integers(start, plan.length), "stop")
    assert sent(plan, files, start, stop) == whole[start:stop]


@given(st.integers(0, 300_000), st.data())
@settings(max_examples=200, deadline=None)
def test_any_range_of_a_stored_member_needs_no_compressor(size: int, data: st.DataObject) -> None:
    files = {"noise": NOISE[:size]}
    tar = planned(files)
    plan = GzipPlan(tar, [STORED], compressor="")
    whole = sent(plan, files)
    assert gzip.decompress(whole) == read(tar, files)
    edges = [10 + 65_540 * block + near for block in range(6) for near in range(-1, 7)]
    places = st.integers(0, plan.length) | st.sampled_from([edge for edge in edges if edge <= plan.length])
    start, stop = sorted([data.draw(places), data.draw(places)])
    assert not any(isinstance(piece, Deflated) for piece in plan.segments(start, stop))
    assert sent(plan, files, start, stop) == whole[start:stop]


@given(CONTENTS, st.data())
@settings(max_examples=100, deadline=None)
def test_an_archive_cut_anywhere_and_resumed_is_whole(files: dict[str, bytes], data: st.DataObject) -> None:
    plan = packed(planned(files, MANIFESTS), files)
    cuts = sorted(data.draw(st.lists(st.integers(0, plan.length), max_size=8)))
    ends = [*cuts, plan.length]
    parts = [sent(plan, files, start, stop) for start, stop in zip([0, *cuts], ends, strict=True)]
    assert b"".join(parts) == sent(plan, files)


@given(CONTENTS, st.data())
@settings(max_examples=100, deadline=None)
def test_each_span_is_a_gzip_of_one_member_of_the_tar(files: dict[str, bytes], data: st.DataObject) -> None:
    tar = planned(files, MANIFESTS)
    plan = packed(tar, files)
    spans = [plan.member_span(index) for index in range(len(plan))]
    for index, (low, high) in enumerate(spans):
        unpacked = gzip.decompress(sent(plan, files, low, high))
        begin, end = tar.member_span(index)
        assert unpacked.rstrip(b"\0") == read(tar, files, begin, end).rstrip(b"\0")
        assert len(unpacked) == -(-(end - begin) // 512) * 512
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, plan.length)] * 2)))
    inside = [index for index, (low, high) in enumerate(spans) if start <= low and high <= stop]
    assert list(plan.members_within(start, stop)) == inside


def test_what_compresses_is_deflated_and_noise_is_stored() -> None:
    files = {"zeros": bytes(300_000), "noise": NOISE}
    plan = packed(planned(files), files)
    assert [high - low < 3000 for low, high in map(plan.member_span, range(2))] == [True, False]
    kinds = [type(piece) for piece in plan.segments() if not isinstance(piece, bytes)]
    assert kinds == [Deflated, *[FileRange] * 5]


@pytest.mark.parametrize("extract", EXTRACTORS.values(), ids=list(EXTRACTORS))
def test_every_untarrer_writes_the_same_files(extract: Callable[[Path, Path], object], tmp_path: Path) -> None:
    files = SAMPLE | {"noise.jpg": NOISE}
    archive = tmp_path / "sample.tar.gz"
    archive.write_bytes(sent(packed(planned(files, MANIFESTS), files), files))
    folder = tmp_path / "out"
    folder.mkdir()
    extract(archive, folder)
    assert files_below(folder) == files | MANIFESTS


@pytest.mark.parametrize(
    "command", [("gzip", "-dc"), ("bsdcat",), ("7z", "e", "-so")], ids=lambda command: command[0]
)
def test_every_gunzip_gives_the_tar(command: tuple[str, ...], tmp_path: Path) -> None:
    tar = planned(SAMPLE, MANIFESTS)
    archive = tmp_path / "sample.tar.gz"
    archive.write_bytes(sent(packed(tar, SAMPLE), SAMPLE))
    ask("sh", "-c", '"$@" > whole.tar', "sh", *command, archive, cwd=tmp_path)
    assert (tmp_path / "whole.tar").read_bytes() == read(tar, SAMPLE)


def test_an_empty_archive_is_one_to_every_reader(tmp_path: Path) -> None:
    plan = GzipPlan(TarPlan([]), [], compressor=ZLIB)
    archive = tmp_path / "empty.tar.gz"
    archive.write_bytes(sent(plan, {}))
    assert archive.stat().st_size == plan.length == stored_size(1024)
    assert ask("tar", "-tzf", archive) == ask("bsdtar", "-tf", archive) == ""
    with tarfile.open(archive) as opened:
        assert opened.getnames() == []


def test_a_stored_member_over_4_gib_has_the_right_length_and_trailer() -> None:
    size = (4 << 30) + 5
    tar = TarPlan([Member("big.fits", size, zeros_crc32(size))])
    plan = GzipPlan(tar, [STORED], compressor="")
    low, high = plan.member_span(0)
    lengths = [piece.length if isinstance(piece, FileRange) else 0 for piece in plan.segments()]
    assert sum(lengths) == size
    assert high - low == stored_size(512 + size + 507)
    [header] = tar.segments(0, 512)
    [trailer] = plan.segments(high - 8, high)
    assert isinstance(header, bytes)
    assert isinstance(trailer, bytes)
    assert int.from_bytes(trailer[:4], "little") == zeros_crc32(size + 507, zlib.crc32(header))
    assert int.from_bytes(trailer[4:], "little") == 1024


class Chunks:
    """A compressor that gives away how the bytes came to it."""

    def compress(self, data: bytes, /) -> bytes:
        return b"%d " % len(data)

    def flush(self) -> bytes:
        return b"end"


@given(st.lists(st.integers(0, 3_000_000), max_size=5), st.sampled_from([level_1, Chunks]))
@settings(max_examples=50, deadline=None)
def test_how_the_bytes_come_in_pieces_makes_no_difference(
    cuts: list[int], compressor: Callable[[], Compressor]
) -> None:
    data = NOISE * 10
    edges = [0, *sorted(cuts), len(data)]
    pieces = [data[low:high] for low, high in pairwise(edges)]
    assert b"".join(deflated(pieces, compressor())) == b"".join(deflated([data], compressor()))


def test_a_file_is_packed_alike_whatever_its_name_and_day() -> None:
    sizes = []
    for name, moment in [("a", datetime(2026, 1, 1, tzinfo=UTC)), ("bb/c" * 80, datetime(2027, 2, 2, tzinfo=UTC))]:
        tar = TarPlan([Member(name, 50_000, 0)], mtime=moment)
        plan = GzipPlan(tar, [STORED], compressor=ZLIB)
        sizes.append(packed_size(filled(plan.unpacked(0), [b"text " * 10_000]), level_1()))
    assert sizes[0] == sizes[1] != STORED


@given(st.lists(st.integers(1, 90_000), min_size=1, max_size=9), st.integers(0, 60_000))
@settings(max_examples=50, deadline=None)
def test_a_stream_is_read_in_pieces_of_any_size(sizes: list[int], first: int) -> None:
    contents = [NOISE.hex().encode() * 2]
    plan = packed(planned({"a": contents[0]}), {"a": contents[0]})
    whole = b"".join(deflated(filled(plan.unpacked(0), contents), level_1()))
    one = stream(plan, 0, contents)
    at = first
    for size in sizes:
        length = min(size, len(whole) - at)
        assert one.read(at, length) == whole[at : at + length]
        at += length
        assert one.at == at


def test_a_range_of_a_huge_stored_member_touches_only_its_own_blocks() -> None:
    plan = GzipPlan(TarPlan([Member("a", 1 << 44, 0)]), [STORED], compressor="")
    block = 10 + 65_540 * 1_000_000  # behind 1,536 bytes of header, with a pax record of the size
    pieces = list(plan.segments(block + 5, block + 65_540 + 5 + 10))
    assert pieces == [
        FileRange(0, 65_535 * 1_000_000 - 1536, 65_535),
        b"\0\xff\xff\0\0",
        FileRange(0, 65_535 * 1_000_001 - 1536, 10),
    ]


@pytest.mark.parametrize("wrong", [-1, 1, 200, -200])
def test_a_member_that_comes_out_with_another_size_is_not_finished(wrong: int) -> None:
    files = {"a": b"text " * 10_000, "b": b""}
    tar = planned(files)
    right = packed(tar, files).packed_bytes(0)
    plan = GzipPlan(tar, [right + wrong, STORED], compressor=ZLIB)
    one = stream(plan, 0, list(files.values()))
    with pytest.raises(Differs, match=f"{right + wrong} were remembered"):
        one.read(0, right + wrong)
    assert one.at == 0


def test_a_member_that_goes_on_where_it_should_end_is_not_finished() -> None:
    contents = [NOISE.hex().encode() * 6]
    tar = planned({"a": contents[0]})
    *before, _ = deflated(filled(tar.segments(512, tar.length - 1024), contents), level_1())
    remembered = sum(map(len, before))
    plan = GzipPlan(tar, [remembered], compressor=ZLIB)
    with pytest.raises(Differs, match=f"{remembered} were remembered"):
        stream(plan, 0, contents).read(0, remembered)


def test_a_range_that_ends_early_compresses_no_further() -> None:
    files = {"a": NOISE.hex().encode() * 10}
    plan = packed(planned(files), files)
    asked = 0

    def unpacked() -> Iterator[bytes]:
        nonlocal asked
        for piece in filled(plan.unpacked(0), list(files.values())):
            for begin in range(0, len(piece), 1 << 16):
                asked += 1
                yield piece[begin : begin + (1 << 16)]

    one = DeflateStream(0, plan.packed_bytes(0), unpacked(), level_1())
    start = plan.member_span(0)[0] + 10 + 5 + 512
    assert one.read(0, 1000) == sent(plan, files)[start : start + 1000]
    assert asked <= 18


def test_the_same_plan_gives_the_same_bytes_and_a_strong_etag() -> None:
    one, two = packed(planned(SAMPLE), SAMPLE), packed(planned(SAMPLE), SAMPLE)
    assert sent(one, SAMPLE) == sent(two, SAMPLE)
    assert one.etag == two.etag
    assert one.etag != one.tar.etag
    assert one.etag[0] == one.etag[-1] == '"'


BASE = TarPlan([Member("a", 10, 1)], [Inline("m", b"")])


@pytest.mark.parametrize(
    "other",
    [
        GzipPlan(BASE, [101, 0], compressor=ZLIB),
        GzipPlan(BASE, [0, 100], compressor=ZLIB),
        GzipPlan(BASE, [100, 0], compressor="isal 1.7 level 1"),
        GzipPlan(TarPlan([Member("a", 10, 2)], [Inline("m", b"")]), [100, 0], compressor=ZLIB),
    ],
)
def test_the_etag_changes_with_any_size_compressor_or_tar(other: GzipPlan) -> None:
    assert other.etag != GzipPlan(BASE, [100, 0], compressor=ZLIB).etag


@pytest.mark.parametrize(
    ("sizes", "words"),
    [([0], "1 sizes for a tar of 2"), ([0] * 3, "3 sizes"), ([0, 1], "1 bytes"), ([-1, 0], "-1")],
)
def test_sizes_that_no_archive_has_are_refused(sizes: list[int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        GzipPlan(BASE, sizes, compressor=ZLIB)


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 4), (0, 1048), (1048, 1048)])
def test_a_range_outside_the_archive_is_refused_before_the_first_byte(start: int, stop: int) -> None:
    with pytest.raises(ValueError, match="not inside an archive of 1047 bytes"):
        GzipPlan(TarPlan([]), [], compressor=ZLIB).segments(start, stop)


@pytest.mark.parametrize("index", [-1, 2])
def test_the_span_of_a_member_that_is_not_there_is_refused(index: int) -> None:
    with pytest.raises(IndexError, match="an archive of 2"):
        GzipPlan(BASE, [0, 0], compressor=ZLIB).member_span(index)


def test_100_000_members_take_few_bytes_beyond_the_tar() -> None:
    tar = TarPlan(Member(f"{number}", 100, 0) for number in range(100_000))
    tracemalloc.start()
    try:
        plan = GzipPlan(tar, (number % 2 and 300 for number in range(100_000)), compressor=ZLIB)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 2_500_000
    _, part, _ = plan.segments(*plan.member_span(77_777))
    assert isinstance(part, Deflated)
