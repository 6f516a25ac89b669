r"""What one cell of a table means: from whatever a reader gives, to the value that the catalogue keeps.

A cell is a text, a number, a truth value, bytes, or None where it is masked. Each function returns the clean
value or raises BadValue, whose text says what would be right. Known values: MAST's CAOM field documentation
(https://mast.stsci.edu/api/v0/_c_a_o_mfields.html, _productsfields.html) and rows that MAST has given.
"""

import math
import re
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation

from portal.archives.base import MRP
from portal.sky import RegionError, parse_s_region

Cell = object
Cleaner = Callable[[Cell], object]

# What astropy and the Portal write for a masked value
BLANKS = frozenset({"", "--", "null"})
LARGEST_SIZE = 2**53 - 1
LONGEST_NAME_BYTES = 255  # of a file or folder on ext4, APFS and NTFS
# Years 1 to 9999 as Modified Julian Dates, the ones that are dates to every program
FIRST_MJD, LAST_MJD = -678_575.0, 2_973_483.0

PRODUCT_TYPES = (
    "SCIENCE", "CALIBRATION", "BIAS", "DARK", "FLAT", "WAVECAL", "NOISE", "WEIGHT", "AUXILIARY", "INFO",
    "CATALOG", "LIGHTCURVE", "TARGETPIXELS", "PREVIEW", "PREVIEW_FULL", "PREVIEW_1D", "PREVIEW_2D",
    "PREVIEW1D", "PREVIEW2D", "THUMBNAIL", "PREVIEW_THUMB", "MINIMUM_SET", "RECOMMENDED_SET", "COMPLETE_SET",
    "WEBSERVICE",
)  # fmt: skip
DATAPRODUCT_TYPES = (
    "image", "spectrum", "sed", "timeseries", "visibility", "event", "eventlist", "cube", "catalog",
    "engineering", "measurements", "reference",
)  # fmt: skip
DATA_RIGHTS = ("PUBLIC", "EXCLUSIVE_ACCESS", "RESTRICTED")
ROW_TYPES = ("C", "S", "D")
CALIBRATION_LEVELS = range(-1, 5)

_UNSEEN_IN_TEXT = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)  # controls, bidi marks and overrides, bytes that are no UTF-8
_LINE_ENDS = re.compile(r"[\t\r\n]+")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_ROUNDED = re.compile(r"[0-9]+(\.[0-9]+)?[eE]\+?[0-9]+")
_DROPPED = "is in exponent form, as spreadsheets write it when they drop digits. Write all digits."
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:~-]*")
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):([^\s]+)")
_DRIVE = re.compile(r"[A-Za-z]:")
# Schemes that run or read something when a browser or a script follows them
_NO_ARCHIVE = frozenset({"javascript", "vbscript", "data", "file"})


class BadValue(ValueError):
    """A cell that the catalogue cannot keep; the text says what would be right."""


def plain(cell: Cell) -> str:
    """The cell as text, without spaces round it; blank where astropy would mask it."""
    if cell is None:
        return ""
    if isinstance(cell, bytes):
        cell = cell.decode("utf-8", "surrogateescape")
    text = str(cell).strip()
    return "" if text.lower() in BLANKS else text


def measured(cell: Cell) -> str:
    """The same for a number or what is written as one: NaN is a number's way of being blank."""
    text = plain(cell)
    return "" if text.lower() == "nan" else text


def free_text(longest: int | None) -> Cleaner:
    """Prose such as a title: line ends become spaces, other control characters are refused."""

    def clean(cell: Cell) -> str:
        text = _LINE_ENDS.sub(" ", plain(cell))
        if _UNSEEN_IN_TEXT.search(text):
            raise BadValue("holds control characters, or bytes that are not UTF-8. Remove them.")
        return _short_enough(text, longest)

    return clean


def name(longest: int | None) -> Cleaner:
    """A word that people and programs use as a name: nothing unseen in it."""

    def clean(cell: Cell) -> str:
        return _short_enough(_printable(plain(cell)), longest)

    return clean


def identifier(longest: int | None) -> Cleaner:
    """An obsid: digits in MAST, letters and . _ : ~ - besides elsewhere. 254258482.0 is 254258482."""

    def clean(cell: Cell) -> str:
        text = _without_fraction(measured(cell))
        if _ROUNDED.fullmatch(text):
            raise BadValue(_DROPPED)
        if text and not _IDENTIFIER.fullmatch(text):
            raise BadValue("is not an identifier. Write digits, as 254258482, or letters, digits, and . _ : ~ -")
        return _short_enough(text, longest)

    return clean


def numbered(longest: int | None) -> Cleaner:
    """A proposal: a number in most missions, letters in some (EGCJC). 5224.0 is 5224."""
    check = name(longest)
    return lambda cell: check(_without_fraction(measured(cell)))


def folder(longest: int | None) -> Cleaner:
    """A name that becomes a folder of the archive and of every delivery."""
    check = name(longest)

    def clean(cell: Cell) -> str:
        text = str(check(cell))
        if text:
            _stays_inside(text)
        return text

    return clean


def filename(longest: int | None) -> Cleaner:
    """The name of a file, without any folder."""
    check = folder(longest)

    def clean(cell: Cell) -> str:
        text = str(check(cell))
        if "/" in text:
            raise BadValue("has a slash in it. Write the file's name alone, as jw00625-o025_i2d.fits")
        return text

    return clean


def uri(longest: int | None) -> Cleaner:
    """A dataURI: mast:, http: or https:, or a scheme of one's own such as local:."""

    def clean(cell: Cell) -> str:
        text = _short_enough(_printable(plain(cell)), longest)
        found = _URI.fullmatch(text)
        if text and not found:
            raise BadValue("is not a URI. Write scheme:path without spaces, as mast:JWST/product/jw00625_i2d.fits")
        if found and found[1].lower() in _NO_ARCHIVE:
            raise BadValue(f"has the scheme {found[1]}, which names no file of an archive. Write mast: or local:")
        if found and ".." in found[2].replace("\\", "/").split("/"):
            raise BadValue("climbs out of its archive with “..”. Write the path without it.")
        return text

    return clean


def one_of(values: Iterable[str]) -> Cleaner:
    """One of the known words, in any case; kept in MAST's spelling."""
    known = {value.lower(): value for value in values}

    def clean(cell: Cell) -> str:
        text = plain(cell)
        if text and text.lower() not in known:
            raise BadValue(f"is not known. Write one of {', '.join(known.values())}, or leave it blank.")
        return known.get(text.lower(), "")

    return clean


def recommended(longest: int | None) -> Cleaner:
    """A product group: the one that counts is spelt as MAST does, because filters look for it."""
    check = name(longest)

    def clean(cell: Cell) -> str:
        text = str(check(cell))
        return MRP if text.lower() == MRP.lower() else text

    return clean


def whole(cell: Cell) -> int | None:
    """A whole number; 123.0 is 123."""
    text = measured(cell)
    if not text:
        return None
    if _WHOLE.fullmatch(text) and len(text) < 40:
        return int(text)
    if isinstance(cell, str) and _ROUNDED.fullmatch(text):
        raise BadValue(_DROPPED)
    try:
        number = Decimal(_digits(text))
    except InvalidOperation:
        raise BadValue("is not a number. Write a whole number in digits.") from None
    if not number.is_finite() or abs(number) >= Decimal(10) ** 30:
        raise BadValue("is not a number that can be kept. Write a whole number, or leave it blank.")
    if number != number.to_integral_value():
        raise BadValue("has a fraction. Write a whole number.")
    return int(number)


def size(cell: Cell) -> int | None:
    """A size in bytes; None where it is not known."""
    number = whole(cell)
    if number is not None and number < 0:
        raise BadValue("is negative. Write the size in bytes, or leave it blank when it is not known.")
    if number is not None and number > LARGEST_SIZE:
        raise BadValue("is larger than any file. Write the size in bytes.")
    return number


def calibration_level(cell: Cell) -> int | None:
    """-1 planned, 0 raw, 1 uncalibrated, 2 calibrated, 3 science product, 4 contributed."""
    number = whole(cell)
    if number is not None and number not in CALIBRATION_LEVELS:
        raise BadValue("is not a calibration level. Write -1 for planned, or 0, 1, 2, 3 or 4.")
    return number


def sequence_number(cell: Cell) -> int | None:
    """A Kepler quarter, a TESS sector; MAST writes -999 for none."""
    number = whole(cell)
    if number is not None and abs(number) >= 2**31:
        raise BadValue("is too large for a sequence number.")
    return None if number == -999 else number


def between(lowest: float, highest: float, what: str, blank: Callable[[Cell], str] = measured) -> Cleaner:
    """A finite number within limits, both included; `what` names the quantity with its limits.

    `blank` gives the cell's text, and decides by it whether the cell is blank.
    """

    def clean(cell: Cell) -> float | None:
        text = blank(cell)
        if not text:
            return None
        try:
            number = float(_digits(text))
        except ValueError:
            raise BadValue(f"is not a number. Write {what}, or leave it blank.") from None
        if not math.isfinite(number):
            raise BadValue(f"is not a finite number. Write {what}, or leave it blank.")
        if not lowest <= number <= highest:
            raise BadValue(f"is out of range. Write {what}.")
        return number

    return clean


def truth(cell: Cell) -> bool | None:
    """True or false in any of the ways in which tables write it; None where it is blank."""
    text = plain(cell).lower()
    if text in {"true", "t", "yes", "1", "1.0"}:
        return True
    if text in {"false", "f", "no", "0", "0.0"}:
        return False
    if text:
        raise BadValue("is neither true nor false.")
    return None


def region(cell: Cell) -> str:
    """A footprint in STC-S, as text; it must be one that `portal.sky` reads."""
    text = str(free_text(None)(cell))
    try:
        parse_s_region(text)
    except RegionError as error:
        raise BadValue(f"cannot be read: {error.message}") from None
    return text


def _digits(text: str) -> str:
    """The text; or no number, where only Python would read it as one (1_000, digits of other scripts)."""
    return text if text.isascii() and "_" not in text else "?"


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    unseen = next(c for c in text if not c.isprintable())
    raise BadValue(f"holds the character {unseen!a}, which cannot be seen. Remove it.")


def _short_enough(text: str, longest: int | None) -> str:
    if longest is not None and len(text) > longest:
        raise BadValue(f"has {len(text):,} characters; at most {longest:,} can be kept.")
    return text


def _without_fraction(text: str) -> str:
    digits, _, zeros = text.partition(".")
    return digits if digits.isdecimal() and not zeros.strip("0") else text


def _stays_inside(text: str) -> None:
    if "\\" in text:
        raise BadValue("has a backslash in it, which is a folder's end to some systems. Write a name without it.")
    if text.startswith("/") or _DRIVE.match(text):
        raise BadValue("is an absolute path. Write a name that stays inside the archive.")
    parts = text.split("/")
    if not all(part.strip(".") for part in parts):
        raise BadValue("climbs out of the archive, or names no folder. Write a name without “.” and “..” parts.")
    if any(len(part.encode("utf-8", "surrogateescape")) > LONGEST_NAME_BYTES for part in parts):
        raise BadValue(f"is longer than the {LONGEST_NAME_BYTES} bytes that file systems allow for a name.")
