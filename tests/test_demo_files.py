"""The bytes of the demo archive: valid FITS, true headers and coordinates, tables that agree with each other."""

import re
from collections import Counter, defaultdict

import numpy as np
import pytest
from PIL import Image

from portal.demo import build
from tests.demo_archive import DemoArchive, demo_archive, fits, inside, tables, worlds


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> DemoArchive:
    """The small archive."""
    return demo_archive(tmp_path_factory)


def jwst_files(archive: DemoArchive, ending: str) -> list[str]:
    return sorted(name for name in archive.paths if name.startswith("jw") and name.endswith(ending))


def test_every_fits_file_is_valid_and_its_checksums_hold(archive: DemoArchive) -> None:
    checked = 0
    for name, path in archive.paths.items():
        if path.suffix == ".fits":
            with fits.open(path, checksum=True) as opened:
                opened.verify("exception")
                for hdu in opened:
                    assert "CHECKSUM" in hdu.header or hdu.header.get("XTENSION") == "TABLE", name
                    assert hdu.data is None or hdu.data.size
            assert path.stat().st_size % 2880 == 0
            checked += 1
    assert checked > 1500


def test_each_file_lies_on_disk_once_with_the_size_that_its_rows_tell(archive: DemoArchive) -> None:
    on_disk = [path for path in (archive.directory / build.FILES).rglob("*") if path.is_file()]
    assert len(on_disk) == len(archive.paths)
    assert archive.paths.keys() == {row.productFilename for row in archive.products}
    folders = defaultdict(list)
    for row in archive.products:
        assert archive.paths[row.productFilename].stat().st_size == row.size
        folders[row.productFilename].append((row.obs_collection, row.obs_id))
    for name, listed in folders.items():
        path = archive.paths[name]
        assert (path.parent.parent.name, path.parent.name) == listed[0]


def test_associations_name_files_and_pools_that_exist(archive: DemoArchive) -> None:
    names, kinds = set(archive.paths), set()
    for table in jwst_files(archive, "_asn.json"):
        content = archive.json(table)
        kinds.add(content["asn_type"])
        assert content["asn_pool"] in names
        assert f"_{content['asn_type']}_" in table
        for product in content["products"]:
            stem = product["name"].replace("{source_id}", "")
            assert stem in product["name"] or "{source_id}" in product["name"]
            assert product["members"]
            assert [member["expname"] for member in product["members"] if member["expname"] not in names] == []
    assert kinds == {"image2", "image3", "spec2", "spec3", "tso-image2", "tso-spec2", "tso3", "coron3", "ami3"}


def test_pools_list_every_raw_file_of_their_visits(archive: DemoArchive) -> None:
    pooled = Counter[str]()
    for pool in jwst_files(archive, "_pool.csv"):
        lines = tables.Table.read(archive.paths[pool], format="ascii", delimiter="|")
        assert len(lines.colnames) == 64
        assert set(lines["PROGRAM"]) == {int(pool[2:7])}
        pooled.update(str(name) for name in lines["FILENAME"])
    assert pooled.keys() == {name for name in jwst_files(archive, "_uncal.fits") if "_gs-" not in name}
    assert set(pooled.values()) == {1}


def test_headers_tell_the_truth(archive: DemoArchive) -> None:
    told = {row.productFilename: row for row in archive.products if row.productFilename.endswith(".fits")}
    for name, row in told.items():
        header = archive.header(name)
        assert header["FILENAME"] == name
        assert header["TELESCOP"] == row.obs_collection
        assert "DEMONSTRATION DATA" in str(header["COMMENT"])
        if row.obs_collection == "JWST":
            assert header["PROGRAM"] == f"{int(row.proposal_id):05d}"
            assert header.get("CAL_VER", "") == row.prvversion
            references = [value for keyword, value in header.items() if keyword.startswith("R_")]
            assert bool(references) == ("CRDS_CTX" in header) == (row.calib_level != 1)
            assert all(
                re.fullmatch(r"crds://jwst_[a-z]+_[a-z0-9]+_\d{4}\.(fits|asdf)", value) for value in references
            )
            assert header.get("ASNTABLE", "") in {"", *archive.paths}


def test_world_coordinates_put_the_target_inside_the_footprint(archive: DemoArchive) -> None:
    checked = 0
    for name in jwst_files(archive, "_i2d.fits") + jwst_files(archive, "_s3d.fits"):
        primary, header = archive.header(name), archive.header(name, 1)
        wcs = worlds.WCS(header).celestial
        corners = wcs.calc_footprint(axes=(header["NAXIS1"], header["NAXIS2"]), center=False)
        told = np.array([float(word) for word in header["S_REGION"].split()[2:]]).reshape(4, 2)
        assert np.allclose(corners, told, atol=1e-7)
        scale = np.abs(wcs.proj_plane_pixel_scales()[0].value) * 3600
        assert 0.02 < scale < 3
        if primary["DETECTOR"] == "MULTIPLE":
            assert inside(header["S_REGION"], primary["TARG_RA"], primary["TARG_DEC"])
            checked += 1
    assert checked > 20


def test_catalogues_hold_sources_that_are_in_the_image(archive: DemoArchive) -> None:
    catalogues = jwst_files(archive, "_cat.ecsv")
    assert len(catalogues) > 15
    for name in catalogues:
        found = tables.QTable.read(archive.paths[name], format="ascii.ecsv")
        stem = name.removesuffix("_cat.ecsv")
        image, header = archive.data(f"{stem}_i2d.fits"), archive.header(f"{stem}_i2d.fits", 1)
        x, y = np.rint(found["xcentroid"].value).astype(int), np.rint(found["ycentroid"].value).astype(int)
        wcs = worlds.WCS(header)
        there = wcs.wcs_pix2world(found["xcentroid"].value, found["ycentroid"].value, 0)
        assert np.allclose(there[1], found["sky_centroid"].dec.deg, atol=1e-5)
        brightest = slice(0, 10)
        assert np.median(image[y[brightest], x[brightest]]) > np.median(image)
        labels = archive.data(f"{stem}_segm.fits")
        assert set(np.unique(labels)) <= {0, *found["label"]}
        assert labels[y[0], x[0]] > 0


def test_time_series_show_a_transit(archive: DemoArchive) -> None:
    for name in jwst_files(archive, "_whtlt.ecsv") + jwst_files(archive, "_phot.ecsv"):
        curve = tables.QTable.read(archive.paths[name], format="ascii.ecsv")
        flux = np.asarray(
            curve["whitelight_flux"] if "whitelight_flux" in curve.colnames else curve["net_aperture_sum"].value
        )
        middle, ends = flux[len(flux) // 2], np.median(flux[[0, 1, -2, -1]])
        assert 0.95 < middle / ends < 0.996


def test_previews_are_pictures_of_something(archive: DemoArchive) -> None:
    pictures = [path for path in archive.paths.values() if path.suffix in {".jpg", ".png"}]
    assert len(pictures) > 700
    for path in pictures:
        with Image.open(path) as picture:
            picture.load()
            assert picture.format == {".jpg": "JPEG", ".png": "PNG"}[path.suffix]
            assert np.ptp(np.asarray(picture)) > 60, path.name


def test_a_preview_shows_the_pixels_of_its_file(archive: DemoArchive) -> None:
    stem = "jw90101-o001_t001_nircam_clear-f212n_i2d"
    with Image.open(archive.paths[f"{stem}.jpg"]) as picture:
        drawn = np.asarray(picture.convert("L"), dtype=float)[::-1]
    pixels = archive.data(f"{stem}.fits")
    rows_, columns = (
        np.linspace(0, drawn.shape[0] - 1, pixels.shape[0]),
        np.linspace(0, drawn.shape[1] - 1, pixels.shape[1]),
    )
    seen = drawn[np.rint(rows_).astype(int)][:, np.rint(columns).astype(int)]
    order = np.argsort(np.argsort(pixels.ravel())), np.argsort(np.argsort(seen.ravel()))
    assert np.corrcoef(*order)[0, 1] > 0.9
