"""The same table in every format gives the same catalogue."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.io.fits
import astropy.table
import numpy as np
import pytest
from astropy import units

from portal.ingest import Report, TableRefused, load_tables
from portal.models import Membership, Observation, Product, Program
from tests.mast_tables import Row, catalogue, observation, own, product, refusal, write

pytestmark = pytest.mark.django_db

# astropy's tables carry no types
Table: Any = astropy.table.Table
MaskedColumn: Any = astropy.table.MaskedColumn
fits: Any = astropy.io.fits

PRODUCTS = [
    product(description='two, with a "quote" and a comma', productGroupDescription="Minimum Recommended Products"),
    product(obsID="102", obs_id="jw01_nrs1", prvversion="1.10", proposal_id="00625"),
    own(size=3_000_000_000, description="  spaces  "),
    own("unknown.csv", size="", calib_level="", productType="INFO"),
]
PRODUCTS[1] |= {"dataURI": "mast:JWST/product/b.fits", "productFilename": "b.fits"}
OBSERVATIONS = [
    observation(t_exptime=12.5, em_min=600.0, em_max=5300.0, mtFlag=True, objID=165643579),
    observation("901", s_region="", s_ra="", s_dec="", t_min="", dataRights="", calib_level=-1, mtFlag=False),
    observation(
        "902", obs_title="A title, with a comma", sequence_number=12, t_obs_release=60964.55531238, mtFlag=True
    ),
]
WHOLE = {"size", "calib_level", "sequence_number"}
REAL = {"s_ra", "s_dec", "t_min", "t_max", "t_exptime", "em_min", "em_max", "t_obs_release", "srcDen"}
IDS = {"obsid", "obsID", "parent_obsid", "objID"}


def typed(rows: list[Row]) -> Any:
    """A masked table with the types that MAST's own tables have; identifiers are numbers."""
    table = Table(masked=True)
    for name in rows[0]:
        values = [row[name] for row in rows]
        blank = [value == "" for value in values]
        kind = int if name in WHOLE | IDS else float if name in REAL else bool if name == "mtFlag" else str
        table[name] = MaskedColumn(
            [kind() if b else kind(v) for v, b in zip(values, blank, strict=True)], mask=blank
        )
    return table


def load(folder: Path, make: Callable[[Any, Path], Path]) -> object:
    """The catalogue after loading both tables, written by `make`; it is emptied again."""
    observations = make(typed(OBSERVATIONS), folder / "observations")
    load_tables(observations=observations, products=make(typed(PRODUCTS), folder / "products"))
    found = catalogue(keys=False)
    for model in (Observation, Product, Program):
        model._default_manager.all().delete()
    return found


def written(ending: str, **options: Any) -> Callable[[Any, Path], Path]:
    def make(table: Any, path: Path) -> Path:
        named = path.with_name(path.name + ending)
        table.write(named, **options)
        return named

    return make


def packed(ending: str, pack: Callable[[bytes], bytes], **options: Any) -> Callable[[Any, Path], Path]:
    def make(table: Any, path: Path) -> Path:
        plain = written(".plain", **options)(table, path)
        named = path.with_name(path.name + ending)
        named.write_bytes(pack(plain.read_bytes()))
        return named

    return make


FORMATS = {
    "csv": written(".csv"),
    "upper case": written(".CSV", format="ascii.csv"),
    "no ending": written("", format="ascii.csv"),
    "wrong ending": written(".fits", format="ascii.csv"),
    "ecsv": written(".ecsv"),
    "ecsv with commas": written(".ecsv", delimiter=","),
    "ecsv with masks": written(".ecsv", serialize_method="data_mask"),
    "ecsv named csv": written(".csv", format="ascii.ecsv"),
    "votable": written(".xml", format="votable"),
    "binary votable": written(".vot", format="votable", tabledata_format="binary2"),
    "fits": written(".fits"),
    "fits with a wrong ending": written(".dat", format="fits"),
    "tabs": written(".tsv", format="ascii.tab"),
    "semicolons": written(".txt", format="ascii.csv", delimiter=";"),
    "bars": written(".txt", format="ascii.csv", delimiter="|"),
    "spaces": written(".txt", format="ascii.basic"),
    "two-line fixed width": written(".txt", format="ascii.fixed_width_two_line"),
    "ipac": written(".tbl", format="ascii.ipac", DBMS=False),
    "csv.gz": packed(".csv.gz", gzip.compress, format="ascii.csv"),
    "csv.bz2": packed(".csv.bz2", bz2.compress, format="ascii.csv"),
    "csv.xz": packed(".csv.xz", lzma.compress, format="ascii.csv"),
    "ecsv.gz": packed(".ecsv.gz", gzip.compress, format="ascii.ecsv"),
    "fits.gz": packed(".fits.gz", gzip.compress, format="fits"),
    "votable.gz": packed(".xml.gz", gzip.compress, format="votable"),
}


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_gives_the_same_catalogue(tmp_path: Path, form: str) -> None:
    def as_csv(table: Any, path: Path) -> Path:
        del table
        rows = OBSERVATIONS if path.name == "observations" else PRODUCTS
        return write(path.with_name(path.name + "-plain.csv"), rows)

    assert load(tmp_path, FORMATS[form]) == load(tmp_path, as_csv)


def test_the_portals_export_loads_with_its_comments_and_byte_order_mark(tmp_path: Path) -> None:
    path = write(tmp_path / "export.csv", [product(), own()])
    padding = "," * (len(product()) - 1)
    notes = f'#The following lines beginning with # are comments.{padding}\n"#labels, in quotes"\n#@string,int\n'
    path.write_text("\ufeff" + notes + path.read_text() + padding + "\n")
    report = load_tables(products=path)
    assert (report.rows, Product.objects.count()) == (2, 2)


def test_columns_may_stand_in_any_order_and_differ_in_case(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", [product()], list(reversed(product())))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0].upper(), *lines[1:]]))
    report = load_tables(products=path)
    assert (report.ignored, Membership.objects.get().obsID) == ({}, "101")


def test_other_columns_are_ignored_and_told(tmp_path: Path) -> None:
    report = load_tables(products=write(tmp_path / "p.csv", [product() | {"queried_filter": "F200W", "": "x"}]))
    assert report.ignored == {"p.csv": ["queried_filter"]}
    assert "p.csv: columns ignored: queried_filter" in report.summary()


def test_columns_of_bytes_are_texts(tmp_path: Path) -> None:
    table = Table(rows=[product()], names=list(product()), dtype=["S64"] * len(product()))
    table.write(tmp_path / "p.votable", format="votable")
    load_tables(products=tmp_path / "p.votable")
    assert Product.objects.get().productFilename == "jw01_nis_cal.fits"


def test_floats_that_are_not_numbers_are_masked_in_fits_and_votable(tmp_path: Path) -> None:
    table = Table(rows=[observation("901", t_exptime=float("nan"))])
    for name, form in (("o.fits", "fits"), ("o.vot", "votable")):
        table.write(tmp_path / name, format=form)
        load_tables(observations=tmp_path / name)
        assert Observation.objects.get().t_exptime is None


def test_sizes_may_come_as_floats(tmp_path: Path) -> None:
    table = Table(rows=[product(), own()])
    table["size"] = np.array([2880.0, 3e9])
    table.write(tmp_path / "p.fits")
    load_tables(products=tmp_path / "p.fits")
    assert set(Product.objects.values_list("size", flat=True)) == {2880, 3_000_000_000}


def test_other_units_are_converted(tmp_path: Path) -> None:
    table = Table(rows=[observation(em_min=0.6, em_max=5.3)])
    for name in ("em_min", "em_max"):
        table[name].unit = units.um
    table["s_ra"].unit = units.deg
    table.write(tmp_path / "o.ecsv")
    load_tables(observations=tmp_path / "o.ecsv")
    found = Observation.objects.get()
    assert [found.em_min, found.em_max, found.s_ra] == pytest.approx([600, 5300, 283.396])


def test_units_that_cannot_be_converted_are_refused(tmp_path: Path) -> None:
    table = Table(rows=[observation()])
    table["s_ra"].unit = units.m
    table.write(tmp_path / "o.ecsv")
    [problem] = refusal(observations=tmp_path / "o.ecsv")
    assert problem == "o.ecsv: s_ra is in m, which cannot be turned into deg. Write it in deg."


def test_columns_of_arrays_are_refused(tmp_path: Path) -> None:
    table = Table(rows=[product(), own()])
    table["size"] = np.array([[1, 2], [3, 4]])
    table.write(tmp_path / "p.fits")
    [problem] = refusal(products=tmp_path / "p.fits")
    assert "size holds" in problem


def test_cells_that_hold_arrays_are_refused(tmp_path: Path) -> None:
    table = Table(rows=[product(), own()])
    table["filters"] = np.array([[1, 2], [3]], dtype=object)
    table.write(tmp_path / "p.ecsv")
    [problem] = refusal(products=tmp_path / "p.ecsv")
    assert problem == "p.ecsv: filters holds arrays. Write one number or text in each cell."


def test_a_fits_file_that_lost_its_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.fits"
    Table(rows=[product(f"{n}.fits") for n in range(200)]).write(path)
    path.write_bytes(path.read_bytes()[:-20_000])
    [problem] = refusal(products=path)
    assert problem.startswith("p.fits: ")


def test_the_first_table_of_a_fits_file_counts(tmp_path: Path) -> None:
    tables = [fits.table_to_hdu(Table(rows=[row])) for row in (product(), own())]
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(tmp_path / "p.fits")
    load_tables(products=tmp_path / "p.fits")
    assert Product.objects.get().productFilename == "jw01_nis_cal.fits"


def test_the_real_rows_are_the_same_through_every_format(shared: Path, tmp_path: Path) -> None:
    source = shared / "data" / "jwst" / "jw05224_nirspec_msa_products_full.csv"
    table = Table.read(source, format="ascii.csv")
    reports: list[Report] = []
    for ending, form in ((".ecsv", "ascii.ecsv"), (".xml", "votable"), (".fits", "fits")):
        table.write(tmp_path / f"real{ending}", format=form)
        reports.append(load_tables(products=tmp_path / f"real{ending}"))
    again = load_tables(products=source)
    assert [report.files_added for report in reports] == [323, 0, 0]
    assert again.files_updated + again.lists_changed + sum(r.lists_changed for r in reports[1:]) == 0


def test_a_refusal_says_how_many_and_keeps_the_first(tmp_path: Path) -> None:
    with pytest.raises(TableRefused) as refused:
        load_tables(products=write(tmp_path / "p.csv", [product(f"{n}.fits", size="x") for n in range(30)]))
    assert (refused.value.count, len(refused.value.problems)) == (30, 20)
    assert (refused.value.problems[0].place, refused.value.problems[0].column) == (2, "size")
