"""The virtual zip past what 16 and 32 bits hold: counts, sizes and offsets, read by every unzipper."""

import zipfile
import zlib
from pathlib import Path

import pytest

from retrieval.zipplan import FileRange, Inline, Member, ZipPlan
from tests.tools import ask
from tests.virtual_archives import Imagined, written
from tests.zips import zeros_crc32

GIB = 1 << 30


@pytest.mark.parametrize("count", [65_534, 65_535, 65_536, 70_000])
def test_more_members_than_16_bits_can_count(count: int, tmp_path: Path) -> None:
    plan = ZipPlan(Member(f"o{number // 1000}/{number}", 0, 0) for number in range(count))
    archive = written(plan, tmp_path / "many.zip", {})
    with zipfile.ZipFile(archive) as opened:
        assert len(opened.namelist()) == count
        assert opened.namelist()[-1] == f"o{(count - 1) // 1000}/{count - 1}"
    has_zip64 = b"PK\6\6" in archive.read_bytes()
    assert has_zip64 == (count >= 65_535)


@pytest.mark.parametrize(
    "command", [("unzip", "-Z1"), ("7z", "l", "-ba", "-slt"), ("bsdtar", "-tf"), ("jar", "tf")], ids=str
)
@pytest.mark.parametrize("count", [65_535, 65_536])
def test_unzippers_list_more_members_than_16_bits_can_count(
    command: tuple[str, ...], count: int, tmp_path: Path
) -> None:
    plan = ZipPlan(Member(f"o{number // 1000}/{number}", 0, 0) for number in range(count))
    archive = written(plan, tmp_path / "many.zip", {})
    lines = ask(*command, archive).splitlines()
    names = [line.removeprefix("Path = ") for line in lines if line.removeprefix("Path = ").startswith("o")]
    assert names == [f"o{number // 1000}/{number}" for number in range(count)]


@pytest.fixture(scope="module")
def over_4_gib(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A member over 4 GiB, and small ones that begin behind 4 GiB; a hole on disk."""
    big = Member("JWST/big/big.fits", 4 * GIB + 5, zeros_crc32(4 * GIB + 5))
    small = Member("JWST/small/small.txt", 5, zlib.crc32(b"small"))
    plan = ZipPlan([big, small], [Inline("MANIFEST.json", b"{}")])
    return written(plan, tmp_path_factory.mktemp("big") / "big.zip", {1: b"small"})


@pytest.fixture(scope="module")
def far_offsets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No member over 4 GiB, but one that begins behind 4 GiB: zip64 for the offset alone."""
    crc = zeros_crc32(3 * GIB // 2)
    wide = [Member(f"TESS/wide/{number}.fits", 3 * GIB // 2, crc) for number in range(3)]
    small = Member("JWST/small/small.txt", 5, zlib.crc32(b"small"))
    plan = ZipPlan([*wide, small], [Inline("MANIFEST.json", b"{}")])
    return written(plan, tmp_path_factory.mktemp("far") / "far.zip", {3: b"small"})


READERS = {
    "unzip": ("unzip", "-p"),
    "7z": ("7z", "e", "-so"),
    "bsdtar": ("bsdtar", "-xOf"),
}


@pytest.mark.parametrize("archive", ["over_4_gib", "far_offsets"])
@pytest.mark.parametrize("reader", READERS.values(), ids=list(READERS))
def test_a_small_file_behind_4_gib_is_read(
    reader: tuple[str, ...], archive: str, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(archive)
    assert ask(*reader, path, "JWST/small/small.txt") == "small"
    assert ask(*reader, path, "MANIFEST.json") == "{}"


@pytest.mark.parametrize("archive", ["over_4_gib", "far_offsets"])
def test_python_sees_the_sizes_and_offsets_behind_4_gib(archive: str, request: pytest.FixtureRequest) -> None:
    with zipfile.ZipFile(request.getfixturevalue(archive)) as opened:
        assert opened.read("JWST/small/small.txt") == b"small"
        small = opened.getinfo("JWST/small/small.txt")
        first = opened.infolist()[0]
    assert small.header_offset > 4 * GIB
    assert small.extract_version == 45
    assert first.extract_version == (45 if first.file_size > 4 * GIB else 20)


@pytest.mark.parametrize(
    "command", [("7z", "t"), ("jar", "tf"), ("bsdtar", "-tvf"), ("unzip", "-l")], ids=lambda command: command[0]
)
def test_a_member_over_4_gib_is_sound(command: tuple[str, ...], over_4_gib: Path) -> None:
    said = ask(*command, over_4_gib)
    assert "warning" not in said.lower()
    assert "small.txt" in said or "Everything is Ok" in said
    assert str(4 * GIB + 5) in said or command[0] == "jar" or "Everything is Ok" in said


@pytest.mark.parametrize("command", [("jar", "t"), ("bsdtar", "-tf", "-")], ids=lambda command: command[0])
def test_a_member_over_4_gib_passes_through_a_pipe(command: tuple[str, ...], over_4_gib: Path) -> None:
    names = ["JWST/big/big.fits", "JWST/small/small.txt", "MANIFEST.json"]
    assert ask(*command, stdin=over_4_gib).splitlines() == names


@pytest.mark.parametrize("size", [0xFFFFFFFE, 0xFFFFFFFF, 0x100000000])
def test_zip64_appears_exactly_where_32_bits_end(size: int) -> None:
    plan = ZipPlan([Member("a", size, 1), Member("b", 3, 2)])
    with zipfile.ZipFile(Imagined(plan)) as opened:
        first, second = opened.infolist()
    assert (first.file_size, first.compress_size) == (size, size)
    assert first.extract_version == (45 if size >= 0xFFFFFFFF else 20)
    assert second.header_offset == plan.member_span(1)[0] > 0xFFFFFFFF
    local = b"".join(piece for piece in plan.segments(0, 64) if isinstance(piece, bytes))
    assert (local[18:26] == b"\xff" * 8) == (size >= 0xFFFFFFFF)
    assert local[28:30] == (b"\x14\0" if size >= 0xFFFFFFFF else b"\0\0")


def test_a_terabyte_is_planned_and_its_end_is_read() -> None:
    plan = ZipPlan(
        [*(Member(f"TESS/{number}.fits", 10**9, number) for number in range(1000))],
        [Inline("MANIFEST.json", b'{"complete": true}')],
    )
    with zipfile.ZipFile(Imagined(plan)) as opened:
        assert opened.read("MANIFEST.json") == b'{"complete": true}'
        assert sum(info.file_size for info in opened.infolist()) == 10**12 + 18
        data = opened.getinfo("TESS/500.fits").header_offset + 30 + len("TESS/500.fits")
    assert list(plan.segments(data + 123_456_789, data + 123_456_799)) == [FileRange(500, 123_456_789, 10)]
