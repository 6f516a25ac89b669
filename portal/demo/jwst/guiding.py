"""Guide-star files: what the Fine Guidance Sensor recorded while a visit was being set up and held.

They belong to the visit, and every exposure of it lists all of them. Source: JWST pipeline documentation,
"Guide star products".
"""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np

from portal.demo.fitsfile import WRITTEN, bundle, image, iso, table
from portal.demo.jwst.dataset import visit_id
from portal.demo.jwst.programs import Visit
from portal.demo.model import File
from portal.demo.sky.frame import Card
from portal.demo.sky.texture import rng

IDENTIFICATION = ("image_uncal", "image_cal", "stacked_uncal", "stacked_cal", "stream")
# Step: description, images of how many pixels, how many of them, minutes after the start
STEPS = {
    "gs-acq1": ("FGS1 guide star acquisition", 24, 2, 4),
    "gs-acq2": ("FGS2 guide star acquisition", 16, 2, 5),
    "gs-track": ("FGS guide star tracking", 12, 4, 7),
    "gs-fg": ("FGS guide star fine guide", 8, 6, 9),
}


def level(name: str) -> int:
    """Calibration level of a guide-star file: 2 for the calibrated ones."""
    return 2 if name.endswith("_cal.fits") else 1


def files(visit: Visit) -> list[File]:
    """The guide-star files of a visit: one identification, two of every later step."""
    stem = f"jw{visit_id(visit)}"
    made = []
    for kind in IDENTIFICATION:
        name = f"{stem}_gs-id_1_{kind}.fits"
        recipe = partial(exposure, visit, name, "gs-id", 48, 1)
        made.append(File(name, "FGS guide star identification", "AUXILIARY", "GS-ID", recipe))
    for step, (description, size, count, minutes) in STEPS.items():
        for again in range(2):
            moment = stamp(visit.start, minutes + 23 * again)
            for kind in ("stream", "uncal", "cal"):
                name = f"{stem}_{step}_{moment}_{kind}.fits"
                recipe = partial(exposure, visit, name, step, size, count)
                made.append(File(name, description, "AUXILIARY", step.upper(), recipe))
    return made


def stamp(start: float, minutes: int) -> str:
    """`yyyydddhhmmss` of a moment before the first exposure."""
    when = datetime(1858, 11, 17, tzinfo=UTC) + timedelta(days=start, minutes=minutes - 60)
    return when.strftime("%Y%j%H%M%S")


def exposure(visit: Visit, name: str, step: str, size: int, count: int) -> Any:
    """A star in a small window, and where the sensor found it."""
    dice = rng(name)
    x, y = size / 2 + dice.normal(0, 0.3, count), size / 2 + dice.normal(0, 0.3, count)
    rows, columns = np.indices((size, size))
    star = 900 * np.exp(-((columns - x[:, None, None]) ** 2 + (rows - y[:, None, None]) ** 2) / 3)
    pixels = star + 30 + 4 * dice.standard_normal(star.shape)
    raw = level(name) == 1
    cards: list[Card] = [
        ("DATE", f"{WRITTEN}.000", "UTC date file created"),
        ("FILENAME", name, "Name of the file"),
        ("DATAMODL", "GuiderRawModel" if raw else "GuiderCalModel", "Type of data model"),
        ("TELESCOP", "JWST", "Telescope used to acquire the data"),
        ("INSTRUME", "FGS", "Instrument used to acquire the data"),
        ("DETECTOR", "GUIDER1", "Name of detector used to acquire the data"),
        (
            "EXP_TYPE",
            {"gs-id": "FGS_ID-STACK", "gs-fg": "FGS_FINEGUIDE"}.get(step, step.upper().replace("GS-", "FGS_")),
            "Type of exposure",
        ),
        ("PROGRAM", f"{visit.program.number:05d}", "Program number"),
        ("OBSERVTN", f"{visit.number:03d}", "Observation number"),
        ("VISIT", "001", "Visit number"),
        ("DATE-OBS", iso(visit.start)[:10], "[yyyy-mm-dd] UTC date at start of exposure"),
        ("GDSTARID", f"S{dice.integers(10**5, 10**6)}", "Guide star identifier"),
    ]
    if not raw:
        cards += [
            ("CAL_VER", visit.program.pipeline, "Calibration software version number"),
            ("CRDS_CTX", visit.program.context, "CRDS context (.pmap) used to select ref files"),
            ("R_DARK", "crds://jwst_fgs_dark_0082.fits", "Dark reference file name"),
            ("R_FLAT", "crds://jwst_fgs_flat_0005.fits", "Flat reference file name"),
        ]
    data = np.clip(np.rint(pixels), 0, 65535).astype(np.uint16) if raw else pixels.astype(np.float32)
    if raw:
        return bundle(cards, [image("SCI", data, (), "DN")])
    centroids = [("guide_star_position_x", x, "arcsec"), ("guide_star_position_y", y, "arcsec")]
    return bundle(cards, [image("SCI", data, (), "DN/s"), table("POINTING", centroids)])
