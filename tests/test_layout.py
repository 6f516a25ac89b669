"""Layouts on disk: any range of them is what the plans in memory say, they are whole or not there, and stay small."""

import gc
import random
import tracemalloc
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import compression
from retrieval.gzplan import Deflated, DeflateStream, GzipPlan
from retrieval.layout.blocks import BLOCK_BYTES
from retrieval.layout.reading import Layout, StoredArchive, StoredGzip
from retrieval.layout.writing import LaidFile, LayoutWriter, Packing
from retrieval.tarplan import TarFormat, TarPlan
from retrieval.virtual import FileRange, Format, Inline, Member, VirtualArchive
from retrieval.zipplan import ZipFormat, ZipPlan

Files = list[tuple[str, bytes]]

NOISE = random.Random(3).randbytes(200_000)
PACKING = Packing(compression.new, compression.name())
DATA = st.binary(max_size=700) | st.integers(0, 150_000).map(lambda size: NOISE[:size]) | st.just(bytes(40_000))
NAMES = st.text("abé/ ", min_size=1, max_size=130).filter(
    lambda name: all(part not in {"", ".", ".."} for part in name.split("/"))
)
FILES = st.dictionaries(NAMES, DATA, max_size=6).map(lambda files: list(files.items()))
TAILS = st.dictionaries(st.sampled_from(["MANIFEST.HTML", "SUMS"]), DATA, max_size=2)


def laid(
    framing: Format, files: Files, tail: Mapping[str, bytes], folder: Path, packing: Packing | None = None
) -> Layout:
    """A layout of these files, opened; each lies at /archive/<its path>."""
    with LayoutWriter(folder, framing, packing) as writer:
        for number, (path, data) in enumerate(files):
            padded = data + bytes(framing.padding(len(data)))
            packed = packing.size([padded]) if packing else 0
            writer.add(
                LaidFile(
                    path,
                    len(data),
                    zlib.crc32(data),
                    f"/archive/{path}",
                    10 + number,
                    2 * number,
                    7 + number,
                    packed,
                )
            )
        for path, data in tail.items():
            spool = writer.spool()
            spool.write(data)
            writer.add_inline(path, spool)
        return writer.publish(lambda _: folder / "one.layout")


def members(files: Files) -> list[Member]:
    return [Member(path, len(data), zlib.crc32(data)) for path, data in files]


def inline(tail: Mapping[str, bytes]) -> list[Inline]:
    return [Inline(*one) for one in tail.items()]


def read(plan: VirtualArchive | StoredArchive | GzipPlan, files: Files, start: int, stop: int) -> bytes:
    out = bytearray()
    for piece in plan.segments(start, stop):
        if isinstance(piece, bytes):
            out += piece
        elif isinstance(piece, FileRange):
            out += files[piece.index][1][piece.offset : piece.offset + piece.length]
        else:
            assert isinstance(plan, GzipPlan)
            out += deflated(plan, piece, files)
    return bytes(out)


def deflated(plan: GzipPlan, piece: Deflated, files: Files) -> bytes:
    unpacked = [one if isinstance(one, bytes) else files[one.index][1] for one in plan.unpacked(piece.index)]
    stream = DeflateStream(piece.index, plan.packed_bytes(piece.index), unpacked, compression.new())
    return stream.read(piece.offset, piece.length)


def same_answers(
    stored: StoredArchive | StoredGzip, plan: VirtualArchive | GzipPlan, files: Files, data: st.DataObject
) -> None:
    """Length, tag, places of members and the bytes of any range."""
    assert (stored.length, stored.etag, len(stored)) == (plan.length, plan.etag, len(plan))
    assert read(stored, files, 0, stored.length) == read(plan, files, 0, plan.length)
    spans = [plan.member_span(index) for index in range(len(plan))]
    assert [stored.member_span(index) for index in range(len(plan))] == spans
    edges = [edge for span in spans for edge in span] or [0]
    places = st.integers(0, plan.length) | st.sampled_from(edges)
    for _ in range(4):
        start, stop = sorted([data.draw(places), data.draw(places)])
        assert read(stored, files, start, stop) == read(plan, files, start, stop)
        assert stored.members_within(start, stop) == plan.members_within(start, stop)


@settings(max_examples=300, deadline=None)
@given(form=st.sampled_from([(ZipFormat, ZipPlan), (TarFormat, TarPlan)]), files=FILES, tail=TAILS, data=st.data())
def test_a_stored_archive_is_the_plan_in_memory(
    tmp_path_factory: pytest.TempPathFactory,
    form: tuple[Callable[[], Format], Callable[[list[Member], list[Inline]], VirtualArchive]],
    files: Files,
    tail: dict[str, bytes],
    data: st.DataObject,
) -> None:
    framing, plan = form
    layout = laid(framing(), files, tail, tmp_path_factory.getbasetemp())
    spec = plan(members(files), inline(tail))
    assert isinstance(layout.plan, StoredArchive)
    same_answers(layout.plan, spec, files, data)
    for index in range(len(spec)):
        assert layout.plan.data_start(index) == spec.data_start(index)
        assert layout.plan.crc32(index) == spec.crc32(index)


@settings(max_examples=100, deadline=None)
@given(files=FILES, tail=TAILS, data=st.data())
def test_a_stored_tar_gz_is_the_plan_in_memory(
    tmp_path_factory: pytest.TempPathFactory, files: Files, tail: dict[str, bytes], data: st.DataObject
) -> None:
    layout = laid(TarFormat(), files, tail, tmp_path_factory.getbasetemp(), PACKING)
    everything = [*files, *tail.items()]
    sizes = [PACKING.size([content + bytes(-len(content) % 512)]) for _, content in everything]
    spec = GzipPlan(TarPlan(members(files), inline(tail)), sizes, compressor=PACKING.name)
    assert isinstance(layout.plan, StoredGzip)
    same_answers(layout.plan, spec, files, data)
    assert layout.compressor == PACKING.name


@settings(max_examples=40, deadline=None)
@given(files=FILES)
def test_what_belongs_to_each_file_is_found_again(tmp_path_factory: pytest.TempPathFactory, files: Files) -> None:
    layout = laid(ZipFormat(), files, {}, tmp_path_factory.getbasetemp())
    sources, count = layout.sources, len(files)
    assert list(sources.paths) == [f"/archive/{path}" for path, _ in files]
    assert [sources.paths[index] for index in range(count)] == list(sources.paths)
    assert list(sources.sizes) == [len(data) for _, data in files]
    assert [sources.crcs[index] for index in range(count)] == [zlib.crc32(data) for _, data in files]
    assert list(sources.mtimes) == [10 + number for number in range(count)]
    assert list(layout.positions) == [2 * number for number in range(count)]
    assert list(layout.product_ids) == [7 + number for number in range(count)]
    assert layout.bytes == sum(len(data) for _, data in files)


def test_what_a_store_said_of_remote_files_is_found_again(tmp_path: Path) -> None:
    with LayoutWriter(tmp_path, ZipFormat()) as writer:
        writer.add(LaidFile("a", 1, 1, "/archive/a", 0, 0, 0))
        writer.add(LaidFile("b", 1, 1, "https://store/b", 0, 1, 1, etag='"tag"'))
        writer.add(LaidFile("c", 1, 1, "s3://store/c", 0, 2, 2, etag=""))
        sources = writer.publish(lambda _: tmp_path / "one.layout").sources
    assert list(sources.paths) == ["/archive/a", "https://store/b", "s3://store/c"]
    assert [sources.paths[index] for index in range(3)] == list(sources.paths)
    assert dict(sources.etags) == {1: '"tag"', 2: ""}
    assert [index in sources.etags for index in range(3)] == [False, True, True]
    assert sources.are_remote
    assert (sources.expected(1).source, sources.expected(1).etag) == ("https://store/b", '"tag"')


def many(count: int, tmp_path: Path, size: int = 5_000_000_000) -> Layout:
    """A zip of many large files that are nowhere."""
    with LayoutWriter(tmp_path, ZipFormat()) as writer:
        for number in range(count):
            writer.add(
                LaidFile(f"JWST/{number // 9}/{number}.fits", size, number, f"/a/{number}", number, number, number)
            )
        spool = writer.spool()
        for number in range(count):
            spool.write(b"%d\n" % number)
        writer.add_inline("MANIFEST", spool)
        return writer.publish(lambda _: tmp_path / "many.layout")


def test_70_000_members_beyond_every_limit_of_32_bits_are_the_plan_in_memory(tmp_path: Path) -> None:
    count = 70_000
    layout = many(count, tmp_path)
    manifest = b"".join(b"%d\n" % number for number in range(count))
    named = (Member(f"JWST/{n // 9}/{n}.fits", 5_000_000_000, n) for n in range(count))
    spec = ZipPlan(named, [Inline("MANIFEST", manifest)])
    assert isinstance(layout.plan, StoredArchive)
    assert (layout.plan.length, layout.plan.etag) == (spec.length, spec.etag)
    assert layout.bytes == 5_000_000_000 * count
    chosen = random.Random(5)
    for _ in range(60):
        index = chosen.randrange(count)
        start, stop = spec.member_span(index)
        assert layout.plan.member_span(index) == (start, stop)
        assert list(layout.plan.segments(start - 40, start + 400)) == list(spec.segments(start - 40, start + 400))
    beginning = spec.member_span(count)[0]
    assert b"".join(map(bytes, whole(layout.plan, beginning))) == b"".join(map(bytes, whole(spec, beginning)))
    assert (tmp_path / "many.layout").stat().st_size < 130 * count


def test_memory_does_not_grow_with_members(tmp_path: Path) -> None:
    peaks = []
    for count in (2_000, 40_000):
        gc.collect()
        tracemalloc.start()
        try:
            layout = many(count, tmp_path)
            assert sum(not isinstance(piece, bytes) for piece in layout.plan.segments()) == count
            assert sum(len(path) for path in layout.sources.paths) > count
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] - peaks[0] < 1_500_000


def whole(plan: VirtualArchive | StoredArchive, start: int) -> list[bytes]:
    return [piece for piece in plan.segments(start, plan.length) if isinstance(piece, bytes)]


def test_what_is_begun_and_not_finished_leaves_nothing(tmp_path: Path) -> None:
    with LayoutWriter(tmp_path, ZipFormat()) as writer:
        writer.add(LaidFile("a", 1, 0, "/a", 0, 0, 0))
        assert list(tmp_path.iterdir())
        with pytest.raises(ValueError, match="not a safe relative path"):
            writer.add(LaidFile("../a", 1, 0, "/a", 0, 0, 0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", [0, 5, 15, 100, -1])
def test_a_layout_that_was_cut_is_none(tmp_path: Path, cut: int) -> None:
    laid(ZipFormat(), [("a", b"a")], {}, tmp_path)
    path = tmp_path / "one.layout"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match=r"not a finished layout|ends too early"):
        Layout(path)


def test_damage_is_noticed_where_it_is_read(tmp_path: Path) -> None:
    layout = laid(ZipFormat(), [], {"MANIFEST": NOISE}, tmp_path)
    path = tmp_path / "one.layout"
    data = bytearray(path.read_bytes())
    data[BLOCK_BYTES + 1000] ^= 1
    path.write_bytes(data)
    assert isinstance(layout.plan, StoredArchive)
    next(layout.plan.segments())
    with pytest.raises(ValueError, match="damaged"):
        list(layout.plan.segments())


def test_an_open_layout_outlives_its_name(tmp_path: Path) -> None:
    layout = laid(ZipFormat(), [("a", b"a")], {"MANIFEST": NOISE}, tmp_path)
    (tmp_path / "one.layout").unlink()
    assert read(layout.plan, [("a", b"a")], 0, layout.plan.length)[:4] == b"PK\3\4"
