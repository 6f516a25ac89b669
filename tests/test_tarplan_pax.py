"""The virtual tar past what ustar holds: long and foreign paths, and sizes from 8 GiB on, read by every untarrer."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from retrieval.tarplan import TarPlan
from retrieval.virtual import FileRange, Inline, Member
from tests.tars import EXTRACTORS, LISTERS, infos, planned, said
from tests.tools import ask, files_below
from tests.virtual_archives import Imagined, written

GIB = 1 << 30

extractors = pytest.mark.parametrize("extract", EXTRACTORS.values(), ids=list(EXTRACTORS))
listers = pytest.mark.parametrize("lister", LISTERS, ids=lambda lister: lister[0])


def blocks(plan: TarPlan) -> int:
    """How many blocks of 512 bytes precede the data of the first member."""
    return infos(plan)[0].offset_data // 512


def nested(length: int) -> str:
    """A path of so many bytes, in folders of 51, so that 155 bytes are three folders and their slashes."""
    return ("d" * 51 + "/") * ((length - 1) // 52) + "f" * ((length - 1) % 52 + 1)


PATHS = [
    *("n" * length for length in (1, 99, 100)),
    *(nested(length) for length in (99, 100, 101, 155, 156, 255, 256)),
    f"{'p' * 155}/{'n' * 100}",
    f"{'p' * 100}/{'n' * 100}",
]
PAX_PATHS = [
    *("n" * length for length in (101, 255)),
    *(nested(length) for length in (257, 300, 1000)),
    f"{'p' * 156}/{'n' * 99}",
    f"{'p' * 20}/{'n' * 101}",
    "é",
    f"{'é' * 50}/{'星' * 85}",
]


@pytest.mark.parametrize("path", PATHS, ids=len)
def test_a_path_that_fits_ustar_needs_no_pax_header(path: str) -> None:
    assert blocks(TarPlan([Member(path, 3, 0)])) == 1


@pytest.mark.parametrize("path", PAX_PATHS, ids=len)
def test_a_path_that_does_not_fit_ustar_stands_in_a_pax_header(path: str) -> None:
    plan = TarPlan([Member(path, 3, 0)])
    [info] = infos(plan)
    assert info.pax_headers == {"path": path}
    assert blocks(plan) == 2 + -(-(len(path.encode()) + 10) // 512)


@extractors
def test_paths_of_every_length_arrive(extract: Callable[[Path, Path], object], tmp_path: Path) -> None:
    files = {path: str(len(path)).encode() for path in [*PATHS, *PAX_PATHS]}
    archive = written(planned(files), tmp_path / "paths.tar", dict(enumerate(files.values())))
    folder = tmp_path / "out"
    folder.mkdir()
    extract(archive, folder)
    assert files_below(folder) == files


def test_pax_records_count_their_own_digits() -> None:
    paths = ["é" + "a" * length for length in [*range(70, 110), *range(970, 1010), *range(9970, 10010)]]
    plan = TarPlan(Member(path, 0, 0) for path in paths)
    assert [info.name for info in infos(plan)] == paths


@listers
def test_listers_read_pax_records_of_every_length(lister: tuple[str, str], tmp_path: Path) -> None:
    paths = ["p" * length for length in [*range(101, 130), *range(970, 1010)]]
    archive = written(TarPlan(Member(path, 0, 0) for path in paths), tmp_path / "pax.tar", {})
    assert said(*lister, archive).splitlines() == paths


@pytest.mark.parametrize("size", [8 * GIB - 1, 8 * GIB, 8 * GIB + 1, 1 << 44])
def test_pax_sizes_appear_exactly_where_eleven_octal_digits_end(size: int) -> None:
    plan = TarPlan([Member("a", size, 1), Member("b", 3, 2)])
    first, second = infos(plan)
    assert (first.name, first.size, second.name, second.size) == ("a", size, "b", 3)
    assert first.pax_headers == ({"size": str(size)} if size >= 8 * GIB else {})
    assert second.offset == plan.member_span(1)[0]
    assert blocks(plan) == (3 if size >= 8 * GIB else 1)


@pytest.mark.parametrize("size", [8 * GIB - 1, 8 * GIB + 5])
@listers
def test_untarrers_find_what_lies_behind_8_gib(lister: tuple[str, str], size: int, tmp_path: Path) -> None:
    plan = TarPlan([Member("big/ä.fits", size, 1), Member("small.txt", 5, 2)], [Inline("MANIFEST.json", b"{}")])
    archive = written(plan, tmp_path / "big.tar", {1: b"small"})
    assert len(said(*lister, archive).splitlines()) == 3
    assert str(size) in said(lister[0], "-tvf", archive)
    assert ask(lister[0], "-xOf", archive, "small.txt", "MANIFEST.json") == "small{}"


def test_a_terabyte_is_planned_and_its_end_is_read() -> None:
    plan = TarPlan(
        [*(Member(f"TESS/{number}.fits", 10**9, number) for number in range(1000))],
        [Inline("MANIFEST.json", b'{"complete": true}')],
    )
    with tarfile.open(fileobj=Imagined(plan), mode="r:") as archive:
        reader = archive.extractfile("MANIFEST.json")
        assert reader
        assert reader.read() == b'{"complete": true}'
        data = archive.getmember("TESS/500.fits").offset_data
    assert list(plan.segments(data + 123_456_789, data + 123_456_799)) == [FileRange(500, 123_456_789, 10)]
