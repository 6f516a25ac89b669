"""The demo's HST observations, and which files the instruments make of them.

Proposal numbers from 90201 and program codes `zz1` to `zz6` are not in use.
"""

from dataclasses import dataclass

from portal.targets import Target, lookup

SPRING_2027 = 61465.0  # MJD of 2027-03-01


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file: its ending, product sub-group, what MAST says of it, and what it holds."""

    ending: str
    group: str
    description: str
    category: str
    level: int
    content: str
    recommended: bool = False
    previews: tuple[str, ...] = ()


def science(
    ending: str,
    group: str,
    description: str,
    level: int,
    content: str,
    *,
    best: bool = False,
    previews: tuple[str, ...] = (),
) -> Kind:
    """A SCIENCE product."""
    return Kind(ending, group, description, "SCIENCE", level, content, best, previews)


def support(ending: str, description: str, content: str, level: int = 1) -> Kind:
    """An AUXILIARY product."""
    return Kind(ending, ending.upper(), description, "AUXILIARY", level, content)


JPG, PNG = (".jpg",), (".png",)
RAW = science("raw", "RAW", "Raw exposure COS/NICMOS/STIS/WFC3/ACS", 1, "raw", previews=JPG)
FLT = science("flt", "FLT", "DADS FLT file - Calibrated exposure ACS/WFC3/STIS/COS", 2, "flat", previews=JPG)
FLC = science("flc", "FLC", "Calibrated, CTE-corrected exposure ACS/WFC3", 2, "flat", best=True, previews=JPG)
IMA = science("ima", "IMA", "DADS IMA file - Intermediate Mult-Accum WFC3/NICMOS", 2, "reads")
DRZ = science(
    "drz",
    "DRZ",
    "DADS DRZ file - Calibrated combined image ACS/WFC3/WFPC2/STIS",
    3,
    "drizzle",
    best=True,
    previews=JPG,
)
DRC = science(
    "drc", "DRC", "Calibrated combined image, CTE-corrected ACS/WFC3", 3, "drizzle", best=True, previews=JPG
)
CRJ = science("crj", "CRJ", "Cosmic-ray rejected combined exposure (crc: CTE-corrected)", 2, "slit", previews=JPG)
SPECTRAL_RAW = science("raw", "RAW", RAW.description, 1, "slit", previews=JPG)
SPECTRAL_FLT = science("flt", "FLT", FLT.description, 2, "slit", previews=JPG)
SX1 = science("sx1", "SX1", "Extracted 1-D spectrum from CR-combined", 3, "curve", best=True, previews=PNG)
SX2 = science("sx2", "X2D", "Rectified 2-D spectrum (sx2: CR-combined)", 2, "slit", previews=JPG)
RAWTAG_A = science("rawtag_a", "RAWTAG", "Raw time-tag events COS", 1, "events")
RAWTAG_B = science("rawtag_b", "RAWTAG", "Raw time-tag events COS", 1, "events")
CORRTAG_A = science("corrtag_a", "CORRTAG", "Calibrated time-tag events", 2, "events")
CORRTAG_B = science("corrtag_b", "CORRTAG", "Calibrated time-tag events", 2, "events")
COUNTS_A = science("counts_a", "COUNTS", "Uncalibrated accumulated image", 2, "slit")
FLT_A = science("flt_a", "FLT", "Flat-fielded image per segment", 2, "slit")
LAMP = support("lampflash", "1-D extracted lamp spectrum (wavecal flash)", "curve", 2)
X1D = science("x1d", "X1D", "Extracted 1-D spectrum", 2, "curve", best=True, previews=PNG)
X1DSUM = science(
    "x1dsum", "X1DSUM", "Combined (summed) 1-D spectrum over FP-POS", 3, "curve", best=True, previews=PNG
)
ASN = support("asn", "Association table", "members")
SPT = support("spt", "Support, planning and telemetry (engineering) data", "text")
TRL = support("trl", "DADS TRL file - Processing log", "text")
JIF = support("jif", "DADS JIF file (jitter image)", "jitter")
JIT = support("jit", "DADS JIT file (jitter table)", "text")
EACH = (SPT, JIF, JIT)

PLANETARY = (
    science(
        "c0f",
        "C0F",
        "DADS C0F file - Calibrated exposure WFPC/WFPC2/FOC/FOS/GHRS/HSP (waivered)",
        2,
        "waivered",
        best=True,
        previews=JPG,
    ),
    science(
        "c1f",
        "C1F",
        "DADS C1F file - Calibrated exposure WFPC/FOC/FOS/GHRS/HSP (waivered)",
        2,
        "waivered",
        best=True,
    ),
    DRZ,
    science("c0m", "C0M", "DADS C0M file - Calibrated exposure WFPC2 (MEF)", 2, "chips"),
    science("c1m", "C1M", "DADS C1M file (data quality, MEF)", 2, "chips"),
    science("d0f", "D0F", "DADS D0F file - Raw exposure WFPC/WFPC2/FOC/FOS/GHRS/HSP", 1, "waivered"),
    science("d0m", "D0M", "DADS D0M file - Raw exposure WFPC2", 1, "chips"),
    support("c3m", "DADS C3M file - Calibrated exposure WFPC2", "text", 2),
    support("c3t", "DADS C3T file - Calibrated data WFPC2", "text", 2),
    support("cgr", "DADS CGR file - Calibrated data WFPC/FOC", "text", 2),
    support("dgr", "DADS DGR file - Raw data WFPC/FOC", "text"),
    support("q0f", "DADS Q0F file - Raw data quality WFPC/WFPC2/FOC/FOS/GHRS/HSP", "waivered"),
    support("q0m", "DADS Q0M file - Raw data quality WFPC2", "chips"),
    support("q1f", "DADS Q1F file - Calibrated data quality WFPC/WFPC2/FOC/FOS/GHRS/HSP", "text", 2),
    support("q1m", "DADS Q1M file - Calibrated data quality WFPC2", "text", 2),
    support("shf", "DADS SHF file - Engineering telemetry WFPC/WFPC2/FOC/FOS/GHRS/HSP", "text"),
    support("shm", "DADS SHM file - Engineering telemetry WFPC2", "text"),
    support("x0f", "DADS X0F file - Raw bias data WFPC/WFPC2/FOS", "text"),
    support("x0m", "DADS X0M file - Raw bias data WFPC2", "text"),
    TRL,
    JIF,
    JIT,
)


@dataclass(frozen=True, slots=True)
class Pointing:
    """An observation: `exposures` root names of an association, or none where it is a single exposure.

    `combined` are the kinds of the association, `each` those of every exposure. Wavelengths in um, `view`
    in arcsec, `start` and `release` in MJD.
    """

    root: str
    proposal: int
    pi: str
    title: str
    target: str
    instrument: str
    element: str
    range: tuple[float, float]
    view: float
    start: float
    seconds: float
    combined: tuple[Kind, ...]
    each: tuple[Kind, ...] = ()
    exposures: tuple[str, ...] = ()
    kind: str = "image"
    rights: str = "PUBLIC"
    release: float | None = None
    classification: str = ""

    @property
    def place(self) -> Target:
        """Where it looks. Raises LookupError when the target is not a listed one."""
        found = lookup(self.target)
        if found is None:
            raise LookupError(f"portal.targets does not list {self.target!r}, which {self.proposal} observes.")
        return found


POINTINGS = (
    Pointing(
        "izz101010", 90201, "Messier, Charles", "Cepheids in a barred spiral", "NGC 1365", "WFC3/UVIS",
        "F555W", (0.44, 0.71), 162, 58010.3122, 1410.0, (DRC, DRZ, ASN, TRL), (FLC, FLT, RAW, *EACH),
        ("izz101a1q", "izz101a3q"), classification="GALAXY;SPIRAL",
    ),
    Pointing(
        "izz201010", 90202, "Hubble, Edwin", "The faintest galaxies in the Ultra Deep Field", "HUDF", "WFC3/IR",
        "F160W", (1.4, 1.7), 130, 56190.7713, 2811.7, (DRZ, ASN, TRL), (FLT, IMA, RAW, *EACH),
        ("izz201b2q", "izz201b4q"), classification="UNIDENTIFIED;PARALLEL FIELD",
    ),
    Pointing(
        "jzz301010", 90203, "Mechain, Pierre", "Young clusters along the arms of the Whirlpool", "M 51", "ACS/WFC",
        "F814W", (0.68, 0.97), 202, 53390.1044, 1360.0, (DRC, DRZ, ASN, TRL), (FLC, FLT, RAW, *EACH),
        ("jzz301c1q", "jzz301c5q"), classification="GALAXY;SPIRAL",
    ),
    Pointing(
        "ozz401010", 90204, "Fraunhofer, Joseph", "Spectrophotometric standards for the next decade", "P330-E",
        "STIS/CCD", "G430L", (0.29, 0.57), 52, 57251.5527, 180.0,
        (SX1, SX2, CRJ, SPECTRAL_FLT, SPECTRAL_RAW, SPT, JIF, JIT, TRL),
        kind="spectrum", classification="CALIBRATION;SPECTROPHOTOMETRIC",
    ),
    Pointing(
        "lzz501010", 90205, "Seyfert, Carl", "Outflows from an active nucleus, five years on", "NGC 4151",
        "COS/FUV", "G130M", (0.113, 0.145), 2.5, 61101.4411, 2010.0, (X1DSUM, ASN, TRL),
        (X1D, CORRTAG_A, CORRTAG_B, FLT_A, COUNTS_A, RAWTAG_A, RAWTAG_B, LAMP, *EACH), ("lzz501d1q", "lzz501d3q"),
        "spectrum", "EXCLUSIVE_ACCESS", SPRING_2027, "GALAXY;SEYFERT",
    ),
    Pointing(
        "uzz60101t", 90206, "Herschel, Caroline", "Columns of dust in the Eagle Nebula", "M 16", "WFPC2/WFC",
        "F656N", (0.653, 0.659), 150, 49808.2210, 1100.0, PLANETARY, classification="ISM;H II REGION",
    ),
)  # fmt: skip
