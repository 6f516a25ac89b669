"""Tables that are refused: nothing of them is loaded, and everything wrong is told with its line."""

import gzip
from pathlib import Path
from typing import Any

import astropy.table
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.ingest import TableRefused, load_tables
from portal.models import Observation, Product
from tests.mast_tables import (
    Row,
    catalogue,
    load_products,
    observation,
    own,
    product,
    refusal,
    refused_observation,
    refused_product,
    write,
)

pytestmark = pytest.mark.django_db

# astropy's tables carry no types
Table: Any = astropy.table.Table

SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)

BAD_PRODUCTS: list[tuple[str, object, str]] = [
    ("obsID", "", "is blank"),
    ("obsID", "2.54E+08", "exponent form"),
    ("obsID", "10 1", "is not an identifier"),
    ("obsID", "1" * 33, "at most 32"),
    ("parent_obsid", "a/b", "is not an identifier"),
    ("obs_collection", "", "is blank"),
    ("obs_collection", "..", "climbs out"),
    ("obs_collection", "/JWST", "absolute path"),
    ("obs_collection", "a" * 65, "at most 64"),
    ("obs_id", "a/../../b", "climbs out"),
    ("obs_id", "a//b", "climbs out"),
    ("obs_id", "C:evil", "absolute path"),
    ("obs_id", "a\\b", "backslash"),
    ("obs_id", "a\u202eb", "cannot be seen"),
    ("productFilename", "", "is blank"),
    ("productFilename", "a/b.fits", "slash"),
    ("productFilename", "/etc/passwd", "absolute path"),
    ("productFilename", "..\\b.fits", "backslash"),
    ("productFilename", "..", "climbs out"),
    ("productFilename", "a\x00b.fits", "cannot be seen"),
    ("productFilename", "a\nb.fits", "cannot be seen"),
    ("productFilename", "a\x1b[2Jb.fits", "cannot be seen"),
    ("productFilename", "a\u200bb.fits", "cannot be seen"),
    ("productFilename", "é" * 128, "255 bytes"),
    ("dataURI", "", "is blank"),
    ("dataURI", "jw01_nis_cal.fits", "is not a URI"),
    ("dataURI", "mast:", "is not a URI"),
    ("dataURI", "mast:JWST/a b.fits", "is not a URI"),
    ("dataURI", "mast:JWST/../../x", "climbs out"),
    ("dataURI", "javascript:alert(1)", "scheme"),
    ("dataURI", "file:/etc/passwd", "scheme"),
    ("dataURI", "mast:" + "x" * 1020, "at most 1,024"),
    ("productType", "", "is blank"),
    ("productType", "SCIENTIFIC", "is not known"),
    ("type", "X", "is not known"),
    ("dataproduct_type", "picture", "is not known"),
    ("dataRights", "SECRET", "is not known"),
    ("calib_level", "5", "calibration level"),
    ("calib_level", "two", "is not a number"),
    ("size", "big", "is not a number"),
    ("size", "-1", "is negative"),
    ("size", "1.5", "has a fraction"),
    ("size", "1.21E+09", "exponent form"),
    ("size", "1_000", "is not a number"),
    ("size", "inf", "is not a number"),
    ("size", str(2**63), "larger than any file"),
    ("description", "a\x07b", "control characters"),
    ("description", "a" * 1025, "at most 1,024"),
    ("prvversion", "1" * 33, "at most 32"),
]

BAD_OBSERVATIONS: list[tuple[str, object, str]] = [
    ("obsid", "", "is blank"),
    ("obs_collection", "", "is blank"),
    ("obs_id", "", "is blank"),
    ("obs_id", "../x", "climbs out"),
    ("s_ra", "361", "out of range"),
    ("s_ra", "-0.1", "out of range"),
    ("s_dec", "-90.5", "out of range"),
    ("s_ra", "nan", "finite"),
    ("s_dec", "inf", "finite"),
    ("s_ra", "18h53m", "is not a number"),
    ("s_dec", "", "is blank beside s_ra"),
    ("s_ra", "", "is blank beside s_dec"),
    ("s_region", "POLYGON 1 2 3", "cannot be read"),
    ("s_region", "a place", "cannot be read"),
    ("t_min", "9e9", "out of range"),
    ("t_min", "inf", "finite"),
    ("t_obs_release", "2024-01-01", "is not a number"),
    ("t_exptime", "-1", "out of range"),
    ("calib_level", "-2", "calibration level"),
    ("mtFlag", "maybe", "neither true nor false"),
    ("dataRights", "PROPRIETARY", "is not known"),
    ("target_name", "M57\u202e", "control characters"),
]


@pytest.mark.parametrize(("column", "value", "reason"), BAD_PRODUCTS)
def test_a_bad_product_row_is_told_with_line_column_and_reason(
    tmp_path: Path, column: str, value: object, reason: str
) -> None:
    [problem] = refused_product(tmp_path, own(), product() | {column: value}, own("b.fits"))
    assert problem.startswith(f"products.csv, line 3, {column}")
    assert reason in problem
    assert problem.isprintable()
    assert not Product.objects.exists()


@pytest.mark.parametrize(("column", "value", "reason"), BAD_OBSERVATIONS)
def test_a_bad_observation_row_is_told_with_line_column_and_reason(
    tmp_path: Path, column: str, value: object, reason: str
) -> None:
    [problem] = refused_observation(tmp_path, observation("901"), observation() | {column: value})
    assert problem.startswith(f"observations.csv, line 3, {column}")
    assert reason in problem
    assert not Observation.objects.exists()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("size", 99),
        ("productFilename", "other.fits"),
        ("productType", "AUXILIARY"),
        ("productSubGroupDescription", ""),
        ("dataRights", "RESTRICTED"),
        ("description", "something else"),
        ("project", "HLA"),
        ("proposal_id", "2"),
    ],
)
def test_rows_that_contradict_each_other_on_a_file_are_told(tmp_path: Path, column: str, value: object) -> None:
    [problem] = refused_product(tmp_path, product(), own(), product(obsID="102") | {column: value})
    assert problem.startswith(f"products.csv, line 4, {column}")
    assert "contradicts “" in problem or "contradicts line 2" in problem
    assert "mast:JWST/product/jw01_nis_cal.fits" in problem


@pytest.mark.parametrize(
    ("column", "value"),
    [("obs_id", "x"), ("type", "D"), ("calib_level", 3), ("filters", "F090W"), ("prvversion", "2")],
)
def test_rows_that_contradict_each_other_on_a_listing_are_told(tmp_path: Path, column: str, value: object) -> None:
    [problem] = refused_product(tmp_path, product(), product() | {column: value})
    assert problem.startswith(f"products.csv, line 3, {column}")
    assert "line 2" in problem


def test_two_sizes_are_a_contradiction_even_when_the_first_row_knows_none(tmp_path: Path) -> None:
    [problem] = refused_product(tmp_path, product(size=""), product(obsID="102"), product(obsID="103", size=77))
    assert problem.startswith("products.csv, line 4, size “77”: contradicts line 3, which has “2880”")


def test_an_observation_that_is_told_twice_differently_is_refused(tmp_path: Path) -> None:
    [problem] = refused_observation(tmp_path, observation(), observation("901"), observation(target_name="M16"))
    assert problem.startswith("observations.csv, line 4, target_name “M16”: contradicts line 2")
    [problem] = refused_observation(tmp_path, observation(objID=1), observation(objID=1, filters="F090W"))
    assert problem.startswith("observations.csv, line 3, filters")


def test_identical_rows_are_no_contradiction(tmp_path: Path) -> None:
    load_products(tmp_path, product(), product(), product(obs_collection="HLA"))
    load_tables(observations=write(tmp_path / "o.csv", [observation(), observation()]))
    assert (Product.objects.count(), Observation.objects.count()) == (1, 1)


def test_what_contradicts_the_catalogue_is_an_update(tmp_path: Path) -> None:
    load_products(tmp_path, product())
    load_products(tmp_path, product(size=99, productType="INFO"))
    assert Product.objects.values_list("size", "productType").get() == (99, "INFO")


def test_every_problem_is_told_and_in_the_order_of_the_lines(tmp_path: Path) -> None:
    problems = refused_product(
        tmp_path, product(size="x", productType="y"), own(), product("b.fits", dataRights="z")
    )
    assert [line.split(",")[1:3] for line in (problem.split(" “")[0] for problem in problems)] == [
        [" line 2", " productType"],
        [" line 2", " size"],
        [" line 4", " dataRights"],
    ]


def test_at_most_twenty_problems_are_listed_and_the_rest_counted(tmp_path: Path) -> None:
    problems = refused_product(tmp_path, *[product(f"{n}.fits", size="x") for n in range(1025)])
    assert len(problems) == 21
    assert problems[0].startswith("products.csv, line 2, size")
    assert problems[19].startswith("products.csv, line 21, size")
    assert problems[20] == "… and 1,005 more"


def test_a_bad_table_leaves_the_other_unloaded_too(tmp_path: Path) -> None:
    tables = {
        "observations": write(tmp_path / "o.csv", [observation()]),
        "products": write(tmp_path / "p.csv", [product(size="x")]),
    }
    assert [line.split(",")[0] for line in refusal(**tables)] == ["p.csv"]
    assert not Observation.objects.exists()


def test_the_problems_of_both_tables_are_told(tmp_path: Path) -> None:
    tables = {
        "observations": write(tmp_path / "o.csv", [observation(s_ra=999)]),
        "products": write(tmp_path / "p.csv", [product(size="x")]),
    }
    assert [line.split(",")[0] for line in refusal(**tables)] == ["o.csv", "p.csv"]


def test_missing_columns_are_named(tmp_path: Path) -> None:
    columns = [name for name in product() if name not in {"size", "dataURI"}]
    [problem] = refusal(products=write(tmp_path / "p.csv", [product()], columns))
    assert problem.startswith("p.csv: the columns dataURI, size are missing. The table has: obsID, obs_collection")


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", [product()])
    path.write_text(path.read_text().replace("filters\n", "size\n"))
    [problem] = refusal(products=path)
    assert "size: there are 2 columns of this name" in problem


@pytest.mark.parametrize("option", ["observations", "products"])
@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("jwst_real_file_sizes.csv", {"observations": "obsid", "products": "obsID, dataURI, productType"}),
        (
            "portal_jwst_instrument_keyword_export_nircam.csv",
            {"observations": "obs_collection, obsid", "products": "obsID, obs_collection, productType"},
        ),
        (
            "mastmissions_jwst_M4_sample.ecsv",
            {
                "observations": "obs_collection, obs_id, obsid",
                "products": "obsID, obs_collection, obs_id, dataURI",
            },
        ),
    ],
)
def test_other_real_tables_are_refused_with_what_they_lack(
    shared: Path, option: str, name: str, missing: dict[str, str]
) -> None:
    [problem] = refusal(**{option: shared / "data" / "jwst" / name})
    assert missing[option] in problem
    assert "missing" in problem


def test_a_table_of_products_is_no_table_of_observations(tmp_path: Path, shared: Path) -> None:
    for path in (write(tmp_path / "p.csv", [product()]), *(shared / "data").glob("jwst/*products*.csv")):
        [problem] = refusal(observations=path)
        assert "Give it with --products" in problem


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    header = ",".join(product())
    row = {name: f'"{value}"' for name, value in product(description="two\nlines").items()}
    good, bad = ",".join(row.values()), ",".join({**row, "size": "x"}.values())
    text = f"\ufeff#first comment\n\n#@string,int\n{header}\r\n{good}\r\n\n{good}\n{bad}\n{bad}"
    path = tmp_path / "p.csv"
    path.write_bytes(text.encode())
    assert [line.split(",")[1] for line in refusal(products=path)] == [" line 10", " line 12"]


def test_a_comment_below_the_header_is_no_row_but_a_row_is_never_a_comment(tmp_path: Path) -> None:
    rows = [observation(), observation("901")]
    columns = ["target_name", *[name for name in observation() if name != "target_name"]]
    path = write(tmp_path / "o.csv", [rows[0], rows[1] | {"target_name": "#12"}], columns)
    path.write_text(path.read_text() + "# the end\n")
    load_tables(observations=path)
    assert set(Observation.objects.values_list("target_name", flat=True)) == {"M57", "#12"}


def test_a_row_that_is_too_short_or_too_long_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", [product(), own()])
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[1] + ",,", lines[1] + ",more", "900,JWST"]))
    assert refusal(products=path) == [
        "p.csv, line 5: the row has 21 cells, the header names 20 columns.",
        "p.csv, line 6: the row has 2 cells, the header names 20 columns.",
    ]


def test_a_text_that_cannot_be_read_to_its_end_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", [product(), own()])
    path.write_text(path.read_text() + '"900,JWST,never closed\n')
    assert "cannot be read on" in refusal(products=path)[0]
    packed = tmp_path / "p.csv.gz"
    text = write(tmp_path / "long.csv", [product(f"{n}.fits") for n in range(3000)]).read_bytes()
    packed.write_bytes(gzip.compress(text)[:-2000])
    assert "cannot be read on" in refusal(products=packed)[0]


def test_bytes_that_are_not_utf_8_are_told_with_their_cell(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", [own(), product(description="Gal?xie")])
    path.write_bytes(path.read_bytes().replace(b"?", b"\xe4"))
    [problem] = refusal(products=path)
    assert problem.startswith("p.csv, line 3, description “Gal\\udce4xie”")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b'[{"obsid": 1}]', "is JSON"),
        (b"obsID\n900\n", "missing"),
        (b"SIMPLE  =                    T", "astropy cannot read it"),
        (b"<?xml version='1.0'?><VOTABLE><RES", "astropy cannot read it"),
        (b"\x00\x01\x02\x03", "missing"),
        (b"\x89HDF\r\n\x1a\n", "astropy cannot read it"),
        ("obsID,size".encode("utf-16"), "is UTF-16"),
        (b"# %ECSV 1.0\n# ---\n# nonsense: [\n", "missing"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes(content)
    [problem] = refusal(products=path)
    assert problem.startswith("p.csv: ")
    assert reason in problem


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    [problem] = refusal(products=tmp_path / "none.csv")
    assert problem == "none.csv: it cannot be read: No such file or directory."


@pytest.mark.parametrize("form", ["fits", "votable"])
def test_a_bad_row_of_a_binary_table_is_told_with_its_number(tmp_path: Path, form: str) -> None:
    rows = [own(), product(productType="y")]
    path = tmp_path / f"p.{form}"
    Table(rows=rows, names=list(rows[0]), dtype=[int if name == "size" else str for name in rows[0]]).write(
        path, format=form
    )
    [problem] = refusal(products=path)
    assert problem.startswith(f"p.{form}, row 2, productType “y”")


def test_a_bad_row_of_an_ecsv_table_is_told_with_its_line(tmp_path: Path) -> None:
    rows = [own(), product(description="two\nlines"), product("b.fits", productType="y")]
    path = tmp_path / "p.ecsv"
    Table(rows=rows, names=list(rows[0]), dtype=[int if name == "size" else str for name in rows[0]]).write(path)
    lines = path.read_text().splitlines()
    expected = next(n for n, line in enumerate(lines, 1) if " y " in line)
    [problem] = refusal(products=path)
    assert problem.startswith(f"p.ecsv, line {expected}, productType “y”")


def test_a_cell_that_is_not_of_its_ecsv_column_is_told_with_its_line(tmp_path: Path) -> None:
    rows = [own(), product()]
    path = tmp_path / "p.ecsv"
    Table(rows=rows, names=list(rows[0]), dtype=[int if name == "size" else str for name in rows[0]]).write(path)
    path.write_text(path.read_text().replace(" 2880 900 PUBLIC 2 ", " 28x80 900 PUBLIC 2 "))
    [problem] = refusal(products=path)
    assert "size “28x80”: is not a number" in problem
    assert f"line {len(path.read_text().splitlines())}," in problem


@SLOW
@given(data=st.data())
def test_a_hostile_table_is_loaded_whole_or_not_at_all(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever stands in the cells: no other error, nothing half done, and no name that leaves the archive."""
    hostile = st.text(st.characters(exclude_categories=[]), max_size=12) | st.sampled_from(
        [
            "..",
            "../x",
            "/x",
            "a\\b",
            "-1",
            "1e400",
            "nan",
            "'; DROP TABLE x; --",
            "\\.",
            "\\N",
            "\u202e",
            "1.0",
            "%s",
        ]
    )
    columns = data.draw(st.lists(st.sampled_from(list(product())), min_size=1, max_size=3))
    rows: list[Row] = [own()]
    for number in range(data.draw(st.integers(1, 3))):
        row = product(f"{number}.fits")
        rows.append(row | {column: data.draw(hostile) for column in columns})
    path = tmp_path / "p.csv"
    path.write_bytes(_text(rows).encode("utf-8", "surrogatepass"))
    before = catalogue()
    try:
        load_tables(products=path)
    except TableRefused:
        unchanged = catalogue() == before
        assert unchanged
        return
    for product_row in Product.objects.all():
        parts = [
            *product_row.obs_collection.split("/"),
            *product_row.obs_id.split("/"),
            product_row.productFilename,
        ]
        assert all(part.strip(".") and part.isprintable() and "\\" not in part for part in parts)
        assert "/" not in product_row.productFilename


def _text(rows: list[Row]) -> str:
    def quoted(value: object) -> str:
        return '"' + str(value).replace('"', '""') + '"'

    return "\n".join([",".join(rows[0]), *[",".join(map(quoted, row.values())) for row in rows]])
