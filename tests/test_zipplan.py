"""The virtual zip: any range of it equals the slice, and every unzipper agrees with what we meant."""

import io
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.zipplan import FileRange, Inline, Member, ZipPlan
from tests.tools import EXTRACTORS, ask, files_below
from tests.virtual_archives import Imagined, read, written
from tests.zips import planned

SAMPLE = {
    "JWST/jw02731-o001_t017_nircam_clear-f090w/jw02731_i2d.fits": bytes(range(256)) * 300,
    "JWST/jw02731-o001_t017_nircam_clear-f090w/empty.txt": b"",
    "HST/icde01010/icde01010;v=2+drz (1).fits": b"SIMPLE  =                    T",
    "HLSP/Größe_Δ_星_🔭/Ångström.csv": b"a,b\n1,2\n",
}
MANIFESTS = {"MANIFEST.HTML": b"<!DOCTYPE html>", "SHA256SUMS": b""}
NAMES = st.text(st.sampled_from("abcXYZ019 ._+;=-é星🔭"), min_size=1, max_size=12).map(lambda name: f"n{name}n")
CONTENTS = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.binary(max_size=300), max_size=12
)


def many(count: int) -> Iterator[Member]:
    for number in range(count):
        observation = f"jw05224004001_02101_{number // 10:05d}_nrs2"
        yield Member(f"JWST/{observation}/{observation}_gs-acq1_{number:07d}_cal.fits", number % 3, number)


@given(CONTENTS, CONTENTS, st.data())
@settings(max_examples=300, deadline=None)
def test_any_range_is_the_slice_of_the_whole(
    files: dict[str, bytes], tail: dict[str, bytes], data: st.DataObject
) -> None:
    plan = planned(files, {f"tail/{path}": content for path, content in tail.items()})
    whole = read(plan, files)
    assert len(whole) == plan.length
    start = data.draw(st.integers(0, plan.length), "start")
    stop = data.draw(st.integers(start, plan.length), "stop")
    assert read(plan, files, start, stop) == whole[start:stop]
    assert read(plan, files, start) == whole[start:]


@given(CONTENTS, st.data())
@settings(max_examples=200, deadline=None)
def test_an_archive_cut_anywhere_and_resumed_is_whole(files: dict[str, bytes], data: st.DataObject) -> None:
    plan = planned(files, MANIFESTS)
    cuts = sorted(data.draw(st.lists(st.integers(0, plan.length), max_size=20)))
    ends = [*cuts, plan.length]
    parts = [read(plan, files, start, stop) for start, stop in zip([0, *cuts], ends, strict=True)]
    assert b"".join(parts) == read(plan, files)


@given(CONTENTS)
@settings(max_examples=200, deadline=None)
def test_python_reads_back_every_byte_in_the_order_given(files: dict[str, bytes]) -> None:
    plan = planned(files, {f"{path}.tail": content for path, content in files.items()})
    with zipfile.ZipFile(io.BytesIO(read(plan, files))) as opened:
        assert opened.namelist() == [*files, *(f"{path}.tail" for path in files)]
        assert [opened.read(info) for info in opened.infolist()] == [*files.values(), *files.values()]
        offsets = [info.header_offset for info in opened.infolist()]
        ends = [*offsets, opened.start_dir][1:]
        spans = [plan.member_span(index) for index in range(len(plan))]
        assert spans == list(zip(offsets, ends, strict=True))


@given(CONTENTS, st.data())
@settings(max_examples=200, deadline=None)
def test_members_within_a_range_are_those_whose_span_lies_in_it(
    files: dict[str, bytes], data: st.DataObject
) -> None:
    plan = planned(files, MANIFESTS)
    start = data.draw(st.integers(0, plan.length), "start")
    stop = data.draw(st.integers(start, plan.length), "stop")
    spans = [plan.member_span(index) for index in range(len(plan))]
    inside = [index for index, (low, high) in enumerate(spans) if start <= low and high <= stop]
    assert list(plan.members_within(start, stop)) == inside


@given(
    st.lists(st.integers(0, 1 << 33) | st.integers(0xFFFFFFFD, 0x100000002), max_size=8),
    st.data(),
)
@settings(max_examples=200, deadline=None)
def test_lengths_add_up_at_any_size(sizes: list[int], data: st.DataObject) -> None:
    plan = ZipPlan(Member(f"f{number}", size, number) for number, size in enumerate(sizes))
    start = data.draw(st.integers(0, plan.length), "start")
    stop = data.draw(st.integers(start, plan.length), "stop")
    pieces = list(plan.segments(start, stop))
    lengths = [piece.length if isinstance(piece, FileRange) else len(piece) for piece in pieces]
    assert sum(lengths) == stop - start
    assert 0 not in lengths
    with zipfile.ZipFile(Imagined(plan)) as opened:
        assert [info.file_size for info in opened.infolist()] == sizes
        assert [info.CRC for info in opened.infolist()] == list(range(len(sizes)))


@pytest.mark.parametrize("extract", EXTRACTORS.values(), ids=list(EXTRACTORS))
def test_every_unzipper_writes_the_same_files(extract: Callable[[Path, Path], object], tmp_path: Path) -> None:
    plan = planned(SAMPLE, MANIFESTS)
    archive = written(plan, tmp_path / "sample.zip", dict(enumerate(SAMPLE.values())))
    folder = tmp_path / "out"
    folder.mkdir()
    extract(archive, folder)
    assert files_below(folder) == SAMPLE | MANIFESTS


@pytest.mark.parametrize("checker", [("unzip", "-tq"), ("7z", "t"), ("bsdtar", "-tf"), ("jar", "tf")])
def test_every_checker_finds_the_archive_sound(checker: tuple[str, str], tmp_path: Path) -> None:
    plan = planned(SAMPLE, MANIFESTS)
    archive = written(plan, tmp_path / "sample.zip", dict(enumerate(SAMPLE.values())))
    said = ask(*checker, archive).lower()
    assert "warning" not in said
    assert "error" not in said.replace("no errors", "")


def test_a_wrong_byte_is_found_by_the_checkers(tmp_path: Path) -> None:
    wrong = dict(enumerate(SAMPLE.values())) | {2: b"SIMPLE  =                    F"}
    archive = written(planned(SAMPLE), tmp_path / "wrong.zip", wrong)
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() == list(SAMPLE)[2]
    with pytest.raises(AssertionError, match="CRC"):
        ask("unzip", "-tq", archive)


def test_headers_say_stored_utf8_0644_and_no_data_descriptor() -> None:
    with zipfile.ZipFile(io.BytesIO(read(planned(SAMPLE), SAMPLE))) as opened:
        for info in opened.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.flag_bits == 1 << 11
            assert info.external_attr >> 16 == 0o100644
            assert info.create_system == 3
            assert info.extract_version == 20
            assert info.extra == b""
            assert info.date_time == (1980, 1, 1, 0, 0, 0)


def test_an_empty_archive_is_one_to_every_reader(tmp_path: Path) -> None:
    plan = ZipPlan([])
    archive = written(plan, tmp_path / "empty.zip", {})
    assert plan.length == archive.stat().st_size == 22
    assert list(plan.members_within(0, 22)) == []
    with zipfile.ZipFile(archive) as opened:
        assert opened.namelist() == []
    assert "Everything is Ok" in ask("7z", "t", archive)
    assert ask("bsdtar", "-tf", archive) == ""


def test_100_000_members_take_at_most_20_mb_and_sending_them_takes_no_more() -> None:
    tracemalloc.start()
    try:
        plan = ZipPlan(many(100_000))
        planned_bytes, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        assert sum(isinstance(piece, bytes) for piece in plan.segments()) > 60_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert planned_bytes < 20_000_000
    assert peak - planned_bytes < 1_000_000


def test_neighbouring_headers_and_directory_records_come_in_large_pieces() -> None:
    plan = ZipPlan(Member(f"empty/{number}", 0, 0) for number in range(10_000))
    pieces = list(plan.segments())
    assert all(isinstance(piece, bytes) and len(piece) < 70_000 for piece in pieces)
    assert len(pieces) < plan.length // 50_000


def test_a_range_deep_inside_touches_only_what_it_needs() -> None:
    plan = ZipPlan(Member(f"{number}.fits", 1000, 0) for number in range(1000))
    start, stop = plan.member_span(777)
    pieces = list(plan.segments(start, stop))
    assert pieces[1:] == [FileRange(777, 0, 1000)]
    assert isinstance(pieces[0], bytes)
    assert pieces[0].endswith(b"777.fits")


BASE = [Member("a/1.fits", 10, 1), Member("a/2.fits", 20, 2)]


@pytest.mark.parametrize(
    "other",
    [
        ZipPlan([Member("a/3.fits", 10, 1), BASE[1]]),
        ZipPlan([Member("a/1.fits", 11, 1), BASE[1]]),
        ZipPlan([Member("a/1.fits", 10, 3), BASE[1]]),
        ZipPlan(BASE[::-1]),
        ZipPlan(BASE[:1]),
        ZipPlan(BASE, [Inline("m", b"")]),
        ZipPlan(BASE, mtime=datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_etag_changes_with_any_path_size_crc_order_or_time(other: ZipPlan) -> None:
    assert other.etag != ZipPlan(BASE).etag


def test_the_etag_tells_inline_bytes_apart_even_with_the_same_crc() -> None:
    # Two different strings with one CRC-32.
    one, two = b"plumless", b"buckeroo"
    assert zlib.crc32(one) == zlib.crc32(two)
    assert ZipPlan(BASE, [Inline("m", one)]).etag != ZipPlan(BASE, [Inline("m", two)]).etag


def test_the_same_plan_gives_the_same_bytes_and_a_strong_etag() -> None:
    assert list(planned(SAMPLE).segments()) == list(planned(SAMPLE).segments())
    etag = planned(SAMPLE).etag
    assert etag == planned(SAMPLE).etag
    assert etag[0] == etag[-1] == '"'
    assert not etag.startswith("W/")


def test_a_time_is_written_as_utc() -> None:
    moment = datetime(2026, 6, 26, 18, 50, 31, tzinfo=timezone(timedelta(hours=2)))
    plan = ZipPlan([Member("a", 0, 0)], mtime=moment)
    with zipfile.ZipFile(Imagined(plan)) as opened:
        assert opened.infolist()[0].date_time == (2026, 6, 26, 16, 50, 30)


@pytest.mark.parametrize(
    ("moment", "words"),
    [(datetime(1979, 12, 31, tzinfo=UTC), "1980 to 2107"), (datetime(2026, 1, 1), "time zone")],  # noqa: DTZ001
)
def test_a_time_that_a_zip_cannot_hold_is_refused(moment: datetime, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ZipPlan([], mtime=moment)


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "..", "../x", "a/../b", "a/..", "a//b", "a/", "./a", "a/.", "a\\b", "a\0b", "C:x", "c:/x"],
)
def test_an_unsafe_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a safe relative path"):
        ZipPlan([Member(path, 0, 0)])


@pytest.mark.parametrize(
    ("members", "tail"),
    [
        ([Member("a", 1, 1), Member("b", 1, 1), Member("a", 2, 2)], []),
        ([Member("a", 1, 1)], [Inline("a", b"")]),
        ([], [Inline("a", b""), Inline("a", b"")]),
    ],
)
def test_a_path_given_twice_is_refused(members: Sequence[Member], tail: Sequence[Inline]) -> None:
    with pytest.raises(ValueError, match="a: this path is in the archive already"):
        ZipPlan(members, tail)


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (Member("a", -1, 0), "size -1"),
        (Member("a", 1 << 63, 0), "size 9223372036854775808"),
        (Member("a", 0, -1), "crc32 -1"),
        (Member("a", 0, 1 << 32), "crc32 4294967296"),
        (Member("é" * 40_000, 0, 0), "80000 bytes of name"),
        (Member("\ud800", 0, 0), "surrogates"),
    ],
)
def test_a_member_that_a_zip_cannot_hold_is_refused(member: Member, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ZipPlan([member])


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 4), (0, 23), (23, 23)])
def test_a_range_outside_the_archive_is_refused_before_the_first_byte(start: int, stop: int) -> None:
    with pytest.raises(ValueError, match="not inside an archive of 22 bytes"):
        ZipPlan([]).segments(start, stop)


@pytest.mark.parametrize("index", [-1, 2])
def test_the_span_of_a_member_that_is_not_there_is_refused(index: int) -> None:
    with pytest.raises(IndexError, match="an archive of 2"):
        ZipPlan(BASE).member_span(index)
