"""Observations for tests of the search, made row by row."""

from dataclasses import asdict
from itertools import count

from portal.models import Observation
from portal.sky import footprint_of, sky_index

numbers = count(9_000_001)


def square(ra: float, dec: float, half: float) -> str:
    """An s_region: a square of ± half deg round a position away from the poles."""
    corners = [(ra - half, dec - half), (ra - half, dec + half), (ra + half, dec + half), (ra + half, dec - half)]
    return "POLYGON ICRS " + " ".join(f"{x % 360:.6f} {y:.6f}" for x, y in corners)


def observe(**columns: object) -> Observation:
    """One saved observation; the sky index is filled as ingest does."""
    obsid = str(columns.pop("obsid", next(numbers)))
    defaults: dict[str, object] = {
        "obs_collection": "JWST",
        "obs_id": f"jw-{obsid}",
        "dataRights": "PUBLIC",
        "calib_level": 3,
        "t_obs_release": 59000.0,
    }
    observation = Observation(obsid=obsid, **{**defaults, **columns})
    footprint = footprint_of(observation.s_region, observation.s_ra, observation.s_dec)
    if footprint is not None:
        for name, value in asdict(sky_index(footprint)).items():
            setattr(observation, name, value)
    observation.save()
    return observation
