"""Observing modes: which files an exposure and a stage-3 observation have in each of them.

Source: JWST pipeline documentation, "Product types" and "Associations"; MAST documentation.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mode:
    """`exposure` and `combined` are suffixes in MAST's order; `level2`, `level3` association types.

    `label` is the instrument_name column, `kind` the dataproduct_type, `mode` what the images show:
    the sky, spectra, or a star behind a mask.
    """

    instrument: str
    label: str
    template: str
    kind: str
    exposure: tuple[str, ...]
    combined: tuple[str, ...]
    level2: str = "image2"
    level3: str = "image3"
    spectral: bool = False
    series: bool = False


RAMPS = ("uncal", "rate", "rateints")
PERSISTENT = (*RAMPS, "trapsfilled")
IMAGE = ("i2d", "cat", "segm")
SERIES = ("calints", "x1dints", "crfints")
WHITE = ("x1dints", "whtlt")
MASKED = ("calints", "crfints", "psfalign", "psfsub")
FRINGES = ("calints", "ami-oi", "amimulti-oi", "amilg")

MODES = {
    "NRC_IMAGE": Mode(
        "NIRCAM", "NIRCAM/IMAGE", "NIRCam Imaging", "image", (*PERSISTENT, "cal", "i2d", "crf"), IMAGE
    ),
    "NIS_IMAGE": Mode(
        "NIRISS", "NIRISS/IMAGE", "NIRISS Imaging", "image", (*PERSISTENT, "cal", "i2d", "crf"), IMAGE
    ),
    "MIR_IMAGE": Mode("MIRI", "MIRI/IMAGE", "MIRI Imaging", "image", (*RAMPS, "cal", "i2d", "crf"), IMAGE),
    "NRC_TSIMAGE": Mode(
        "NIRCAM", "NIRCAM/IMAGE", "NIRCam Time Series", "timeseries",
        (*PERSISTENT, "calints", "crfints"), ("phot",), "tso-image2", "tso3", series=True,
    ),
    "NRC_TSGRISM": Mode(
        "NIRCAM", "NIRCAM/GRISM", "NIRCam Grism Time Series", "timeseries",
        (*PERSISTENT, *SERIES), WHITE, "tso-spec2", "tso3", spectral=True, series=True,
    ),
    "NIS_SOSS": Mode(
        "NIRISS", "NIRISS/SOSS", "NIRISS Single-Object Slitless Spectroscopy", "timeseries",
        (*PERSISTENT, *SERIES), WHITE, "tso-spec2", "tso3", spectral=True, series=True,
    ),
    "NRS_BRIGHTOBJ": Mode(
        "NIRSPEC", "NIRSPEC/SLIT", "NIRSpec Bright Object Time Series", "timeseries",
        (*RAMPS, *SERIES), WHITE, "tso-spec2", "tso3", spectral=True, series=True,
    ),
    "MIR_LRS-SLITLESS": Mode(
        "MIRI", "MIRI/SLITLESS", "MIRI Low Resolution Spectroscopy", "timeseries",
        (*RAMPS, *SERIES), WHITE, "tso-spec2", "tso3", spectral=True, series=True,
    ),
    "NRC_CORON": Mode(
        "NIRCAM", "NIRCAM/CORON", "NIRCam Coronagraphic Imaging", "image",
        (*PERSISTENT, *MASKED), ("psfstack", "i2d"), "image2", "coron3",
    ),
    "MIR_4QPM": Mode(
        "MIRI", "MIRI/CORON", "MIRI Coronagraphic Imaging", "image",
        (*RAMPS, *MASKED), ("psfstack", "i2d"), "image2", "coron3",
    ),
    "NIS_AMI": Mode(
        "NIRISS", "NIRISS/AMI", "NIRISS Aperture Masking Interferometry", "measurements",
        (*PERSISTENT, *FRINGES), ("aminorm-oi",), "image2", "ami3",
    ),
    "NIS_WFSS": Mode(
        "NIRISS", "NIRISS/WFSS", "NIRISS Wide Field Slitless Spectroscopy", "spectrum",
        (*PERSISTENT, "cal", "x1d"), ("cal", "crf", "x1d", "c1d"), "spec2", "spec3", spectral=True,
    ),
    "NRS_MSASPEC": Mode(
        "NIRSPEC", "NIRSPEC/MSA", "NIRSpec MultiObject Spectroscopy", "spectrum",
        (*RAMPS, "cal", "s2d", "x1d", "msa"), ("crf", "s2d", "x1d"), "spec2", "spec3", spectral=True,
    ),
    "NRS_FIXEDSLIT": Mode(
        "NIRSPEC", "NIRSPEC/SLIT", "NIRSpec Fixed Slit Spectroscopy", "spectrum",
        (*RAMPS, "cal", "s2d", "x1d"), ("cal", "crf", "s2d", "x1d"), "spec2", "spec3", spectral=True,
    ),
    "NRS_IFU": Mode(
        "NIRSPEC", "NIRSPEC/IFU", "NIRSpec IFU Spectroscopy", "cube",
        (*RAMPS, "cal", "s3d", "x1d", "crf"), ("s3d", "x1d"), "spec2", "spec3", spectral=True,
    ),
    "MIR_MRS": Mode(
        "MIRI", "MIRI/IFU", "MIRI Medium Resolution Spectroscopy", "cube",
        (*RAMPS, "cal", "s3d", "x1d", "crf"), ("s3d", "x1d"), "spec2", "spec3", spectral=True,
    ),
    "MIR_LRS-FIXEDSLIT": Mode(
        "MIRI", "MIRI/SLIT", "MIRI Low Resolution Spectroscopy", "spectrum",
        (*RAMPS, "cal", "s2d", "x1d", "crf"), ("s2d", "x1d"), "spec2", "spec3", spectral=True,
    ),
}  # fmt: skip

RULES = {
    "image2": "Asn_Lv2Image", "spec2": "Asn_Lv2Spec",
    "tso-image2": "Asn_Lv2ImageTSO", "tso-spec2": "Asn_Lv2SpecTSO",
    "image3": "candidate_Asn_Lv3Image", "spec3": "candidate_Asn_Lv3SpectralTarget", "tso3": "candidate_Asn_Lv3TSO",
    "coron3": "candidate_Asn_Lv3Coron", "ami3": "candidate_Asn_Lv3AMI",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Suffix:
    """What MAST's product table says of a kind of file, and the previews it has."""

    description: str
    category: str = "SCIENCE"
    level: int = 2
    previews: tuple[str, ...] = (".jpg",)


RAMP_LEVEL = "exposure (L1b): Uncalibrated 4D exposure data"
I2D = Suffix("exposure/target (L2b/L3): rectified 2D image")
X1D = Suffix("exposure/target (L2b/L3): 1D extracted spectrum", previews=(".png",))

EXPOSURE = {
    "uncal": Suffix(RAMP_LEVEL, level=1),
    "rate": Suffix("exposure (L2a): 2D count rate averaged over integrations"),
    "rateints": Suffix("exposure (L2a): 3D countrate per integration"),
    "trapsfilled": Suffix("exposure (L2a): charge trap product for persistence", "AUXILIARY"),
    "cal": Suffix("exposure (L2b): 2D calibrated exposure average over integrations"),
    "calints": Suffix("exposure (L2b): 3D calibrated exposure"),
    "i2d": I2D,
    "s2d": Suffix("exposure/target (L2b/L3): 2D image of spectrum avg integrations"),
    "s3d": Suffix("3-D resampled spectroscopic data; NIRSpec IFU and MIRI MRS"),
    "x1d": X1D,
    "x1dints": Suffix("1-D spectral data (per integration)", previews=(".png",)),
    "crf": Suffix("exposure (L2c): 2D Calibrated data averaged over integrations"),
    "crfints": Suffix("3-D CR-flagged calibrated data"),
    "msa": Suffix("MSA metadata", "AUXILIARY", 1, ()),
    "psfalign": Suffix("Aligned PSF images", level=3),
    "psfsub": Suffix("PSF-subtracted images", level=3),
    "ami-oi": Suffix("Averaged observables", level=3, previews=()),
    "amimulti-oi": Suffix("Observables (per integration)", level=3, previews=()),
    "amilg": Suffix("Fringe parameters, best-fit models", level=3, previews=()),
}

COMBINED = {
    "i2d": I2D,
    "cat": Suffix("target   (L3) : source catalog", previews=()),
    "segm": Suffix("target   (L3) : segmentation map", "AUXILIARY"),
    "cal": EXPOSURE["cal"],
    "crf": Suffix("exposure/target (L2b/L3): 2D Calibrated data averaged over integrations"),
    "s2d": EXPOSURE["s2d"],
    "s3d": EXPOSURE["s3d"],
    "x1d": X1D,
    "c1d": Suffix("1-D combined spectroscopic data", previews=(".png",)),
    "x1dints": Suffix("TSO 1-D extracted spectra", previews=(".png",)),
    "whtlt": Suffix("TSO spectral white-light catalog", previews=()),
    "phot": Suffix("TSO imaging photometry catalog", previews=()),
    "psfstack": Suffix("PSF library images"),
    "aminorm-oi": Suffix("Normalized observables", previews=()),
}

# Since late 2025 the files of a source in the micro-shutter array carry the words of the exposures
SOURCE = {
    "crf": Suffix("exposure (L2c): 2D Calibrated data averaged over integrations"),
    "s2d": Suffix("exposure(L2c): 2D image of spectrum avg integrations"),
    "x1d": Suffix("exposure(L2c): 1D extracted spectrum", previews=(".png",)),
}

AFTER_STAGE_3 = ("crf", "crfints", "psfalign", "psfsub", "ami-oi", "amimulti-oi", "amilg")
TABLES = ("cat", "whtlt", "phot")


def group(suffix: str, *, of_exposure: bool, instrument_label: str) -> str:
    """The product sub-group: the suffix in capitals, after `ANNNN_` for files made with stage 3's knowledge."""
    per_source = instrument_label == "NIRSPEC/MSA" and not of_exposure
    late = suffix in {"crf", "crfints"} and of_exposure
    return ("ANNNN_" if per_source or late else "") + suffix.upper()
