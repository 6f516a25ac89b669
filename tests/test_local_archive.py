"""The archive whose catalogue is our own, asked as every archive is."""

from dataclasses import asdict
from pathlib import Path

import pytest

from portal.archives import archive
from portal.archives.base import OBSERVATION_COLUMNS, PRODUCT_COLUMNS, Criteria, StoredBytes
from portal.archives.local import CHUNK, LocalArchive, measure, remember
from portal.ingest import load_tables
from portal.models import Product, StoredFile
from tests.mast_tables import load_observations, load_products, observation, own, product, version, write

pytestmark = pytest.mark.django_db

LOCAL = LocalArchive()


def obsids(**criteria: object) -> list[str]:
    return [found.obsid for found in LOCAL.observations(Criteria(**criteria))]  # type: ignore[arg-type]  # any column


def test_it_is_the_archive_called_local() -> None:
    assert isinstance(archive("local"), LocalArchive)


def test_an_observation_comes_back_as_it_was_loaded(tmp_path: Path) -> None:
    row = observation(mtFlag=True, em_min=600.0, objID="77", obs_title="A title")
    load_observations(tmp_path, row)
    [found] = LOCAL.observations(Criteria())
    blanks = dict.fromkeys(("t_max", "t_exptime", "em_max", "sequence_number", "srcDen"))
    assert asdict(found) == row | blanks
    assert tuple(asdict(found)) == OBSERVATION_COLUMNS


def test_product_rows_come_back_as_they_were_loaded(tmp_path: Path) -> None:
    rows = [product(), own(), product(obsID="102", obs_id="jw02_nis"), own("b.fits", size="")]
    load_products(tmp_path, *rows)
    found = [asdict(row) for row in LOCAL.products(["900"])]
    assert found == [row | {"size": row["size"] or None, "obs_id": row["obs_id"]} for row in rows]
    assert tuple(found[0]) == PRODUCT_COLUMNS


def test_products_come_in_the_order_in_which_they_are_asked_for(tmp_path: Path) -> None:
    load_products(tmp_path, own(), own("b.fits", obsID="901", parent_obsid="901"), product(parent_obsid="901"))
    assert [row.parent_obsid for row in LOCAL.products(["901", "900", "901", "none"])] == ["901", "901", "900"]


def test_the_real_rows_come_back_all_718(shared: Path) -> None:
    load_tables(products=shared / "data" / "jwst" / "jw05224_nirspec_msa_products_full.csv")
    rows = list(LOCAL.products(["254258368", "254258482"]))
    assert len(rows) == 718
    assert len({row.dataURI for row in rows}) == 323
    assert len({(row.obsID, row.parent_obsid, row.productFilename) for row in rows}) == 718


def test_another_archive_s_rows_are_not_its_own(tmp_path: Path) -> None:
    load_products(tmp_path, own(), archive="mast")
    assert (obsids(), list(LOCAL.products(["900"]))) == ([], [])


def test_a_cone_finds_the_footprints_that_it_touches(tmp_path: Path) -> None:
    square = "POLYGON ICRS 283.4 33.0 283.5 33.0 283.5 33.1 283.4 33.1"
    load_observations(
        tmp_path,
        observation("1", s_region=square),
        observation("2", s_region="", s_ra=283.45, s_dec=33.05),
        observation("3", s_region="", s_ra="", s_dec=""),
        observation("4", s_region="CIRCLE ICRS 100 -20 1"),
    )
    assert obsids(ra=283.49, dec=33.09, radius=0.001) == ["1"]
    assert obsids(ra=283.45, dec=33.05, radius=0.01) == ["1", "2"]
    assert obsids(ra=283.39, dec=32.99, radius=0.001) == []


def test_programs_missions_and_columns_narrow_a_search(tmp_path: Path) -> None:
    load_observations(
        tmp_path,
        observation("1", proposal_id="2733", filters="F200W"),
        observation("2", proposal_id="2733", filters="F444W"),
        observation("3", proposal_id="2733", obs_collection="HST"),
        observation("4", proposal_id="1234"),
    )
    assert obsids(programs=("2733",)) == ["3", "1", "2"]
    assert obsids(programs=("2733",), collections=("JWST",)) == ["1", "2"]
    assert obsids(columns=(("filters", ("F200W", "F444W")), ("obsid", ("2", "4")))) == ["2"]


def test_many_observations_come_in_pieces(tmp_path: Path) -> None:
    load_observations(tmp_path, *[observation(str(n)) for n in range(CHUNK + 1)])
    assert len(obsids()) == CHUNK + 1
    assert len(obsids(ra=283.396, dec=33.029, radius=0.001)) == CHUNK + 1


def test_locate_tells_where_bytes_lie_and_leaves_the_others_out(tmp_path: Path) -> None:
    rows = [own(f"{n}.fits") for n in range(CHUNK + 5)]
    load_products(tmp_path, *rows)
    bytes_of = Product.objects.filter(productFilename__in=["0.fits", "7.fits"])
    for file in bytes_of:
        StoredFile.objects.create(product=file, path=f"/x/{file.productFilename}", size=1, mtime_ns=2)
    found = LOCAL.locate([row["dataURI"] for row in reversed(rows)])
    assert found == {
        f"mast:JWST/product/{name}": StoredBytes(f"/x/{name}", 1, 2, None, "") for name in ("0.fits", "7.fits")
    }
    assert LOCAL.locate([]) == {}


def test_what_was_measured_is_remembered_and_its_size_is_the_products(tmp_path: Path) -> None:
    load_products(tmp_path, own(), product(parent_obsid="901"))
    path = tmp_path / "bytes"
    path.write_bytes(b"12345")
    file = Product.objects.get(productFilename="jw01_t001_i2d.fits")
    measured = measure(str(path))
    for _ in range(2):
        remember(file.pk, measured)
        assert LOCAL.locate([file.dataURI]) == {file.dataURI: measured}
    assert Product.objects.get(pk=file.pk).size == 5
    assert (version("900"), version("901")) == (2, 1)


def test_a_measured_size_stands_against_a_table_loaded_later(tmp_path: Path) -> None:
    load_products(tmp_path, own())
    path = tmp_path / "bytes"
    path.write_bytes(b"12345")
    remember(Product.objects.get().pk, measure(str(path)))
    report = load_tables(products=write(tmp_path / "p.csv", [own(size=77)]))
    assert (Product.objects.get().size, report.files_updated, version()) == (5, 0, 2)
