"""HST observations with everything they list: the association's products, then those of each exposure."""

from collections.abc import Iterator
from functools import partial

from portal.archives.base import Observation
from portal.demo.hst.files import DEEP, RECIPES, frame
from portal.demo.hst.programs import POINTINGS, Kind, Pointing
from portal.demo.model import Entry, File, Listed, Owner, identifier

WAVEBANDS = ((0.32, "UV"), (0.95, "OPTICAL"), (99.0, "INFRARED"))


def entries() -> Iterator[Entry]:
    """Every HST observation of the demo."""
    return (entry(pointing) for pointing in POINTINGS)


def listed(pointing: Pointing, root: str, kind: Kind, code: str) -> Listed:
    """A file of the association or of an exposure."""
    name = f"{root}_{kind.ending}.fits"
    recipe = partial(RECIPES[kind.content], pointing, root, name)
    made = File(name, kind.description, kind.category, kind.group, recipe, kind.previews)
    owner = Owner(root, pointing.kind, pointing.element)
    return Listed(owner, made, kind.level, code, recommended=kind.recommended)


def entry(pointing: Pointing) -> Entry:
    """An association or single exposure."""
    code = "C" if pointing.exposures else "S"
    files = [listed(pointing, pointing.root, kind, code) for kind in pointing.combined]
    for root in pointing.exposures:
        files += [listed(pointing, root, kind, "S") for kind in pointing.each]
    best = files[0].file
    return Entry(observation(pointing, best), files, "3.7.2", f"CAL{pointing.instrument.split('/')[0]}")


def observation(pointing: Pointing, best: File) -> Observation:
    """The observation row."""
    place, camera = pointing.place, pointing.instrument.split("/")[0]
    middle = sum(pointing.range) / 2
    return Observation(
        intentType="science",
        obs_collection="HST",
        provenance_name=f"CAL{camera}",
        instrument_name=pointing.instrument,
        project="HST",
        filters=pointing.element,
        wavelength_region=next(name for limit, name in WAVEBANDS if middle < limit),
        target_name=place.name.upper().replace(" ", "-"),
        target_classification=pointing.classification,
        obs_id=pointing.root,
        s_ra=round(place.ra, 8),
        s_dec=round(place.dec, 8),
        dataproduct_type=pointing.kind,
        proposal_pi=pointing.pi,
        calib_level=3 if pointing.exposures or camera in {"STIS", "WFPC2"} else 2,
        t_min=pointing.start,
        t_max=round(pointing.start + pointing.seconds / 86400, 8),
        t_exptime=pointing.seconds,
        em_min=pointing.range[0] * 1000,
        em_max=pointing.range[1] * 1000,
        obs_title=pointing.title,
        t_obs_release=pointing.release if pointing.release is not None else round(pointing.start + 365, 8),
        proposal_id=str(pointing.proposal),
        proposal_type="GO",
        s_region=frame(pointing, DEEP).region.replace("ICRS  ", "ICRS "),
        jpegURL=f"mast:HST/product/{best.preview_names()[0]}",
        dataURL=f"mast:HST/product/{best.name}",
        dataRights=pointing.rights,
        mtFlag=False,
        obsid=identifier(pointing.root),
        objID=identifier(pointing.root + " plane"),
    )
