"""The rows of the demo archive: names, recommendations, guide stars, rights, and the 407-file basket's totals."""

import json
import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from portal.archives.base import MRP, Product
from portal.demo import seed
from tests.demo_archive import DemoArchive, demo_archive, inside

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
    """The small archive."""
    return demo_archive(tmp_path_factory)


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


def test_names_follow_the_rules(archive: DemoArchive) -> None:
    for row in archive.products:
        assert NAMES[row.obs_collection].fullmatch(row.productFilename), row.productFilename
        assert row.dataURI == f"mast:{row.obs_collection}/product/{row.productFilename}"
        if row.obs_collection == "JWST":
            assert re.fullmatch(
                STAGE_3 if row.type == "D" and row.obsID == row.parent_obsid else EXPOSURE, row.obs_id
            )


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
