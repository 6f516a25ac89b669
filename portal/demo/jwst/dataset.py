"""Datasets: the exposures of a visit and what stage 3 combines from them, with their names and places.

Names follow the JWST file naming schemes: `jw<ppppp><ooo><vvv>_<gg><s><aa>_<eeeee>[-seg<NNN>]_<detector>` for
exposures, `jw<ppppp>-<acid>_<target>_<instrument>_<optical elements>` for stage 3.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from portal.demo.jwst.optics import PIXELS, SHORT_WAVE, Band, offset
from portal.demo.jwst.programs import VISITS, Visit
from portal.demo.model import Owner
from portal.demo.sky.frame import Frame
from portal.demo.sky.texture import rng

DITHER = 4.1  # arcsec
INTEGRATIONS = 24  # of a time series, over all segments
OVERHEAD = 0.004  # days between exposures


@dataclass(frozen=True)
class Dataset:
    """Files that share a name. `detector` is MULTIPLE for stage 3; `source` a catalogue number or 0."""

    obs_id: str
    visit: Visit
    band: Band
    detector: str
    frame: Frame
    start: float
    activity: str = "01"
    exposure: int = 1
    segment: int = 0
    source: int = 0

    @property
    def combined(self) -> bool:
        """Whether stage 3 made it."""
        return self.detector == "MULTIPLE"

    @property
    def owner(self) -> Owner:
        """What its products are filed under."""
        return Owner(self.obs_id, self.visit.mode.kind, self.band.filters)

    @property
    def seconds(self) -> float:
        """Effective exposure time."""
        if self.combined:
            return self.visit.seconds * self.visit.dithers * len(self.band.activities)
        return self.visit.seconds / self.visit.segments

    @property
    def end(self) -> float:
        """MJD at which the last of it was exposed."""
        return self.start + (self.seconds + 60) / 86400

    @property
    def sources(self) -> tuple[int, ...]:
        """The sources whose spectra it holds: all in an exposure, one after stage 3; (0,) where it has none."""
        return (self.source,) if self.source else self.visit.sources or (0,)


def integrations(visit: Visit) -> int:
    """Integrations of an exposure, or of each segment of one."""
    if visit.mode.series:
        return INTEGRATIONS // visit.segments
    return 2 if visit.mode.level3 in {"coron3", "ami3"} else 1


def groups(visit: Visit) -> int:
    """Reads of an integration."""
    return 2 if visit.mode.series else 4


def visit_id(visit: Visit) -> str:
    """`ppppp`, `ooo`, `vvv` in one."""
    return f"{visit.program.number:05d}{visit.number:03d}001"


def acid(visit: Visit) -> str:
    """The association candidate: the observation, or the group of it and its reference star."""
    if visit.reference or visit.calibrates:
        return f"c{1000 + (min(visit.number, visit.reference or visit.calibrates) + 1) // 2}"
    return f"o{visit.number:03d}"


@cache
def target_number(visit: Visit) -> int:
    """The target's place in the proposal, from 1."""
    targets = list(dict.fromkeys(other.target for other in VISITS if other.program is visit.program))
    return targets.index(visit.target) + 1


@cache
def processed(visit: Visit) -> str:
    """When the pipeline last ran, as in the names of associations and pools; the same for both of a group."""
    day = datetime(2025, 2, 1, tzinfo=UTC) + timedelta(
        days=visit.program.number % 100 * 7 + int(acid(visit)[-3:]) % 7
    )
    second = int(rng("processed", visit.program.number, acid(visit)).integers(0, 86400))
    return (day + timedelta(seconds=second)).strftime("%Y%m%dt%H%M%S")


def pointing(visit: Visit) -> Frame:
    """A one-pixel frame on the target, turned as the visit is."""
    place = visit.place
    return Frame(round(place.ra, 6), round(place.dec, 6), 1, 1, 1.0, visit.roll)


def frame(visit: Visit, band: Band, detector: str, dither: int) -> Frame:
    """Where a detector looks in a dither position."""
    columns, rows, scale = PIXELS.get(detector, SHORT_WAVE)
    if band.field_of_view:
        columns, rows, scale = min(columns, rows), min(columns, rows), band.field_of_view / min(columns, rows)
    alone = band.field_of_view or band.detectors == (detector,)
    right, up = (0.0, 0.0) if alone else offset(detector, both_modules=len(band.detectors) in {2, 8})
    step = min(DITHER, 6 * scale) if dither else 0.0
    return pointing(visit).shifted(right + step, up + step / 2).resized(columns, rows, scale)


def exposures(visit: Visit, band: Band) -> list[Dataset]:
    """Every exposure of every detector of a band, in time order."""
    made = []
    runs = [
        (digit, n, s) for digit in band.activities for n in range(visit.dithers) for s in range(visit.segments)
    ]
    for order, (digit, dither, segment) in enumerate(runs):
        part = f"-seg{segment + 1:03d}" if visit.segments > 1 else ""
        for detector in band.detectors:
            name = f"jw{visit_id(visit)}_021{digit:0>2}_{dither + 1:05d}{part}_{detector}"
            start = visit.start + order * (visit.seconds / visit.segments / 86400 + OVERHEAD)
            where = frame(visit, band, detector, dither)
            number = segment + 1 if part else 0
            made.append(Dataset(name, visit, band, detector, where, start, f"{digit:0>2}", dither + 1, number))
    return made


def combination(visit: Visit, band: Band, source: int = 0) -> Dataset:
    """What stage 3 makes of a band, or of one source in it."""
    who = f"s{source:09d}" if source else f"t{target_number(visit):03d}"
    name = f"jw{visit.program.number:05d}-{acid(visit)}_{who}_{visit.mode.instrument.lower()}_{band.optics}"
    return Dataset(name, visit, band, "MULTIPLE", mosaic(visit, band, source), visit.start, source=source)


def mosaic(visit: Visit, band: Band, source: int) -> Frame:
    """The frame of a stage-3 product: all detectors of the band together, or the surroundings of a source."""
    base = pointing(visit)
    if source:
        dice = rng("source", visit.program.number, source)
        place = (0.0, 0.0) if len(visit.sources) == 1 else tuple(dice.uniform(-55, 55, 2))
        return base.shifted(*place).resized(24, 24, (band.field_of_view or 1.2) / 24)
    if band.field_of_view:
        size = 64 if visit.mode.kind == "image" else 40
        return base.resized(size, size, band.field_of_view / size)
    if band.detectors[0].startswith("nrc"):
        return base.resized(400, 180, 0.77) if len(band.detectors) in {2, 8} else base.resized(250, 250, 0.552)
    if band.detectors == ("nis",):
        return base.resized(250, 250, 0.552)
    return base.resized(170, 256, 0.46)


def planned_name(visit: Visit) -> str:
    """The obs_id of an observation that has not been made: visit group xx, no detector."""
    return f"jw{visit_id(visit)}_xx101_00001_{visit.mode.instrument.lower()}"
