"""JWST FITS headers: what the primary header of a product says, in the keyword dictionary's words.

Sources: JWST Keyword Dictionary; JWST pipeline documentation, "Reference file information": R_<type> holds
crds://<file>, CRDS_CTX the context; both are absent from level 1 because no calibration was applied.
"""

import zlib

from portal.demo.fitsfile import WRITTEN, iso
from portal.demo.jwst.associations import pool_name, table_name
from portal.demo.jwst.dataset import Dataset, groups, integrations, target_number, visit_id
from portal.demo.sky.frame import Card

MODELS = {
    "uncal": "Level1bModel", "rate": "ImageModel", "rateints": "CubeModel", "trapsfilled": "TrapsFilledModel",
    "cal": "ImageModel", "calints": "CubeModel", "crf": "ImageModel", "crfints": "CubeModel", "i2d": "ImageModel",
    "s2d": "SlitModel", "s3d": "IFUCubeModel", "x1d": "MultiSpecModel", "x1dints": "TSOMultiSpecModel",
    "c1d": "MultiCombinedSpecModel", "segm": "SegmentationMapModel", "psfstack": "CubeModel", "msa": "MSAModel",
    "psfalign": "QuadModel", "psfsub": "CubeModel", "ami-oi": "AmiOIModel", "amimulti-oi": "AmiOIModel",
    "amilg": "AmiLgFitModel", "aminorm-oi": "AmiOIModel",
}  # fmt: skip

# Reference types by keyword: those of the detector, and those that instruments add in stage 2
DETECTOR_REFERENCES = {
    "R_DARK": "dark", "R_GAIN": "gain", "R_LINEAR": "linearity", "R_MASK": "mask", "R_READNO": "readnoise",
    "R_SATURA": "saturation",
}  # fmt: skip
NEAR_INFRARED = {"R_SUPERB": "superbias", "R_REFPIX": "refpix"}
PERSISTENCE = {"R_PERSAT": "persat", "R_TRPDEN": "trapdensity", "R_TRPPAR": "trappars"}
MID_INFRARED = {"R_RESET": "reset", "R_RSCD": "rscd", "R_LASTFR": "lastframe"}
CALIBRATION = {
    "R_AREA": "area", "R_DISTOR": "distortion", "R_FLAT": "flat", "R_PHOTOM": "photom",
    "R_FILOFF": "filteroffset",
}  # fmt: skip
SPECTRAL = {
    "R_EXTR1D": "extract1d", "R_FLAT": "flat", "R_PHOTOM": "photom", "R_SPCWCS": "specwcs",
    "R_WAVRAN": "wavelengthrange",
}  # fmt: skip
NIRSPEC = {
    "R_CAMERA": "camera", "R_COLLIM": "collimator", "R_DFLAT": "dflat", "R_DISPER": "disperser",
    "R_FFLAT": "fflat", "R_FORE": "fore", "R_FPA": "fpa", "R_OTE": "ote", "R_PHOTOM": "photom", "R_SFLAT": "sflat",
}  # fmt: skip
GRATINGS = {"01": "SHORT", "03": "MEDIUM", "05": "LONG"}
READOUT = {"MIRI": "FASTR1", "NIRSPEC": "NRSRAPID", "NIRCAM": "RAPID", "NIRISS": "NISRAPID"}
MODELS_OF_OPTICS = {
    "camera", "collimator", "disperser", "distortion", "filteroffset", "fore", "fpa", "ote", "specwcs",
    "wavelengthrange",
}  # fmt: skip
IMAGERS = {"R_DRZPAR": "drizpars", "R_APCORR": "apcorr", "R_ABVEGA": "abvegaoffset"}


def references(dataset: Dataset, suffix: str) -> list[Card]:
    """CRDS_CTX and the R_* keywords of a product of level 2 or 3."""
    if suffix in {"uncal", "msa"}:
        return []
    mode = dataset.visit.mode
    used = dict(DETECTOR_REFERENCES)
    used |= MID_INFRARED if mode.instrument == "MIRI" else NEAR_INFRARED
    used |= PERSISTENCE if mode.instrument in {"NIRCAM", "NIRISS"} else {}
    if suffix not in {"rate", "rateints", "trapsfilled"}:
        used |= NIRSPEC if mode.instrument == "NIRSPEC" else SPECTRAL if mode.spectral else CALIBRATION
        used |= IMAGERS if mode.level3 == "image3" and dataset.combined else {}
    made: list[Card] = [
        ("CRDS_VER", "12.0.9", "Version of CRDS file selection software used"),
        ("CRDS_CTX", dataset.visit.program.context, "CRDS context (.pmap) used to select ref files"),
    ]
    for keyword, kind in sorted(used.items()):
        name = reference(mode.instrument, kind, dataset)
        made.append((keyword, f"crds://{name}", f"{kind.capitalize()} reference file name"))
    return made


def reference(instrument: str, kind: str, dataset: Dataset) -> str:
    """The file name of a reference: the same for the same detector and, past stage 1, the same elements."""
    detector = dataset.band.detectors[0] if dataset.combined else dataset.detector
    of_filter = kind in {"flat", "photom", "filteroffset", "specwcs", "disperser", "fflat", "drizpars"}
    version = zlib.crc32(f"{instrument} {kind} {detector} {dataset.band.optics * of_filter}".encode()) % 400 + 1
    ending = "asdf" if kind in MODELS_OF_OPTICS else "fits"
    return f"jwst_{instrument.lower()}_{kind}_{version:04d}.{ending}"


def program_cards(dataset: Dataset) -> list[Card]:
    """Who asked for it and which visit made it."""
    visit, program = dataset.visit, dataset.visit.program
    group = f"021{dataset.activity}"
    return [
        ("TITLE", program.title, "Proposal title"),
        ("PI_NAME", program.pi, "Principal investigator name"),
        ("CATEGORY", program.category, "Program category"),
        ("OBS_ID", f"V{visit_id(visit)}P00000000{group}", "Programmatic observation identifier"),
        ("VISIT_ID", visit_id(visit), "Visit identifier"),
        ("PROGRAM", f"{program.number:05d}", "Program number"),
        ("OBSERVTN", f"{visit.number:03d}", "Observation number"),
        ("VISIT", "001", "Visit number"),
        ("VISITGRP", "02", "Visit group identifier"),
        ("SEQ_ID", "1", "Parallel sequence identifier"),
        ("ACT_ID", dataset.activity, "Activity identifier"),
        ("EXPOSURE", f"{dataset.exposure:05d}", "Exposure request number"),
        ("TEMPLATE", visit.mode.template, "Observation template used"),
        ("VISITYPE", "PRIME_TARGETED_" + ("MOVING" if visit.moving else "FIXED"), "Visit type"),
        ("TSOVISIT", visit.mode.series, "Time series observation visit indicator"),
        ("IS_PSF", bool(visit.calibrates), "Is this a PSF reference exposure?"),
    ]


def target_cards(dataset: Dataset) -> list[Card]:
    """What it looked at."""
    visit = dataset.visit
    place = visit.place
    name = place.name.upper().replace(" ", "-")
    return [
        ("TARGPROP", name, "Proposer's name for the target"),
        ("TARGNAME", place.name.upper(), "Standard astronomical catalog name for target"),
        ("TARGTYPE", "MOVING" if visit.moving else "FIXED", "Type of target"),
        ("TARG_RA", round(place.ra, 6), "[deg] Target RA at mid time of exposure"),
        ("TARG_DEC", round(place.dec, 6), "[deg] Target Dec at mid time of exposure"),
        ("PROP_RA", round(place.ra, 6), "[deg] Proposer's target RA"),
        ("PROP_DEC", round(place.dec, 6), "[deg] Proposer's target Dec"),
        ("SRCTYAPT", "POINT" if visit.mode.series else "UNKNOWN", "Source type from APT"),
    ]


def instrument_cards(dataset: Dataset) -> list[Card]:
    """Which elements and detector it went through."""
    visit, band = dataset.visit, dataset.band
    cards: list[Card] = [("INSTRUME", visit.mode.instrument, "Instrument used to acquire the data")]
    detector = dataset.detector.upper()
    cards.append(("DETECTOR", detector, "Name of detector used to acquire the data"))
    if detector.startswith("NRC"):
        cards.append(("MODULE", detector[3], "NIRCam module: A or B"))
        cards.append(("CHANNEL", "LONG" if detector.endswith("LONG") else "SHORT", "Instrument channel"))
    if detector.startswith("MIRIFU"):
        cards.append(("BAND", GRATINGS[dataset.activity], "MRS wavelength band"))
    cards += [(keyword, value, "Name of the element used") for keyword, value in band.keywords.items()]
    cards.append(("SUBARRAY", band.subarray, "Subarray used"))
    return cards


def exposure_cards(dataset: Dataset) -> list[Card]:
    """When and for how long."""
    visit = dataset.visit
    start, end = dataset.start, dataset.end
    return [
        ("DATE-OBS", iso(start)[:10], "[yyyy-mm-dd] UTC date at start of exposure"),
        ("TIME-OBS", iso(start)[11:], "[hh:mm:ss.sss] UTC time at start of exposure"),
        ("DATE-BEG", iso(start), "Date-time start of exposure"),
        ("DATE-END", iso(end), "Date-time end of exposure"),
        ("EXP_TYPE", visit.exp_type, "Type of data in the exposure"),
        ("EXPSTART", start, "[d] exposure start time in MJD, UTC"),
        ("EXPMID", (start + end) / 2, "[d] exposure mid time in MJD, UTC"),
        ("EXPEND", end, "[d] exposure end time in MJD, UTC"),
        ("READPATT", READOUT[visit.mode.instrument], "Readout pattern"),
        ("NINTS", integrations(visit), "Number of integrations in exposure"),
        ("NGROUPS", groups(visit), "Number of groups in integration"),
        ("EFFEXPTM", round(dataset.seconds, 3), "[s] Effective exposure time"),
        ("DURATION", round(dataset.seconds + 60, 3), "[s] Total duration of exposure"),
    ]


def primary(dataset: Dataset, filename: str, suffix: str) -> list[Card]:
    """The whole primary header of a product."""
    visit = dataset.visit
    raw = suffix in {"uncal", "msa"}
    software: list[Card] = [] if raw else [
        ("CAL_VER", visit.program.pipeline, "Calibration software version number"),
        ("CAL_VCS", "RELEASE", "Calibration software version control sys number"),
    ]  # fmt: skip
    combined: list[Card] = [] if raw else [("ASNTABLE", table_name(dataset), "Name of association used")]
    return [
        ("DATE", f"{WRITTEN}.000", "UTC date file created"),
        ("ORIGIN", "STSCI", "Organization responsible for creating file"),
        ("TIMESYS", "UTC", "Principal time system for time-related keywords"),
        ("FILENAME", filename, "Name of the file"),
        ("SDP_VER", "2025_1a", "Data processing software version number"),
        ("PRD_VER", "PRDOPSSOC-069", "S&OC PRD version number used in data processing"),
        *software,
        ("DATAMODL", MODELS[suffix], "Type of data model"),
        ("TELESCOP", "JWST", "Telescope used to acquire the data"),
        ("ASNPOOL", pool_name(visit).removesuffix(".csv"), "Name of the association pool"),
        *combined,
        *program_cards(dataset),
        ("TARGETID", target_number(visit), "Target number in the proposal"),
        *target_cards(dataset),
        *instrument_cards(dataset),
        *exposure_cards(dataset),
        *references(dataset, suffix),
    ]
