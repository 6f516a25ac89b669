"""Names that climb out, hide, collide or kill a device never reach a delivery; ordinary ones arrive unchanged."""

import csv
import random
import unicodedata
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.paths import UniquePaths, component, delivery_path, split_extension, unique_paths
from retrieval.zipplan import Member, ZipPlan
from tests.tools import EXTRACTORS, files_below
from tests.virtual_archives import written

DEVICES = {
    "CON",
    "PRN",
    "AUX",
    "NUL",
    "CONIN$",
    "CONOUT$",
    *(f"{port}{n}" for port in ("COM", "LPT") for n in range(10)),
}
HOSTILE_PIECES = [
    *(
        '/\\<>:"|?*. \0\n\r\t\x1b\x7f\x85\u202e\u2066\u200b\ufeff\u2028\ud800\uffff\uff0f\uff3c\u2215',
        "..",
        "../",
        "..\\",
    ),
    *(
        "C:",
        "\\\\?\\",
        "~",
        "$HOME",
        "`id`",
        "%2e%2e",
        "-rf",
        "é",
        "e\u0301",
        "星",
        "🔭",
        "ß",
        "İ",
        "ſ",
        "K",
        "a",
        "A",
        "x" * 90,
    ),
    *("CON", "nul", "Com1", "LPT9", "COM¹", "aux.", ".fits", ".tar.gz", "MANIFEST.HTML", ";v=1+2", "&amp;", "'"),
]
HOSTILE = st.lists(st.sampled_from(HOSTILE_PIECES) | st.characters(), max_size=8).map("".join)
FOLDINGS: list[Callable[[str], str]] = [
    str,
    lambda path: unicodedata.normalize("NFC", path).lower(),
    lambda path: unicodedata.normalize("NFD", path).upper(),
    lambda path: unicodedata.normalize("NFC", path.casefold()),
    lambda path: unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold()),
]
LETTERS = ["a", "A", "b", "ß", "s", "K", "k", "\u212a", "é", "e", "\u0301", ".", "1"]
NUMBERED = ["a (2)", "a (2).b", "A (3)", "a.fits", "A.FITS", "a (2).fits"]
PARTS = st.text(st.sampled_from(LETTERS), min_size=1, max_size=3).filter(lambda name: name.strip("."))
COLLIDING = st.lists(
    st.lists(PARTS | st.sampled_from(NUMBERED), min_size=1, max_size=3).map("/".join), max_size=30
)


def assert_all_apart(paths: Sequence[str]) -> None:
    """No two are one file, and no file is another's folder, however the file system folds names."""
    for fold in FOLDINGS:
        files = {fold(path) for path in paths}
        folders = {fold(str(above)) for path in paths for above in PurePosixPath(path).parents}
        assert len(files) == len(paths)
        assert not files & folders


@pytest.mark.parametrize(
    "name",
    [
        "jw02731-o001_t017_nircam_clear-f090w_i2d.fits",
        "hst_12345_01_acs_wfc_f606w+f814w_drc.fits",
        "tess-s0001;camera=1,ccd=2.fits.gz",
        "two words (v1) [x] {y} #1 @2 ~3 !4 $5 %6 ^7 &8 'q' `r`.csv",
        ".hidden",
        "no_extension",
        "Größe_Δελτα_星雲_حلقة_🔭.txt",
        "a.b.c",
        "console.log",
        "com10.fits",
        "nul_bias.fits",
        "x" * 250 + ".fits",
        "é" * 127,
    ],
)
def test_an_ordinary_name_arrives_byte_for_byte(name: str) -> None:
    assert component(name) == name
    assert delivery_path("JWST", name, name) == f"JWST/{name}/{name}"


@pytest.mark.parametrize(
    "table",
    [
        "jwst/jw05224_nirspec_msa_products_full.csv",
        "jwst/nircam_L3_i2d_mrp_products_part1.csv",
        "jwst/jwst_real_file_sizes.csv",
        "seed/seed_basket_407.csv",
    ],
)
def test_every_recorded_product_lands_where_mast_puts_it(table: str, shared: Path) -> None:
    with (shared / "data" / table).open(newline="") as file:
        # A few rows of the list of sizes have no obs_id.
        named = [row for row in csv.DictReader(file) if row["obs_id"]]
    rows = [(row["obs_collection"], row["obs_id"], row["productFilename"]) for row in named]
    assert rows
    assert [delivery_path(*row) for row in rows] == ["/".join(row) for row in rows]
    distinct = sorted({"/".join(row) for row in rows})
    assert unique_paths(distinct) == distinct


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("", "_"),
        (".", "_"),
        ("..", "__"),
        ("…", "_"),
        ("．．", "__"),
        ("   ", "___"),
        ("/etc/passwd", "_etc_passwd"),
        ("../../x.fits", ".._.._x.fits"),
        ("..\\x", ".._x"),
        ("C:\\x.fits", "C__x.fits"),
        ("\\\\server\\share", "__server_share"),
        ("a\0b", "a_b"),
        ("a\nb\rc\td\x1be\x7ff\x85g", "a_b_c_d_e_f_g"),
        ('<>:"|?*', "_______"),
        ("photo\u202egpj.exe", "photo_gpj.exe"),
        ("a\u200b\u2066\ufeff\u2028b", "a____b"),
        ("\ud800.fits", "_.fits"),
        ("a\uffff\ufdd0b", "a__b"),
        ("a／b＼c", "a_b_c"),
        ("CON", "_CON"),
        ("con.fits", "_con.fits"),
        ("Nul.tar.gz", "_Nul.tar.gz"),
        ("COM1", "_COM1"),
        ("lpt9.txt", "_lpt9.txt"),
        ("COM¹.txt", "_COM¹.txt"),
        ("aux .fits", "_aux .fits"),
        ("CON.", "CON_"),
        ("name.", "name_"),
        ("name;", "name_"),
        ("name.fits;12", "name.fits_12"),
        ("name. . ", "name____"),
        ("name.fits ", "name.fits_"),
        ("e\u0301.fits", "é.fits"),
        ("\u212b.fits", "Å.fits"),
    ],
)
def test_a_hostile_name_becomes_a_safe_one(name: str, safe: str) -> None:
    assert component(name) == safe


def test_a_long_name_keeps_its_beginning_and_its_extension() -> None:
    safe = component("星" * 200 + ".fits.gz")
    assert safe.startswith("星" * 70)
    assert safe.endswith(".fits.gz")
    assert 250 <= len(safe.encode()) <= 255


def test_two_long_names_that_differ_at_the_end_stay_apart() -> None:
    one, two = component("x" * 300 + "1.fits"), component("x" * 300 + "2.fits")
    assert one != two
    assert one.casefold() != two.casefold()


@given(HOSTILE)
@settings(max_examples=2000, deadline=None)
def test_a_safe_name_is_safe_everywhere(name: str) -> None:
    safe = component(name)
    assert 1 <= len(safe.encode()) <= 255
    assert unicodedata.is_normalized("NFC", safe)
    assert not set(safe) & set('/\\<>:"|?*')
    assert not {unicodedata.category(one) for one in safe} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert safe.strip(". ") != ""
    assert safe[-1] not in ". "
    assert safe.partition(".")[0].rstrip(" ").upper() not in DEVICES
    assert component(safe) == safe


@given(HOSTILE, HOSTILE, HOSTILE)
@settings(max_examples=500, deadline=None)
def test_a_delivery_path_has_three_parts_on_every_system(mission: str, obs_id: str, name: str) -> None:
    path = delivery_path(mission, obs_id, name)
    for pure in (PurePosixPath(path), PureWindowsPath(path)):
        assert len(pure.parts) == 3
        assert not pure.anchor
        assert ".." not in pure.parts
    assert path == delivery_path(mission, obs_id, name)


@given(COLLIDING)
@settings(max_examples=1000, deadline=None)
def test_paths_end_up_apart_however_names_are_folded(paths: list[str]) -> None:
    unique = unique_paths(paths)
    assert len(unique) == len(paths)
    assert_all_apart(unique)
    assert unique_paths(unique) == unique
    assert unique_paths(paths[:1]) == paths[:1]


@given(st.lists(st.tuples(HOSTILE, HOSTILE, HOSTILE), max_size=20))
@settings(max_examples=300, deadline=None)
def test_hostile_names_end_up_apart_and_short(names: list[tuple[str, str, str]]) -> None:
    unique = unique_paths(delivery_path(*name) for name in [*names, *names])
    assert_all_apart(unique)
    assert all(component(part) == part for path in unique for part in path.split("/"))
    ZipPlan(Member(path, 0, 0) for path in unique)


@given(st.lists(st.text(st.sampled_from("abc."), min_size=1, max_size=4), unique=True, max_size=30))
@settings(max_examples=200, deadline=None)
def test_paths_that_do_not_collide_stay_as_they_are(names: list[str]) -> None:
    paths = [f"JWST/obs/{name}" for name in names]
    assert unique_paths(paths) == paths


@pytest.mark.parametrize(
    ("paths", "unique"),
    [
        (["a/x.fits", "a/x.fits", "a/X.FITS"], ["a/x.fits", "a/x (2).fits", "a/X (3).FITS"]),
        (["a/x.fits.gz", "a/x.fits.gz"], ["a/x.fits.gz", "a/x (2).fits.gz"]),
        (["a/x", "a/x (2)", "a/x"], ["a/x", "a/x (2)", "a/x (3)"]),
        (["a/x", "a/x", "a/x (2)"], ["a/x", "a/x (2)", "a/x (2) (2)"]),
        (["JWST/o/x", "jwst/O/X"], ["JWST/o/x", "jwst/O/X (2)"]),
        (["JWST/o/x", "jwst/O/y"], ["JWST/o/x", "jwst/O/y"]),
        (["é", "e\u0301"], ["é", "e\u0301 (2)"]),
        (["straße", "STRASSE"], ["straße", "STRASSE (2)"]),
        (["ı", "I", "i"], ["ı", "I (2)", "i (3)"]),
        (["a/b", "a/b/c", "a/b/d"], ["a/b", "a/b (2)/c", "a/b (2)/d"]),
        (["a/b/c", "a/b"], ["a/b/c", "a/b (2)"]),
        (["a", "a (2)/x", "a/x"], ["a", "a (2)/x", "a (3)/x"]),
        ([".hidden", ".hidden"], [".hidden", ".hidden (2)"]),
    ],
)
def test_the_later_of_two_colliding_paths_is_numbered(paths: list[str], unique: list[str]) -> None:
    assert unique_paths(paths) == unique


def test_reserved_files_keep_their_names() -> None:
    unique = UniquePaths(["MANIFEST.HTML", "SHA256SUMS"])
    assert unique.add("manifest.html") == "manifest (2).html"
    assert unique.add("SHA256SUMS/obs/file") == "SHA256SUMS (2)/obs/file"


def test_a_numbered_copy_of_a_long_name_is_not_too_long() -> None:
    name = "é" * 125 + ".fits"
    first, second = unique_paths([f"a/{name}", f"a/{name}"])
    assert first == f"a/{name}"
    assert second.endswith("é (2).fits")
    assert len(second.removeprefix("a/").encode()) <= 255


def test_a_hundred_thousand_copies_of_one_name_and_of_one_stem_take_linear_time() -> None:
    stem = "x" * 240
    copies = ["a/same.fits"] * 100_000
    family = [f"a/{stem}{number:06d}.fits" for number in range(50_000)]
    unique = unique_paths([*copies, *family, *family])
    assert len(set(unique)) == 200_000
    assert unique[99_999] == "a/same (100000).fits"
    assert max(len(path) for path in unique) <= 257


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.fits", ("a", ".fits")),
        ("a.fits.gz", ("a", ".fits.gz")),
        ("a.b.c", ("a.b", ".c")),
        (".fits", (".fits", "")),
        (".x.gz", (".x", ".gz")),
        ("plain", ("plain", "")),
        ("a.not an extension", ("a.not an extension", "")),
        ("a.星", ("a.星", "")),
    ],
)
def test_an_extension_is_what_programs_go_by(name: str, parts: tuple[str, str]) -> None:
    assert split_extension(name) == parts


@pytest.mark.parametrize("extract", EXTRACTORS.values(), ids=list(EXTRACTORS))
def test_a_zip_of_hostile_names_unpacks_to_exactly_its_files_inside_its_folder(
    extract: Callable[[Path, Path], object], tmp_path: Path
) -> None:
    chance = random.Random(20260626)
    names = [
        ["".join(chance.choices(HOSTILE_PIECES, k=chance.randint(0, 5))) for _ in range(3)] for _ in range(1000)
    ]
    paths = unique_paths(delivery_path(*name) for name in names)
    contents = {path: path.encode() for path in paths}
    members = [Member(path, len(data), zlib.crc32(data)) for path, data in contents.items()]
    archive = written(ZipPlan(members), tmp_path / "hostile.zip", dict(enumerate(contents.values())))
    folder = tmp_path / "deep" / "inside" / "out"
    folder.mkdir(parents=True)
    extract(archive, folder)
    assert files_below(folder) == contents
    outside = [path for path in files_below(tmp_path) if not path.startswith("deep/inside/out/")]
    assert outside == ["hostile.zip"]


@given(COLLIDING, st.integers(0, 30))
@settings(max_examples=500, deadline=None)
def test_whoever_goes_on_after_a_crash_keeps_paths_apart(paths: list[str], done: int) -> None:
    """The paths that were given out before are all that is known of them."""
    before = unique_paths(paths[:done])
    another = UniquePaths()
    assert [another.add(path) for path in before] == before
    assert_all_apart([*before, *(another.add(path) for path in paths[done:])])
