"""Bands: the optical elements of an observation, the detectors behind them and where those look."""

from dataclasses import dataclass, field

# Wavelength ranges in um: half-power points of the filters (JWST User Documentation)
RANGES = {
    "F090W": (0.795, 1.005), "F150W": (1.331, 1.668), "F200W": (1.755, 2.227), "F210M": (1.992, 2.201),
    "F212N": (2.109, 2.134), "F187N": (1.863, 1.884), "F182M": (1.722, 1.968), "F277W": (2.423, 3.132),
    "F335M": (3.177, 3.537), "F356W": (3.135, 3.981), "F444W": (3.881, 4.982), "F470N": (4.683, 4.733),
    "F322W2": (2.432, 4.013), "F480M": (4.662, 4.973), "F430M": (4.186, 4.395), "F158M": (1.488, 1.688),
    "F770W": (6.575, 8.750), "F1000W": (9.023, 10.891), "F1130W": (10.95, 11.667), "F1280W": (11.588, 14.115),
    "F1065C": (10.188, 10.938), "F2100W": (18.479, 23.159),
    "PRISM": (0.6, 5.3), "G140M": (0.97, 1.84), "G395M": (2.87, 5.10), "G235H": (1.66, 3.05),
    "GR150C": (1.755, 2.227), "GR700XD": (0.6, 2.8), "P750L": (5.0, 14.0),
    "CH1": (4.9, 7.65), "CH3": (11.55, 17.98),
}  # fmt: skip

SW_B = ("nrcb1", "nrcb2", "nrcb3", "nrcb4")
LW_B = ("nrcblong",)
SW_ALL = ("nrca1", "nrca2", "nrca3", "nrca4", *SW_B)
LW_ALL = ("nrcalong", "nrcblong")

# Detector: columns, rows, arcsec per (binned) pixel
PIXELS = {
    "nrcalong": (60, 60, 129 / 60), "nrcblong": (60, 60, 129 / 60), "nis": (60, 60, 133 / 60),
    "mirimage": (56, 86, 74 / 56), "nrs1": (32, 32, 3 / 32), "nrs2": (32, 32, 3 / 32),
    "mirifushort": (32, 32, 3.6 / 32), "mirifulong": (32, 32, 6.4 / 32),
}  # fmt: skip
SHORT_WAVE = (60, 60, 64 / 60)
MODULE = 87.0  # arcsec from the boresight to the middle of a NIRCam module
CHIP = 34.5  # arcsec from there to the middle of a short-wave detector
CORNERS = {"1": (-1, -1), "2": (-1, 1), "3": (1, -1), "4": (1, 1)}


@dataclass(frozen=True)
class Band:
    """Optical elements as names, columns and headers spell them; `keywords` are FITS keywords.

    `field_of_view` in arcsec replaces the detector's own where a subarray, slit or aperture is used.
    `activities` has one digit for each activity of a visit that exposes: the three gratings of the MRS.
    """

    optics: str
    filters: str
    element: str
    detectors: tuple[str, ...]
    keywords: dict[str, str] = field(default_factory=dict, hash=False)
    subarray: str = "FULL"
    field_of_view: float = 0.0
    activities: str = "1"

    @property
    def range(self) -> tuple[float, float]:
        """Wavelengths in um."""
        return RANGES[self.element]

    @property
    def wavelength(self) -> float:
        """The middle of the band in um."""
        return sum(self.range) / 2


def nircam(element: str, detectors: tuple[str, ...], subarray: str = "FULL", view: float = 0.0) -> Band:
    """A NIRCam filter; F470N sits in the pupil wheel in front of F444W."""
    if element == "F470N":
        return Band("f444w-f470n", "F444W;F470N", element, detectors, {"FILTER": "F444W", "PUPIL": "F470N"})
    names = {"FILTER": element, "PUPIL": "CLEAR"}
    ending = "" if subarray == "FULL" else f"-{subarray.lower()}"
    return Band(f"clear-{element.lower()}{ending}", element, element, detectors, names, subarray, view)


def band(
    filters: str,
    element: str,
    detectors: str,
    view: float,
    subarray: str = "",
    *aperture: str,
    **keywords: str,
) -> Band:
    """Any other combination: a product name is its elements (the `aperture` too) and its subarray."""
    parts = [*filters.split(";"), *aperture, *([subarray] if subarray else [])]
    return Band(
        "-".join(parts).lower(), filters, element, tuple(detectors.split()), keywords, subarray or "FULL", view
    )


# As a visit of portal.demo.jwst.programs names them
BANDS = {
    "F212N.B": nircam("F212N", SW_B),
    "F335M.B": nircam("F335M", LW_B),
    "F200W.B": nircam("F200W", SW_B),
    "F444W.B": nircam("F444W", LW_B),
    "F090W.AB": nircam("F090W", SW_ALL),
    "F444W.AB": nircam("F444W", LW_ALL),
    "F150W.B": nircam("F150W", SW_B),
    "F356W.B": nircam("F356W", LW_B),
    "F187N.B": nircam("F187N", SW_B),
    "F470N.B": nircam("F470N", LW_B),
    "F277W.B": nircam("F277W", LW_B),
    "F480M.B": nircam("F480M", LW_B),
    "F150W.B1": nircam("F150W", ("nrcb1",)),
    "F212N.640": nircam("F212N", ("nrcb1",), "SUB640", 64),
    "F335M.640": nircam("F335M", LW_B, "SUB640", 64),
    "F210M.64": nircam("F210M", ("nrcb1",), "SUB64P", 4),
    "F322W2.R": band("F322W2;GRISMR", "F322W2", "nrcalong", 129, "SUBGRISM256", FILTER="F322W2", PUPIL="GRISMR"),
    "F444W.MASK": band(
        "F444W;MASKRND", "F444W", "nrcalong", 20, "SUB320A335R",
        FILTER="F444W", PUPIL="MASKRND", CORONMSK="MASKA335R",
    ),
    "F150W.NIS": band("CLEAR;F150W", "F150W", "nis", 0, FILTER="CLEAR", PUPIL="F150W"),
    "F200W.GRISM": band("F200W;GR150C", "GR150C", "nis", 0, FILTER="GR150C", PUPIL="F200W"),
    "SOSS": band("CLEAR;GR700XD", "GR700XD", "nis", 133, "SUBSTRIP256", FILTER="CLEAR", PUPIL="GR700XD"),
    "HOLES": band("F430M;NRM", "F430M", "nis", 5.2, "SUB80", FILTER="F430M", PUPIL="NRM"),
    "MSA": band("F290LP;G395M", "G395M", "nrs1 nrs2", 1.2, FILTER="F290LP", GRATING="G395M"),
    "IFU": band("G235H;F170LP", "G235H", "nrs1 nrs2", 3, FILTER="F170LP", GRATING="G235H"),
    "BRIGHT": band(
        "CLEAR;PRISM", "PRISM", "nrs1", 1.6, "SUB512", "S1600A1",
        FILTER="CLEAR", GRATING="PRISM", FXD_SLIT="S1600A1",
    ),
    "SLIT": band(
        "F100LP;G140M", "G140M", "nrs1", 1.6, "SUB2048", "S1600A1",
        FILTER="F100LP", GRATING="G140M", FXD_SLIT="S1600A1",
    ),
    "F770W": band("F770W", "F770W", "mirimage", 0, FILTER="F770W"),
    "F1000W": band("F1000W", "F1000W", "mirimage", 0, FILTER="F1000W"),
    "F1130W": band("F1130W", "F1130W", "mirimage", 0, FILTER="F1130W"),
    "F1280W": band("F1280W", "F1280W", "mirimage", 0, FILTER="F1280W"),
    "F2100W": band("F2100W", "F2100W", "mirimage", 0, FILTER="F2100W"),
    "F1065C": band("F1065C", "F1065C", "mirimage", 24, "MASK1065", FILTER="F1065C", CORONMSK="4QPM_1065"),
    "LRS": band("P750L", "P750L", "mirimage", 4.7, FILTER="P750L"),
    "SLITLESS": band("P750L", "P750L", "mirimage", 8, "SLITLESSPRISM", FILTER="P750L"),
    "CH1": Band("ch1-shortmediumlong", "CH1", "CH1", ("mirifushort",), {"CHANNEL": "12"}, "FULL", 3.6, "135"),
    "CH3": Band("ch3-shortmediumlong", "CH3", "CH3", ("mirifulong",), {"CHANNEL": "34"}, "FULL", 6.4, "135"),
}  # fmt: skip


def offset(detector: str, *, both_modules: bool) -> tuple[float, float]:
    """Arcsec to the right of and above the boresight at which the middle of a NIRCam detector looks."""
    if not detector.startswith("nrc"):
        return 0.0, 0.0
    side = (-MODULE if detector[3] == "a" else MODULE) if both_modules else 0.0
    across, up = CORNERS.get(detector[-1], (0, 0))
    return side + across * CHIP, up * CHIP
