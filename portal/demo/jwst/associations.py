"""Associations and pools: which exposures belong together, as the pipeline's generator writes it.

Source: JWST pipeline documentation, "Associations": a JSON file for each product, a pool with one line per
uncalibrated file, its columns separated by bars.
"""

import json
from functools import cache

from portal.demo.jwst.dataset import (
    Dataset,
    acid,
    exposures,
    groups,
    integrations,
    processed,
    target_number,
    visit_id,
)
from portal.demo.jwst.modes import RULES
from portal.demo.jwst.programs import VISITS, Visit

POOL_HEADER = (
    "FILENAME|OBS_ID|PROGRAM|OBS_NUM|VISIT|VISIT_ID|VISITGRP|VISITYPE|SEQ_ID|ACT_ID|EXPOSURE|EXP_TYPE|NEXPOSUR|EXPCOUNT"
    "|INSTRUME|DETECTOR|CHANNEL|TARGETID|TARGPROP|TARGNAME|TARGTYPE|TEMPLATE|PNTGTYPE|PNTG_SEQ|TARGORDN|EXPSPCIN"
    "|DITHPTIN|MOSTILNO|MODULE|FILTER|PUPIL|DITHERID|PATTTYPE|PATTSTRT|NUMDTHPT|PATTSIZE|SUBPXPTS|PATT_NUM|SUBPIXEL"
    "|APERNAME|SDP_VER|SUBARRAY|GRATING|FXD_SLIT|BAND|GWA_XTIL|GWA_YTIL|ASN_CANDIDATE|EXPOSERR|IS_PSF|IS_IMPRT"
    "|BKGDTARG|TSOVISIT|MSASTATE|MSAMETFL|OPMODE|LAMP|SPEC_NUM|SPAT_NUM|DMS_NOTE|EXSEGTOT|NINTS|NGROUPS|MTSHADOW"
)
POOL_COLUMNS = POOL_HEADER.split("|")


@cache
def partner(visit: Visit) -> Visit | None:
    """The other observation of a group of target and reference star."""
    number = visit.reference or visit.calibrates
    return next((other for other in VISITS if other.program is visit.program and other.number == number), None)


@cache
def exposed(visit: Visit) -> tuple[Dataset, ...]:
    """Every exposure of every detector of a visit."""
    return tuple(dataset for band in visit.bands for dataset in exposures(visit, band))


def members(combination: Dataset) -> list[Dataset]:
    """The exposures that stage 3 combines: those of the band, then those of the reference star."""
    visit, band = combination.visit, combination.band
    other = partner(visit)
    return exposures(visit, band) + (exposures(other, other.bands[0]) if other else [])


def table_name(dataset: Dataset) -> str:
    """The association that made a dataset: of its observation for an exposure, of the group for stage 3."""
    visit = dataset.visit
    if dataset.combined:
        number, kind, candidate = visit.bands.index(dataset.band) + 1, visit.mode.level3, acid(visit)
    else:
        number = [other.obs_id for other in exposed(visit)].index(dataset.obs_id) + 1
        kind, candidate = visit.mode.level2, f"o{visit.number:03d}"
    return f"jw{visit.program.number:05d}-{candidate}_{processed(visit)}_{kind}_{number:05d}_asn.json"


def pool_name(visit: Visit) -> str:
    """The pool of a visit's program as it was when the visit was processed."""
    return f"jw{visit.program.number:05d}_{processed(visit)}_pool.csv"


def candidates(visit: Visit) -> str:
    """The association candidates of an exposure, in the generator's words."""
    own = f"('o{visit.number:03d}', 'observation')"
    return f"[{own}, ('{acid(visit)}', 'group')]" if acid(visit).startswith("c") else f"[{own}]"


def member(dataset: Dataset, *, combining: bool) -> dict[str, str]:
    """An exposure as an association names it: its calibrated file for stage 3, its rates for stage 2."""
    calibrated = "calints" if "calints" in dataset.visit.mode.exposure else "cal"
    rates = "rateints" if calibrated == "calints" else "rate"
    return {
        "expname": f"{dataset.obs_id}_{calibrated if combining else rates}.fits",
        "exptype": "psf" if dataset.visit.calibrates and combining else "science",
        "exposerr": "null",
        "asn_candidate": candidates(dataset.visit),
    }


def association(dataset: Dataset) -> bytes:
    """The JSON of the association that made a dataset."""
    visit = dataset.visit
    kind = visit.mode.level3 if dataset.combined else visit.mode.level2
    name = dataset.obs_id
    if dataset.source:
        name = name.replace(f"s{dataset.source:09d}", "{source_id}")
    constraints = {
        "program": visit.program.number,
        "instrument": visit.mode.instrument.lower(),
        "exp_type": visit.exp_type,
    }
    content = {
        "asn_type": kind,
        "asn_rule": RULES[kind],
        "version_id": processed(visit),
        "code_version": visit.program.pipeline,
        "degraded_status": "No known degraded exposures in association.",
        "program": f"{visit.program.number:05d}",
        "constraints": "\n".join(
            f"DMSAttrConstraint({{'name': '{key}', 'value': '{value}'}})" for key, value in constraints.items()
        ),
        "asn_id": acid(visit) if dataset.combined else f"o{visit.number:03d}",
        "target": f"t{target_number(visit):03d}",
        "asn_pool": pool_name(visit),
        "products": [
            {
                "name": name,
                "members": [
                    member(each, combining=dataset.combined)
                    for each in (members(dataset) if dataset.combined else [dataset])
                ],
            }
        ],
    }
    return (json.dumps(content, indent=4) + "\n").encode()


def pool(visit: Visit) -> bytes:
    """The pool: a line for every uncalibrated file of the visit and of its partner."""
    other = partner(visit)
    visits = sorted([visit, *([other] if other else [])], key=lambda each: each.number)
    lines = [POOL_HEADER]
    for each in visits:
        listed = exposed(each)
        for count, dataset in enumerate(listed, start=1):
            known = pool_line(dataset, count, len(listed))
            lines.append("|".join(known.get(column, "NULL") for column in POOL_COLUMNS))
    return ("\n".join(lines) + "\n").encode()


def pool_line(dataset: Dataset, count: int, total: int) -> dict[str, str]:
    """What the pool knows of an exposure; the other columns are NULL."""
    visit, place = dataset.visit, dataset.visit.place
    known = {
        "FILENAME": f"{dataset.obs_id}_uncal.fits",
        "OBS_ID": f"V{visit_id(visit)}P00000000021{dataset.activity}",
        "PROGRAM": str(visit.program.number),
        "OBS_NUM": str(visit.number),
        "VISIT": "1",
        "VISIT_ID": visit_id(visit),
        "VISITGRP": "2",
        "VISITYPE": "PRIME_TARGETED_" + ("MOVING" if visit.moving else "FIXED"),
        "SEQ_ID": "1",
        "ACT_ID": dataset.activity,
        "EXPOSURE": str(dataset.exposure),
        "EXP_TYPE": visit.exp_type,
        "NEXPOSUR": str(total),
        "EXPCOUNT": str(count),
        "INSTRUME": visit.mode.instrument,
        "DETECTOR": dataset.detector.upper(),
        "TARGETID": str(target_number(visit)),
        "TARGPROP": place.name.upper().replace(" ", "-"),
        "TARGNAME": place.name.upper(),
        "TARGTYPE": "MOVING" if visit.moving else "FIXED",
        "TEMPLATE": visit.mode.template,
        "PNTGTYPE": "SCIENCE",
        "DITHPTIN": str(dataset.exposure),
        "NUMDTHPT": str(visit.dithers),
        "SDP_VER": "2025_1a",
        "SUBARRAY": dataset.band.subarray,
        "ASN_CANDIDATE": candidates(visit),
        "IS_PSF": "T" if visit.calibrates else "NULL",
        "BKGDTARG": "F",
        "TSOVISIT": "T" if visit.mode.series else "F",
        "LAMP": "OFF",
        "NINTS": str(integrations(visit)),
        "NGROUPS": str(groups(visit)),
    }
    return known | {key: value for key, value in dataset.band.keywords.items() if key in POOL_COLUMNS}
