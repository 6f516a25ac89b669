"""The demo's JWST programs: who observed what, with which mode, when, and who may read it.

Program numbers from 90101 are not in use, investigators are figures of the history of astronomy, targets
and positions are real. A Visit stands for one observation of a proposal (APT) and its only visit.
"""

from dataclasses import dataclass
from datetime import date

from portal.demo.jwst.modes import MODES, Mode
from portal.demo.jwst.optics import BANDS, Band
from portal.targets import Target, lookup

FIRST_IMAGES = date(2022, 7, 13)  # when early release observations became public
MJD_ORDINAL = 678576  # of MJD 0 in the proleptic Gregorian calendar
# Moving targets have no entry in portal.targets
MOVING = {"JUPITER": Target("JUPITER", 8.6127, 2.3149), "TITAN": Target("TITAN", 0.0, 0.0)}


@dataclass(frozen=True, slots=True)
class Program:
    """An observing program. `pipeline` is CAL_VER, `context` CRDS_CTX; `early` programs have thumbnails."""

    number: int
    pi: str
    title: str
    category: str = "GO"
    pipeline: str = "1.17.1"
    context: str = "jwst_1322.pmap"

    @property
    def early(self) -> bool:
        """Early release observations: public at once, previews with thumbnails."""
        return self.category == "DD"


OLD, MIDDLE = ("1.8.2", "jwst_0940.pmap"), ("1.13.4", "jwst_1215.pmap")
PROGRAMS = {
    program.number: program
    for program in (
        Program(90101, "Darquier, Antoine", "A census of knots and arcs in the Ring Nebula"),
        Program(90102, "de Cheseaux, Jean-Philippe", "Where the pillars of the Eagle crumble"),
        Program(90103, "Herschel, John", "Early release: the Southern Ring", "DD", *OLD),
        Program(90104, "Lacaille, Nicolas-Louis", "Early release: the Cosmic Cliffs of NGC 3324", "DD", *OLD),
        Program(90105, "Stephan, Edouard", "Shocks and starbursts in a compact group", "ERS", *MIDDLE),
        Program(90106, "Zwicky, Fritz", "Early release: lenses and lensed in SMACS J0723.3-7327", "DD", *MIDDLE),
        Program(90107, "Peiresc, Nicolas-Claude", "Jupiter-mass binaries around the Trapezium"),
        Program(90108, "Marius, Simon", "Rings, moons and aurorae of a giant planet", "ERS", *MIDDLE),
        Program(90109, "Horrocks, Jeremiah", "Air of hot and temperate worlds in transit", "GTO", *MIDDLE),
        Program(90110, "Lyot, Bernard", "Young giants and debris behind a mask", "GTO"),
        Program(90111, "Fizeau, Hippolyte", "Companions inside one diffraction width"),
        Program(90112, "Cannon, Annie", "The winds of R136: an integral-field view of 30 Doradus"),
        Program(90113, "Pogson, Norman", "Absolute flux calibration with solar analogues", "CAL"),
        Program(90114, "Brahe, Tycho", "Dust in the equatorial ring of SN 1987A"),
        Program(90115, "Parsons, William", "Feedback in the arms of nearby spirals"),
        Program(90116, "Leavitt, Henrietta", "The spokes of the Cartwheel", "ERS", *MIDDLE),
        Program(90117, "Flamsteed, John", "Unshocked ejecta of Cassiopeia A"),
        Program(90118, "Curtis, Heber", "The inner jet of M87"),
        Program(90119, "Lassell, William", "A census of the early Universe in COSMOS"),
        Program(90120, "Bevis, John", "The synchrotron heart of the Crab"),
        Program(90121, "Huygens, Christiaan", "Seasons of a hazy moon"),
    )
}

# Program and observation, target, exposure type, bands, start (MJD), seconds per exposure, dithers, roll (deg),
# and what else there is to say: see the fields of Visit
VISITS_TABLE = """
90101/1 | M 57 | NRC_IMAGE | F212N.B F335M.B | 59790.0913 | 1374.3 | 2 | 12 |
90101/2 | M 57 | MIR_IMAGE | F770W | 59811.6021 | 444.0 | 2 | 100 |
90102/1 | M 16 | NRC_IMAGE | F200W.B F444W.B | 59805.3317 | 2104.7 | 1 | 8 |
90103/1 | NGC 3132 | NIS_IMAGE | F150W.NIS | 59733.4107 | 858.9 | 2 | 75 |
90104/1 | NGC 3324 | NRC_IMAGE | F090W.AB F444W.AB | 59733.8042 | 1610.5 | 1 | 20 |
90105/1 | Stephan's Quintet | NRC_IMAGE | F150W.B F356W.B | 59741.2219 | 1181.1 | 1 | 30 | release=2022-07-13
90105/2 | Stephan's Quintet | MIR_MRS | CH1 CH3 | 59741.9102 | 1298.7 | 1 | 45 | release=2022-07-13
90106/1 | SMACS 0723 | NRC_IMAGE | F200W.B F356W.B | 59737.4203 | 3092.1 | 2 | -25 |
90106/2 | SMACS 0723 | NRS_MSASPEC | MSA | 59760.0877 | 2917.6 | 2 | 40 | sources=4590,6355,10612
90106/3 | SMACS 0723 | NIS_WFSS | F200W.GRISM | 59737.9011 | 2834.5 | 2 | -25 | sources=112
90107/1 | M 42 | NRC_IMAGE | F187N.B F470N.B | 61101.4418 | 773.0 | 1 | 33 | exclusive=2027-03-01
90108/1 | JUPITER | NRC_IMAGE | F212N.640 F335M.640 | 59787.5033 | 203.4 | 1 | -20 |
90109/1 | WASP-39 | NRS_BRIGHTOBJ | BRIGHT | 59770.6291 | 29611.0 | 1 | 10 | segments=2
90109/2 | WASP-96 | NIS_SOSS | SOSS | 59751.1507 | 23079.0 | 1 | 55 | segments=2 release=2022-07-13
90109/3 | WASP-39 | NRC_TSGRISM | F322W2.R | 59782.8880 | 29306.0 | 1 | 15 |
90109/4 | TRAPPIST-1 | MIR_LRS-SLITLESS | SLITLESS | 60256.2175 | 15003.0 | 1 | 80 |
90109/5 | TRAPPIST-1 | NRC_TSIMAGE | F210M.64 | 60301.7114 | 14210.0 | 1 | 70 |
90110/1 | HIP 65426 | NRC_CORON | F444W.MASK | 61197.552 | 3849.0 | 2 | 18 | exclusive=2028-01-15 reference=2
90110/2 | HIP 68245 | NRC_CORON | F444W.MASK | 61197.732 | 2104.0 | 1 | 18 | exclusive=2028-01-15 calibrates=1
90110/3 | Beta Pictoris | MIR_4QPM | F1065C | 60190.1105 | 3212.0 | 2 | -30 | reference=4
90110/4 | Alpha Pictoris | MIR_4QPM | F1065C | 60190.3208 | 1890.0 | 1 | -30 | calibrates=3
90111/1 | HIP 65426 | NIS_AMI | HOLES | 61187.2001 | 1830.0 | 2 | 95 | exclusive=2035-06-30 reference=2
90111/2 | HD 115842 | NIS_AMI | HOLES | 61187.3127 | 1830.0 | 1 | 95 | exclusive=2035-06-30 calibrates=1
90112/1 | 30 Doradus | NRS_IFU | IFU | 60012.8803 | 1458.8 | 2 | 64 |
90113/1 | P330-E | NRS_FIXEDSLIT | SLIT | 60150.0459 | 326.6 | 2 | 0 | release=2023-07-25 sources=1
90114/1 | SN 1987A | MIR_LRS-FIXEDSLIT | LRS | 60118.7712 | 1110.0 | 2 | 22 |
90115/1 | M 51 | MIR_IMAGE | F1130W | 60310.515 | 1998.0 | 2 | 35 |
90115/2 | NGC 1365 | MIR_IMAGE | F2100W | 59803.88 | 1243.2 | 1 | -50 |
90116/1 | ESO 350-40 | MIR_IMAGE | F1000W | 59782.6105 | 1221.0 | 1 | -10 | release=2022-08-02
90117/1 | Cassiopeia A | MIR_IMAGE | F1280W | 60540.2204 | 1332.0 | 1 | 0 | restricted
90118/1 | M 87 | NRC_IMAGE | F150W.B1 | 60480.9917 | 515.4 | 1 | 5 | ungrouped
90119/1 | COSMOS | NRS_MSASPEC | MSA | 0 | 9847.0 | 3 | 0 | planned
90119/2 | COSMOS | NRC_IMAGE | F277W.B | 0 | 2834.5 | 4 | 0 | planned
90120/1 | M 1 | NRC_IMAGE | F480M.B | 0 | 1203.0 | 4 | 0 | planned
90121/1 | TITAN | NRS_IFU | IFU | 0 | 875.3 | 2 | 0 | planned
"""

RIGHTS = {"exclusive": "EXCLUSIVE_ACCESS", "restricted": "RESTRICTED"}
CLASSES = {
    "M 57": "Star; Planetary nebulae",
    "NGC 3132": "Star; Planetary nebulae",
    "M 16": "ISM; H II regions",
    "NGC 3324": "ISM; Dense clouds",
    "Stephan's Quintet": "Clusters of Galaxies; Compact groups",
    "SMACS 0723": "Clusters of Galaxies; Rich clusters",
    "M 42": "Star; Young star clusters",
    "JUPITER": "Solar System; Planet",
    "TITAN": "Solar System; Satellite",
    "HIP 65426": "Star; Exoplanet Systems",
    "Beta Pictoris": "Star; Debris disks",
    "30 Doradus": "Star; Star clusters",
    "P330-E": "Calibration; Spectrophotometric",
    "SN 1987A": "ISM; Supernova remnants",
    "M 51": "Galaxy; Spiral galaxies",
    "NGC 1365": "Galaxy; Spiral galaxies",
    "ESO 350-40": "Galaxy; Ring galaxies",
    "Cassiopeia A": "ISM; Supernova remnants",
    "M 1": "ISM; Supernova remnants",
    "M 87": "Galaxy; Active galaxies",
    "COSMOS": "Galaxy; High-redshift galaxies",
}


@dataclass(frozen=True, slots=True)
class Visit:
    """An observation. `start` in MJD, `seconds` per exposure, `roll` in deg; public a year later or on `release`.

    `reference` is the number of the observation of a star that calibrates the point-spread function, and
    `calibrates` the other way round; `sources` are catalogue numbers; `ungrouped` ones have no stage 3.
    """

    program: Program
    number: int
    target: str
    exp_type: str
    bands: tuple[Band, ...]
    start: float
    seconds: float
    dithers: int
    roll: float
    rights: str = "PUBLIC"
    release: date | None = None
    sources: tuple[int, ...] = ()
    segments: int = 1
    reference: int = 0
    calibrates: int = 0
    ungrouped: bool = False
    planned: bool = False

    @property
    def mode(self) -> Mode:
        """The rules of its exposure type."""
        return MODES[self.exp_type]

    @property
    def moving(self) -> bool:
        """Whether it follows a body of the solar system."""
        return self.target in MOVING

    @property
    def place(self) -> Target:
        """Where it looks. Raises LookupError when the target is not a listed one."""
        found = MOVING.get(self.target) or lookup(self.target)
        if found is None:
            raise LookupError(
                f"portal.targets does not list {self.target!r}, which {self.program.number} observes."
            )
        return found

    @property
    def classification(self) -> str:
        """The target's description, as proposals give it."""
        return (
            "Calibration; Point spread function"
            if self.calibrates
            else CLASSES.get(self.target, "Star; Exoplanet Systems")
        )

    @property
    def public_on(self) -> float | None:
        """Release date, MJD; None where the data never become public or there are none."""
        if self.planned or self.rights == "RESTRICTED":
            return None
        day = self.release or (FIRST_IMAGES if self.program.early else None)
        return mjd(day) if day else self.start + 365


def mjd(day: date) -> float:
    """Modified Julian Date of the beginning of a day."""
    return float(day.toordinal() - MJD_ORDINAL)


def parse(line: str) -> Visit:
    """One line of the table."""
    name, target, exp_type, bands, start, seconds, dithers, roll, more = (part.strip() for part in line.split("|"))
    number, observation = name.split("/")
    words = dict(word.partition("=")[::2] for word in more.split())
    return Visit(
        PROGRAMS[int(number)],
        int(observation),
        target,
        exp_type,
        tuple(BANDS[band] for band in bands.split()),
        float(start),
        float(seconds),
        int(dithers),
        float(roll),
        rights=next((rights for word, rights in RIGHTS.items() if word in words), "PUBLIC"),
        release=date.fromisoformat(day) if (day := words.get("exclusive", words.get("release"))) else None,
        sources=tuple(int(source) for source in words.get("sources", "").split(",") if source),
        segments=int(words.get("segments", 1)),
        reference=int(words.get("reference", 0)),
        calibrates=int(words.get("calibrates", 0)),
        ungrouped="ungrouped" in words,
        planned="planned" in words,
    )


VISITS = [parse(line) for line in VISITS_TABLE.strip().splitlines()]
