"""The demo archive: valid files, true names and headers, rows by the rules, the same bytes every time."""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper
from PIL import Image

from portal.archives.base import MRP, Product
from portal.demo import build, seed
from portal.management.commands.demo import SHARE
from portal.management.commands.demo import Counter as ProgressCounter
from portal.models import Membership, Observation, StoredFile
from portal.models import Product as Listed
from tests.demo_archive import DemoArchive, fits, rows, tables, worlds

DETECTOR = r"(nrc[ab]([1-4]|long)|nis|nrs[12]|mir(image|ifulong|ifushort))"
EXPOSURE = rf"jw\d{{5}}\d{{3}}\d{{3}}_\d{{2}}[1-5][0-9a-z]{{2}}_\d{{5}}(-seg\d{{3}})?_{DETECTOR}"
STAGE_3 = r"jw\d{5}-(o\d{3}|c1\d{3}|a3\d{3})_(t\d{3}|s\d{9})_(nircam|niriss|nirspec|miri)_[0-9a-z-]+"
LATE = r"(o\d{3}|c1\d{3})_(crf|crfints|psfalign|psfsub|ami-oi|amimulti-oi|amilg)"
EARLY = r"uncal|rate|rateints|trapsfilled|cal|calints|i2d|s2d|s3d|x1d|x1dints"
JWST_NAMES = re.compile(
    rf"({EXPOSURE}_({LATE}|{EARLY})(\.fits|\.png|(_thumb)?\.jpg)"
    rf"|{STAGE_3}_(i2d|segm|cal|crf|s2d|s3d|x1d|c1d|x1dints|psfstack|aminorm-oi)(\.fits|\.png|(_thumb)?\.jpg)"
    rf"|{STAGE_3}_(cat|whtlt|phot)\.ecsv"
    r"|jw\d{5}-(o\d{3}|c1\d{3})_\d{8}t\d{6}_(tso-)?(image2|image3|spec2|spec3|tso3|coron3|ami3)_\d{5}_asn\.json"
    r"|jw\d{5}_\d{8}t\d{6}_pool\.csv"
    r"|jw\d{11}_\d{2}_msa\.fits"
    r"|jw\d{11}_gs-id_\d_(image_uncal|image_cal|stacked_uncal|stacked_cal|stream)\.fits"
    r"|jw\d{11}_gs-(acq1|acq2|track|fg)_\d{13}_(stream|uncal|cal)\.fits)"
)
HST_NAMES = re.compile(r"[ijlou][0-9a-z]{8}_[0-9a-z_]+\.(fits|jpg|png)")
TESS_NAMES = re.compile(
    r"tess\d{13}-s\d{4}-\d{16}-\d{4}-s_(lc|tp)\.fits|tess\d{13}-s\d{4}-s\d{4}-\d{16}-\d{5}_dv(t\.fits|[rs]\.pdf)"
)
NAMES = {"JWST": JWST_NAMES, "HST": HST_NAMES, "TESS": TESS_NAMES}
JANUARY_2027 = 61406.0


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> DemoArchive:
    """The small archive, in a directory that can be a home."""
    return DemoArchive(build.small(tmp_path_factory.mktemp("home") / "demo"))


def inside(polygon: str, ra: float, dec: float) -> bool:
    """Whether a polygon in STC-S holds a point, by its winding in the plane that touches the sky there."""
    values = [float(word) for word in polygon.split()[2:]]
    angles = [
        np.arctan2((r - ra + 180) % 360 - 180, (d - dec) / np.cos(np.radians(dec)))
        for r, d in zip(values[::2], values[1::2], strict=True)
    ]
    turns = np.diff([*angles, angles[0]])
    return bool(abs(np.sum((turns + np.pi) % (2 * np.pi) - np.pi)) > np.pi)


def jwst_files(archive: DemoArchive, ending: str) -> list[str]:
    return sorted(name for name in archive.paths if name.startswith("jw") and name.endswith(ending))


def test_the_archive_is_small_and_of_about_the_promised_size(archive: DemoArchive) -> None:
    assert archive.built.size < 150_000_000
    assert 40 <= len(archive.observations) <= 60
    assert archive.built.observations == len(archive.observations)
    assert archive.built.rows == len(archive.products)
    assert archive.built.files == len({row.dataURI for row in archive.products})
    assert Counter(seen.obs_collection for seen in archive.observations).keys() == {"JWST", "HST", "TESS"}


def test_all_modes_are_there(archive: DemoArchive) -> None:
    assert {seen.instrument_name for seen in archive.observations} >= {
        "NIRCAM/IMAGE", "NIRCAM/GRISM", "NIRCAM/CORON", "NIRISS/IMAGE", "NIRISS/WFSS", "NIRISS/SOSS", "NIRISS/AMI",
        "NIRSPEC/MSA", "NIRSPEC/IFU", "NIRSPEC/SLIT", "MIRI/IMAGE", "MIRI/IFU", "MIRI/SLIT", "MIRI/SLITLESS",
        "MIRI/CORON", "WFC3/UVIS", "WFC3/IR", "ACS/WFC", "STIS/CCD", "COS/FUV", "WFPC2/WFC", "Photometer",
    }  # fmt: skip
    kinds = {seen.dataproduct_type for seen in archive.observations}
    assert kinds == {"image", "spectrum", "cube", "timeseries", "measurements"}


def test_identifiers_are_unique(archive: DemoArchive) -> None:
    assert len({seen.obsid for seen in archive.observations}) == len(archive.observations)
    owners = defaultdict(set)
    for row in archive.products:
        owners[row.obsID].add(row.obs_id)
    assert [names for names in owners.values() if len(names) > 1] == []


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


def test_a_second_build_in_another_process_gives_the_same_bytes(archive: DemoArchive, tmp_path: Path) -> None:
    program = (
        "import sys, pathlib, django; django.setup()\n"
        "from portal.demo import build\n"
        "build.small(pathlib.Path(sys.argv[1]))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "1234", "TZ": "Pacific/Apia"}
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "again")], check=True, env=environment)
    assert digests(tmp_path / "again") == digests(archive.directory)


def digests(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_names_follow_the_rules(archive: DemoArchive) -> None:
    for row in archive.products:
        assert NAMES[row.obs_collection].fullmatch(row.productFilename), row.productFilename
        assert row.dataURI == f"mast:{row.obs_collection}/product/{row.productFilename}"
        if row.obs_collection == "JWST":
            assert re.fullmatch(
                STAGE_3 if row.type == "D" and row.obsID == row.parent_obsid else EXPOSURE, row.obs_id
            )


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


def test_rows_of_one_file_agree(archive: DemoArchive) -> None:
    told = defaultdict(set)
    for row in archive.products:
        told[row.dataURI].add(
            (
                row.size,
                row.productFilename,
                row.productType,
                row.productSubGroupDescription,
                row.dataRights,
                row.description,
            )
        )
    assert [uri for uri, facts in told.items() if len(facts) > 1] == []


def test_no_row_is_listed_twice(archive: DemoArchive) -> None:
    keys = Counter((row.parent_obsid, row.obsID, row.dataURI) for row in archive.products)
    assert keys.most_common(1)[0][1] == 1


def test_recommended_files_follow_the_rule_of_the_highest_level(archive: DemoArchive) -> None:
    for seen in archive.observations:
        listed = archive.by_parent[seen.obsid]
        marked = {row.dataURI for row in listed if row.productGroupDescription == MRP}
        if seen.obs_collection == "JWST" and seen.calib_level == 3:
            own = {row.dataURI for row in listed if row.obsID == seen.obsid and row.productType != "PREVIEW"}
            assert marked == own
            assert {"ASN", "POOL"} <= {row.productSubGroupDescription for row in listed if row.dataURI in marked}
        elif seen.obs_collection == "JWST" and seen.calib_level == 2:
            assert marked == {row.dataURI for row in listed if recommended_without_stage_3(row)}
        assert not any(row.calib_level == 1 for row in listed if row.productGroupDescription)
        assert bool(marked) == (seen.calib_level != -1)


def recommended_without_stage_3(row: Product) -> bool:
    return (row.productType == "SCIENCE" and row.calib_level == 2) or (
        row.productSubGroupDescription in {"ASN", "POOL"}
        or (row.productSubGroupDescription == "GS-TRACK" and row.productFilename.endswith("_cal.fits"))
    )


def test_previews_have_no_group_and_level_1_no_version(archive: DemoArchive) -> None:
    for row in archive.products:
        assert (row.productType == "PREVIEW") == (row.productSubGroupDescription == "")
        assert (row.productType == "PREVIEW") == row.description.startswith("Preview")
        assert (row.prvversion == "") == (row.calib_level == 1)


def test_guide_star_files_are_under_every_exposure_of_their_visit(archive: DemoArchive) -> None:
    guides, exposures, parents = defaultdict(set), defaultdict(set), defaultdict(set)
    for row in archive.products:
        visit = row.productFilename[:13]
        if row.productSubGroupDescription.startswith("GS-"):
            guides[row.dataURI, visit].add((row.parent_obsid, row.obs_id))
        elif row.type == "S" and row.obs_id.startswith("jw"):
            exposures[row.obs_id[:13]].add((row.parent_obsid, row.obs_id))
        parents[visit].add(row.parent_obsid)
    assert len(guides) > 500
    for (uri, visit), listings in guides.items():
        assert listings == exposures[visit], uri
    assert any(len({parent for parent, _ in listings}) > 1 for listings in guides.values())


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


def test_each_observation_lies_inside_its_own_footprint(archive: DemoArchive) -> None:
    for seen in archive.observations:
        if seen.s_ra is None or seen.s_dec is None:
            assert seen.mtFlag
        elif seen.s_region.startswith("POLYGON"):
            assert inside(seen.s_region, seen.s_ra, seen.s_dec), seen.obs_id
        else:
            kind, frame, ra, dec, radius = seen.s_region.split()
            assert (kind, frame) == ("CIRCLE", "ICRS")
            assert float(radius) > np.hypot(float(ra) - seen.s_ra, float(dec) - seen.s_dec)


def test_rights_are_mixed_and_exclusive_data_stay_exclusive(archive: DemoArchive) -> None:
    rights = Counter(seen.dataRights for seen in archive.observations if seen.calib_level != -1)
    assert rights["EXCLUSIVE_ACCESS"] >= 4
    assert rights["RESTRICTED"] == 1
    assert rights["PUBLIC"] > 30
    for seen in archive.observations:
        released = seen.t_obs_release
        if seen.dataRights == "EXCLUSIVE_ACCESS":
            assert released is not None
            assert released > JANUARY_2027
        elif seen.dataRights == "PUBLIC" and seen.calib_level != -1:
            assert released is not None
            assert released < JANUARY_2027
        assert {row.dataRights for row in archive.by_parent[seen.obsid]} <= {seen.dataRights}
    assert max(seen.t_obs_release or 0 for seen in archive.observations) > 64000  # in 2034


def test_planned_observations_have_no_times_and_no_files(archive: DemoArchive) -> None:
    planned = [seen for seen in archive.observations if seen.calib_level == -1]
    assert len(planned) == 4
    for seen in planned:
        assert (seen.t_min, seen.t_max, seen.t_obs_release, seen.jpegURL, seen.dataURL) == (
            None,
            None,
            None,
            "",
            "",
        )
        assert seen.provenance_name == "APT"
        assert re.fullmatch(r"jw\d{11}_xx101_00001_(nircam|nirspec|niriss|miri)", seen.obs_id)
        assert archive.by_parent[seen.obsid] == []


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


def test_the_407_file_basket_has_the_seed_s_totals(shared: Path) -> None:
    wanted = json.loads((shared / "data/seed/seed_basket_407_facets.json").read_text(encoding="utf-8"))
    listed = seed.products()
    best = [row for row in listed if row.productGroupDescription == MRP]
    assert wanted == {
        "total": len({row.dataURI for row in listed}),
        "category": Counter(row.productType for row in listed),
        "extension": Counter(row.productFilename.rsplit(".", 1)[1] for row in listed),
        "dataproduct_type": Counter(row.dataproduct_type for row in listed),
        "group": Counter(row.productSubGroupDescription for row in listed),
        "mrp": len(best),
        "bytes": sum(row.size or 0 for row in listed),
        "mrp_bytes": sum(row.size or 0 for row in best),
        "per_parent": Counter(row.parent_obsid for row in listed),
    }


def test_the_407_files_have_names_and_sizes_by_the_rules() -> None:
    listed = seed.products()
    assert len(listed) == 407
    for row in listed:
        name = re.sub(r"_image3_(\d{3})_asn", r"_image3_00\1_asn", row.productFilename)
        assert JWST_NAMES.fullmatch(name), name
        assert row.size
        assert row.size % 2880 == 0 or not name.endswith(".fits")
    parents = {seen.obsid: seen for seen in seed.observations()}
    assert parents.keys() == {"10000041976", "10000042131"}
    for seen in parents.values():
        assert seen.s_ra is not None
        assert seen.s_dec is not None
        assert inside(seen.s_region, seen.s_ra, seen.s_dec)


def test_a_directory_is_complete_or_made_again(tmp_path: Path) -> None:
    place, part = tmp_path / "demo-seed", tmp_path / "demo-seed.part"
    part.mkdir()
    (part / "left-over").write_text("from a build that was interrupted")
    first = build.rehearsal(place)
    assert not first.reused
    assert not part.exists()
    assert not (place / "left-over").exists()
    assert build.rehearsal(place).reused
    (place / build.PRODUCTS).write_text("damaged")
    assert build.complete(place) is None
    assert not build.rehearsal(place).reused
    assert len(rows(place / build.PRODUCTS, Product)) == 407


def test_progress_is_sparse_in_a_log_and_one_line_on_a_terminal() -> None:
    log, screen = io.StringIO(), Terminal()
    for out in (log, screen):
        counter = ProgressCounter(OutputWrapper(out))
        for done in range(1, 1001):
            counter("Files", done, 1000)
    assert len(log.getvalue().splitlines()) == SHARE
    assert screen.getvalue().count("\n") == 1
    assert screen.getvalue().count("\r") == 1000


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_million_is_not_offered_yet() -> None:
    with pytest.raises(CommandError, match="million"):
        call_command("demo", "--scale", "million")


@pytest.mark.django_db
def test_the_command_loads_both_archives_and_changes_nothing_the_second_time(
    archive: DemoArchive, settings: Any
) -> None:
    settings.SKYBASKET_HOME = archive.directory.parent
    call_command("demo", scale="seed", stdout=io.StringIO())
    files = len({row.dataURI for row in archive.products})
    assert Observation.objects.count() == len(archive.observations) + 2
    assert Listed.objects.count() == files + 407
    assert Membership.objects.count() == len(archive.products) + 407
    assert StoredFile.objects.filter(crc32__isnull=False).count() == files
    versions = dict(Observation.objects.values_list("obsid", "products_version"))
    call_command("demo", scale="seed", stdout=io.StringIO())
    assert dict(Observation.objects.values_list("obsid", "products_version")) == versions
    assert Listed.objects.count() == files + 407
