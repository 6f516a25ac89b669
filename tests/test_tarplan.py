"""The virtual tar: any range of it equals the slice, and every untarrer agrees with what we meant."""

import io
import tarfile
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.tarplan import TarPlan
from retrieval.virtual import FileRange, Inline, Member
from tests.tars import EXTRACTORS, LISTERS, infos, planned, said
from tests.tools import files_below
from tests.virtual_archives import read, written

GIB = 1 << 30
SAMPLE = {
    "JWST/jw02731-o001_t017_nircam_clear-f090w/jw02731_i2d.fits": bytes(range(256)) * 300,
    "JWST/jw02731-o001_t017_nircam_clear-f090w/empty.txt": b"",
    "HST/icde01010/icde01010;v=2+drz (1).fits": b"SIMPLE  =                    T",
    "HLSP/Größe_Δ_星_🔭/Ångström.csv": b"a,b\n1,2\n",
    f"HLSP/{'long' * 60}/{'file' * 60}.fits": b"x" * 512,
}
MANIFESTS = {"MANIFEST.HTML": b"<!DOCTYPE html>", "SHA256SUMS": b""}
NAMES = st.text(st.sampled_from("abcXYZ019 ._+;=-é星🔭"), min_size=1, max_size=90).map(lambda name: f"n{name}n")
CONTENTS = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=4).map("/".join), st.binary(max_size=1100), max_size=8
)


def many(count: int) -> Iterator[Member]:
    for number in range(count):
        observation = f"jw05224004001_02101_{number // 10:05d}_nrs2"
        yield Member(f"JWST/{observation}/{observation}_gs-acq1_{number:07d}_cal.fits", number % 3, number)


def opened(plan: TarPlan, files: Mapping[str, bytes]) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(read(plan, files)))


extractors = pytest.mark.parametrize("extract", EXTRACTORS.values(), ids=list(EXTRACTORS))
listers = pytest.mark.parametrize("lister", LISTERS, ids=lambda lister: lister[0])


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
    with opened(plan, files) as archive:
        members = archive.getmembers()
        found = [reader.read() for reader in map(archive.extractfile, members) if reader]
    assert [info.name for info in members] == [*files, *(f"{path}.tail" for path in files)]
    assert found == [*files.values(), *files.values()]
    spans = [plan.member_span(index) for index in range(len(plan))]
    assert spans == [(info.offset, info.offset_data + info.size) for info in members]


@given(CONTENTS, st.data())
@settings(max_examples=200, deadline=None)
def test_members_within_a_range_are_those_whose_span_lies_in_it(
    files: dict[str, bytes], data: st.DataObject
) -> None:
    plan = planned(files, MANIFESTS)
    spans = [plan.member_span(index) for index in range(len(plan))]
    places = st.integers(0, plan.length) | st.sampled_from([edge for span in spans for edge in span])
    start, stop = sorted([data.draw(places), data.draw(places)])
    inside = [index for index, (low, high) in enumerate(spans) if start <= low and high <= stop]
    assert list(plan.members_within(start, stop)) == inside


@given(st.lists(st.integers(0, 1 << 40) | st.integers(8 * GIB - 600, 8 * GIB + 600), max_size=8), st.data())
@settings(max_examples=200, deadline=None)
def test_lengths_add_up_at_any_size(sizes: list[int], data: st.DataObject) -> None:
    plan = TarPlan(Member(f"f{number}", size, number) for number, size in enumerate(sizes))
    start = data.draw(st.integers(0, plan.length), "start")
    stop = data.draw(st.integers(start, plan.length), "stop")
    pieces = list(plan.segments(start, stop))
    lengths = [piece.length if isinstance(piece, FileRange) else len(piece) for piece in pieces]
    assert sum(lengths) == stop - start
    assert 0 not in lengths
    assert [info.size for info in infos(plan)] == sizes


@extractors
def test_every_untarrer_writes_the_same_files(extract: Callable[[Path, Path], object], tmp_path: Path) -> None:
    archive = written(planned(SAMPLE, MANIFESTS), tmp_path / "sample.tar", dict(enumerate(SAMPLE.values())))
    folder = tmp_path / "out"
    folder.mkdir()
    extract(archive, folder)
    assert files_below(folder) == SAMPLE | MANIFESTS


@listers
def test_every_untarrer_lists_without_a_warning(lister: tuple[str, str], tmp_path: Path) -> None:
    files = {path: data for path, data in SAMPLE.items() if path.isascii()}
    archive = written(planned(files, MANIFESTS), tmp_path / "sample.tar", dict(enumerate(files.values())))
    assert said(*lister, archive).splitlines() == [*files, *MANIFESTS]
    assert said(*lister, "-", stdin=archive).splitlines() == [*files, *MANIFESTS]


def test_gnu_tar_says_mode_owner_size_and_time(tmp_path: Path) -> None:
    moment = datetime(2026, 6, 26, 18, 50, 31, tzinfo=UTC)
    archive = written(TarPlan([Member("a/b.fits", 1234, 0)], mtime=moment), tmp_path / "one.tar", {})
    told = said("tar", "-tvf", archive, "--numeric-owner", "--utc", "--full-time")
    assert told.split() == ["-rw-r--r--", "0/0", "1234", "2026-06-26", "18:50:31", "a/b.fits"]


def test_headers_say_regular_file_0644_of_user_and_group_0() -> None:
    for info in infos(planned(SAMPLE, MANIFESTS)):
        assert info.isreg()
        assert info.type == tarfile.REGTYPE
        assert (info.mode, info.uid, info.gid, info.uname, info.gname) == (0o644, 0, 0, "", "")
        assert info.mtime == datetime(1980, 1, 1, tzinfo=UTC).timestamp()


def test_a_header_is_the_one_python_writes() -> None:
    info = tarfile.TarInfo("JWST/jw02731/jw02731_i2d.fits")
    info.size, info.mtime = 123_456_789, 315_532_800
    ours = next(TarPlan([Member(info.name, info.size, 0)]).segments(0, 512))
    theirs = info.tobuf(tarfile.USTAR_FORMAT)
    assert isinstance(ours, bytes)
    # The checksums differ: we write device numbers, which some versions of Python leave out.
    assert ours[:148] == theirs[:148]
    assert ours[156:329] == theirs[156:329]


def test_the_archive_ends_with_two_blocks_of_zeros_and_no_more() -> None:
    whole = read(planned(SAMPLE), SAMPLE)
    assert len(whole) % 512 == 0
    assert whole[-1024:] == bytes(1024)
    with opened(planned(SAMPLE), SAMPLE) as archive:
        last = archive.getmembers()[-1]
    assert last.offset_data + last.size + 1024 == len(whole)


def test_an_empty_archive_is_one_to_every_reader(tmp_path: Path) -> None:
    plan = TarPlan([])
    archive = written(plan, tmp_path / "empty.tar", {})
    assert plan.length == archive.stat().st_size == 1024
    assert list(plan.members_within(0, 1024)) == []
    assert infos(plan) == []
    assert [said(*lister, archive) for lister in LISTERS] == ["", ""]


def test_100_000_members_take_at_most_20_mb_and_sending_them_takes_no_more() -> None:
    tracemalloc.start()
    try:
        plan = TarPlan(many(100_000))
        planned_bytes, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        assert sum(isinstance(piece, bytes) for piece in plan.segments()) > 60_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert planned_bytes < 20_000_000
    assert peak - planned_bytes < 1_000_000


def test_neighbouring_headers_come_in_large_pieces() -> None:
    plan = TarPlan(Member(f"empty/{number}", 0, 0) for number in range(10_000))
    pieces = list(plan.segments())
    assert all(isinstance(piece, bytes) and len(piece) < 70_000 for piece in pieces)
    assert len(pieces) < plan.length // 50_000


def test_padding_and_the_next_header_come_in_one_piece() -> None:
    plan = TarPlan(Member(f"{number}.fits", 1000, 0) for number in range(10))
    lengths = [piece.length if isinstance(piece, FileRange) else len(piece) for piece in plan.segments()]
    assert lengths == [512, 1000, *[536, 1000] * 9, 24 + 1024]


def test_a_range_deep_inside_touches_only_what_it_needs() -> None:
    plan = TarPlan(Member(f"{number}.fits", 1000, 0) for number in range(1000))
    start, stop = plan.member_span(777)
    pieces = list(plan.segments(start, stop))
    assert pieces[1:] == [FileRange(777, 0, 1000)]
    assert isinstance(pieces[0], bytes)
    assert pieces[0].startswith(b"777.fits\0")


BASE = [Member("a/1.fits", 10, 1), Member("a/2.fits", 20, 2)]


@pytest.mark.parametrize(
    "other",
    [
        TarPlan([Member("a/3.fits", 10, 1), BASE[1]]),
        TarPlan([Member("a/1.fits", 11, 1), BASE[1]]),
        TarPlan([Member("a/1.fits", 10, 3), BASE[1]]),
        TarPlan(BASE[::-1]),
        TarPlan(BASE[:1]),
        TarPlan(BASE, [Inline("m", b"")]),
        TarPlan(BASE, mtime=datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_etag_changes_with_any_path_size_crc_order_or_time(other: TarPlan) -> None:
    assert other.etag != TarPlan(BASE).etag


def test_the_etag_tells_inline_bytes_apart_even_with_the_same_crc() -> None:
    # Two different strings with one CRC-32.
    one, two = b"plumless", b"buckeroo"
    assert zlib.crc32(one) == zlib.crc32(two)
    assert TarPlan(BASE, [Inline("m", one)]).etag != TarPlan(BASE, [Inline("m", two)]).etag


def test_the_same_plan_gives_the_same_bytes_and_a_strong_etag() -> None:
    assert list(planned(SAMPLE).segments()) == list(planned(SAMPLE).segments())
    etag = planned(SAMPLE).etag
    assert etag == planned(SAMPLE).etag
    assert etag[0] == etag[-1] == '"'
    assert not etag.startswith("W/")


def test_a_time_is_written_as_utc_in_whole_seconds() -> None:
    moment = datetime(2026, 6, 26, 18, 50, 31, 999_999, tzinfo=timezone(timedelta(hours=2)))
    [info] = infos(TarPlan([Member("a", 0, 0)], mtime=moment))
    assert datetime.fromtimestamp(info.mtime, UTC) == datetime(2026, 6, 26, 16, 50, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC), "1970 to 2242"),
        (datetime(2243, 1, 1, tzinfo=UTC), "1970 to 2242"),
        (datetime(2026, 1, 1), "time zone"),  # noqa: DTZ001
    ],
)
def test_a_time_that_a_tar_cannot_hold_is_refused(moment: datetime, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TarPlan([], mtime=moment)


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "..", "../x", "a/../b", "a/..", "a//b", "a/", "./a", "a/.", "a\\b", "a\0b", "C:x", "c:/x"],
)
def test_an_unsafe_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a safe relative path"):
        TarPlan([Member(path, 0, 0)])


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
        TarPlan(members, tail)


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
def test_a_member_that_an_archive_cannot_hold_is_refused(member: Member, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TarPlan([member])


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 4), (0, 1025), (1025, 1025)])
def test_a_range_outside_the_archive_is_refused_before_the_first_byte(start: int, stop: int) -> None:
    with pytest.raises(ValueError, match="not inside an archive of 1024 bytes"):
        TarPlan([]).segments(start, stop)


@pytest.mark.parametrize("index", [-1, 2])
def test_the_span_of_a_member_that_is_not_there_is_refused(index: int) -> None:
    with pytest.raises(IndexError, match="an archive of 2"):
        TarPlan(BASE).member_span(index)
