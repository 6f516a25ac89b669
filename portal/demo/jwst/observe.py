"""JWST observations with everything they list, in MAST's order: stage 3, then exposure by exposure.

The rule of Minimum Recommended Products is that of 2022 to 2025: every non-preview row of the highest level;
where stage 3 was not run, the level-2 science rows, association, pool and calibrated tracking of the guide star.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

from portal.archives.base import Observation
from portal.demo.jwst import catalogs, guiding, images, interferometry, spectra
from portal.demo.jwst.associations import association, exposed, members, pool, pool_name, table_name
from portal.demo.jwst.dataset import Dataset, acid, combination, planned_name, visit_id
from portal.demo.jwst.modes import AFTER_STAGE_3, COMBINED, EXPOSURE, SOURCE, TABLES, group
from portal.demo.jwst.programs import VISITS, Visit
from portal.demo.model import Entry, File, Listed, identifier

Recipe = Callable[[Dataset, str], Any]
RECIPES: dict[str, Recipe] = {
    "uncal": images.uncal, "rate": images.rate, "rateints": images.rateints, "trapsfilled": images.trapsfilled,
    "cal": images.cal, "calints": images.calints, "crf": images.crf, "crfints": images.crfints, "i2d": images.i2d,
    "psfstack": images.psfstack, "psfalign": images.psfalign, "psfsub": images.psfsub,
    "s2d": spectra.s2d, "s3d": spectra.s3d, "x1d": spectra.x1d, "c1d": spectra.c1d, "x1dints": spectra.x1dints,
    "msa": spectra.msa, "cat": catalogs.cat, "segm": catalogs.segm, "whtlt": catalogs.whtlt, "phot": catalogs.phot,
    "ami-oi": interferometry.ami_oi, "amimulti-oi": interferometry.amimulti_oi,
    "aminorm-oi": interferometry.aminorm_oi, "amilg": interferometry.amilg,
}  # fmt: skip
ASSOCIATION, POOL = "source/target (L3) : association generator", "source/target (L3) : association pool"
SHOWN = ("i2d", "psfstack", "s2d", "s3d", "cal", "x1d", "x1dints")
THUMBNAILS = {"cal", "crf"}


def entries() -> Iterator[Entry]:
    """Every JWST observation of the demo."""
    for visit in VISITS:
        if visit.planned:
            yield planned(visit)
        elif visit.ungrouped:
            yield from (alone(dataset) for dataset in exposed(visit))
        elif not visit.calibrates:
            for band in visit.bands:
                for source in visit.sources or (0,):
                    yield grouped(combination(visit, band, source))


def entry(dataset: Dataset, level: int, listed: list[Listed]) -> Entry:
    """The observation that a dataset is, with its list."""
    visit = dataset.visit
    names = [item.file.name for item in listed if item.owner == dataset.owner]
    shown = next((name for kind in SHOWN for name in names if name.endswith(f"_{kind}.fits")), "")
    pictures = [name for item in listed if item.file.name == shown for name in item.file.preview_names()]
    seen = observation(
        visit,
        dataset.obs_id,
        level,
        dataset.band.filters,
        em_min=dataset.band.range[0] * 1000,
        em_max=dataset.band.range[1] * 1000,
        t_min=round(dataset.start, 8),
        t_max=round(max(each.end for each in exposed(visit)), 8),
        t_exptime=dataset.seconds,
        s_region=dataset.frame.region,
        s_ra=round(dataset.frame.centre[0] if dataset.source else visit.place.ra, 8),
        s_dec=round(dataset.frame.centre[1] if dataset.source else visit.place.dec, 8),
        jpegURL=f"mast:JWST/product/{pictures[0]}" if pictures else "",
        dataURL=f"mast:JWST/product/{shown}" if shown else "",
    )
    return Entry(seen, listed, visit.program.pipeline, "CALJWST")


def observation(visit: Visit, obs_id: str, level: int, filters: str, **columns: Any) -> Observation:
    """The observation row; `columns` are those that depend on what was exposed."""
    program, mode = visit.program, visit.mode
    return Observation(
        intentType="calibration" if program.category == "CAL" else "science",
        obs_collection="JWST",
        provenance_name="APT" if level < 0 else "CALJWST",
        instrument_name=mode.label,
        project="JWST",
        filters=filters,
        wavelength_region="INFRARED",
        target_name=visit.place.name.upper().replace(" ", "-"),
        target_classification=visit.classification,
        obs_id=obs_id,
        dataproduct_type=mode.kind,
        proposal_pi=program.pi,
        calib_level=level,
        obs_title=program.title,
        t_obs_release=visit.public_on,
        proposal_id=str(program.number),
        proposal_type=program.category,
        dataRights=visit.rights,
        mtFlag=visit.moving,
        obsid=identifier(obs_id),
        objID=identifier(obs_id + " plane"),
        **columns,
    )


def planned(visit: Visit) -> Entry:
    """An observation still to be made: no times, no files, filters with a slash."""
    place = visit.place
    fixed = not visit.moving
    seen = observation(
        visit,
        planned_name(visit),
        -1,
        visit.bands[0].filters.replace(";", "/"),
        s_ra=round(place.ra, 8) if fixed else None,
        s_dec=round(place.dec, 8) if fixed else None,
        t_exptime=visit.seconds * visit.dithers,
        em_min=visit.bands[0].range[0] * 1000,
        em_max=visit.bands[0].range[1] * 1000,
        s_region=f"CIRCLE ICRS {place.ra:.8f} {place.dec:.8f} 0.02" if fixed else "",
    )
    return Entry(seen)


def grouped(dataset: Dataset) -> Entry:
    """A stage-3 observation: its own products, then those of every exposure that went into it."""
    listed = list(combined_files(dataset))
    for each in members(dataset):
        listed += exposure_files(each)
    return entry(dataset, 3, listed)


def alone(dataset: Dataset) -> Entry:
    """An exposure for which stage 3 was not run: it is its own observation, and its level 2 is the highest."""
    listed = [
        Listed(item.owner, item.file, item.level, item.code, recommended=best_of_exposure(item))
        for item in exposure_files(dataset)
    ]
    return entry(dataset, 2, listed)


def best_of_exposure(item: Listed) -> bool:
    """Whether a file is recommended where level 2 is the highest."""
    science = item.file.category == "SCIENCE" and item.level == 2
    return science or item.file.group in {"ASN", "POOL"} or (item.file.group == "GS-TRACK" and item.level == 2)


def combined_files(dataset: Dataset) -> Iterator[Listed]:
    """The files of stage 3: all of them are recommended."""
    label = dataset.visit.mode.label
    kinds = COMBINED | SOURCE if label == "NIRSPEC/MSA" else COMBINED
    for suffix in dataset.visit.mode.combined:
        kind = kinds[suffix]
        name = f"{dataset.obs_id}_{suffix}.{'ecsv' if suffix in TABLES else 'fits'}"
        pictures = kind.previews + (("_thumb.jpg",) if dataset.visit.program.early and suffix == "i2d" else ())
        sub_group = group(suffix, of_exposure=False, instrument_label=label)
        made = File(
            name, kind.description, kind.category, sub_group, partial(RECIPES[suffix], dataset, name), pictures
        )
        yield Listed(dataset.owner, made, 3, "D", recommended=True)
    yield Listed(dataset.owner, association_file(dataset), 3, "D", recommended=True)
    yield Listed(dataset.owner, pool_file(dataset.visit), 3, "D", recommended=True)


@cache
def exposure_files(dataset: Dataset) -> list[Listed]:
    """The files of an exposure: its own, its association, the pool, and the guide star's."""
    visit = dataset.visit
    made = [exposure_file(dataset, suffix) for suffix in visit.mode.exposure if wanted(visit, suffix)]
    made.append(Listed(dataset.owner, association_file(dataset), 2, "S"))
    made.append(Listed(dataset.owner, pool_file(visit), 2, "S"))
    made += [Listed(dataset.owner, file, guiding.level(file.name), "S") for file in guiding.files(visit)]
    return made


def wanted(visit: Visit, suffix: str) -> bool:
    """Stage 3 leaves files with exposures only where it was run, and subtracts nothing from a reference star."""
    if suffix in AFTER_STAGE_3 and visit.ungrouped:
        return False
    return not (visit.calibrates and suffix in {"psfalign", "psfsub"})


def exposure_file(dataset: Dataset, suffix: str) -> Listed:
    """One product of an exposure; what stage 3 made carries the association candidate in its name."""
    visit, kind = dataset.visit, EXPOSURE[suffix]
    stem = f"jw{visit_id(visit)}_01" if suffix == "msa" else dataset.obs_id
    name = f"{stem}_{acid(visit) + '_' if suffix in AFTER_STAGE_3 else ''}{suffix}.fits"
    pictures = kind.previews + (
        ("_thumb.jpg",) if visit.program.early and suffix in THUMBNAILS and kind.previews else ()
    )
    sub_group = group(suffix, of_exposure=True, instrument_label=visit.mode.label)
    first = exposed(visit)[0] if suffix == "msa" else dataset
    made = File(name, kind.description, kind.category, sub_group, partial(RECIPES[suffix], first, name), pictures)
    return Listed(dataset.owner, made, kind.level, "D" if kind.level == 3 else "S")


def association_file(dataset: Dataset) -> File:
    """The association that made a dataset."""
    return File(table_name(dataset), ASSOCIATION, "INFO", "ASN", partial(association, dataset))


def pool_file(visit: Visit) -> File:
    """The pool of the visit's program."""
    return File(pool_name(visit), POOL, "INFO", "POOL", partial(pool, visit))
