"""Reading ranges of files, and noticing when they are not what was promised."""

import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.fetching import UNKNOWN, Reader, Sources, Unfit, batches
from retrieval.zipplan import FileRange, Segment

RANGES = st.builds(FileRange, st.integers(0, 3), st.integers(0, 5), st.integers(1, 50))


def sources_of(folder: Path, *contents: bytes) -> Sources:
    sources = Sources()
    for number, data in enumerate(contents):
        path = folder / f"{number}.fits"
        path.write_bytes(data)
        sources.add(str(path), len(data), path.stat().st_mtime_ns, zlib.crc32(data))
    return sources


def touch(path: Path) -> None:
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1))


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def size_of(segments: Sequence[Segment]) -> int:
    return sum(part.length if isinstance(part, FileRange) else len(part) for part in segments)


@given(st.lists(RANGES | st.binary(min_size=1, max_size=30), max_size=20), st.integers(1, 40))
def test_batches_hold_every_byte_in_order(segments: list[Segment], size: int) -> None:
    flat: list[tuple[int, int] | int] = []
    for part in segments:
        flat += (
            [(part.index, part.offset + byte) for byte in range(part.length)]
            if isinstance(part, FileRange)
            else list(part)
        )
    again: list[tuple[int, int] | int] = []
    packed = list(batches(segments, size))
    for batch in packed:
        for part in batch:
            again += (
                [(part.index, part.offset + byte) for byte in range(part.length)]
                if isinstance(part, FileRange)
                else list(part)
            )
    assert again == flat
    assert all(size_of(batch) >= size for batch in packed[:-1])
    assert all(size_of(batch) < size + 30 for batch in packed)


def test_a_reader_gives_headers_and_files_as_one_piece(tmp_path: Path) -> None:
    reader = Reader(sources_of(tmp_path, b"first file", b"second"))
    assert reader.read([b"<", FileRange(0, 0, 10), b"|", FileRange(1, 2, 3), b">"]) == b"<first file|con>"
    reader.close()


def test_a_reader_keeps_no_file_open_that_it_has_read(tmp_path: Path) -> None:
    reader = Reader(sources_of(tmp_path, b"first file"))
    before = open_files()
    reader.read([FileRange(0, 0, 4)])
    assert open_files() == before + 1
    reader.read([FileRange(0, 4, 6)])
    assert open_files() == before
    reader.read([FileRange(0, 0, 4)])
    reader.close()
    assert open_files() == before


def test_a_closed_reader_reads_no_more(tmp_path: Path) -> None:
    reader = Reader(sources_of(tmp_path, b"first file"))
    reader.close()
    with pytest.raises(ValueError, match="closed"):
        reader.read([FileRange(0, 0, 4)])


def test_a_file_that_shrank_while_it_is_read_is_named(tmp_path: Path) -> None:
    reader = Reader(sources_of(tmp_path, b"fine", b"x" * 1000))
    assert reader.read([FileRange(1, 0, 500)]) == b"x" * 500
    (tmp_path / "1.fits").write_bytes(b"x" * 600)
    with pytest.raises(Unfit, match="600 bytes in the archive instead of 1,000") as caught:
        reader.read([FileRange(1, 500, 500)])
    assert caught.value.index == 1
    reader.close()


def test_a_file_that_was_written_again_while_it_is_read_is_named(tmp_path: Path) -> None:
    reader = Reader(sources_of(tmp_path, b"x" * 1000))
    reader.read([FileRange(0, 0, 500)])
    touch(tmp_path / "0.fits")
    with pytest.raises(Unfit, match="written again"):
        reader.read([FileRange(0, 500, 500)])
    reader.close()


def test_bytes_that_are_not_those_that_were_measured_are_not_given_out(tmp_path: Path) -> None:
    sources = sources_of(tmp_path, b"x" * 1000)
    path = tmp_path / "0.fits"
    when = path.stat()
    path.write_bytes(b"x" * 999 + b"y")
    os.utime(path, ns=(when.st_atime_ns, when.st_mtime_ns))
    reader = Reader(sources)
    assert reader.read([FileRange(0, 0, 500)])
    with pytest.raises(Unfit, match="CRC-32"):
        reader.read([FileRange(0, 500, 500)])
    assert reader.read([FileRange(0, 1, 999)]) == b"x" * 998 + b"y"
    reader.close()


def test_a_file_without_a_known_checksum_is_given_out(tmp_path: Path) -> None:
    sources = sources_of(tmp_path, b"data")
    sources.crcs[0] = UNKNOWN
    reader = Reader(sources)
    assert reader.read([FileRange(0, 0, 4)]) == b"data"
    reader.close()


@pytest.mark.parametrize("spoil", ["gone", "folder", "longer", "touched"])
def test_every_unfit_file_is_found_before_the_first_byte(tmp_path: Path, spoil: str) -> None:
    sources = sources_of(tmp_path, b"fine", b"spoilt", b"fine")
    path = tmp_path / "1.fits"
    if spoil == "touched":
        touch(path)
    elif spoil == "longer":
        path.write_bytes(b"spoilt, and longer")
    else:
        path.unlink()
    if spoil == "folder":
        path.mkdir()
    found = list(sources.unfit())
    assert [one.index for one in found] == [1]
    assert found[0].reason.endswith(".")
