"""Put FITS files together: the same bytes on every run, with checksums of the FITS convention.

Sources: FITS Standard 4.0; Seaman, Pence & Rots, "FITS Checksum Proposal".
"""

import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import astropy.io.fits
import numpy as np
import numpy.typing as npt

from portal.demo.sky.frame import Card

# astropy's FITS interface carries no types
fits: Any = astropy.io.fits

# A table column: its name, values and unit
Column = tuple[str, npt.NDArray[Any], str]

WRITTEN = "2026-01-15T00:00:00"
NOTICE = (
    "DEMONSTRATION DATA. Names, headers and structure follow the rules of",
    "the mission; the pixels are synthetic, on a coarse grid, and measure",
    "nothing.",
)


def iso(mjd: float) -> str:
    """The moment of a Modified Julian Date (UTC) as FITS writes it, to the millisecond."""
    return (datetime(1858, 11, 17, tzinfo=UTC) + timedelta(days=mjd)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]


def header(cards: Iterable[Card]) -> Any:
    """An astropy header of (keyword, value, comment); a comment gives way to a long value."""
    return fits.Header([fits.Card(keyword, value, comment[: room(value)]) for keyword, value, comment in cards])


def room(value: str | float | bool) -> int:
    """Characters left for the comment of a card of 80."""
    width = max(len(value.replace("'", "''")) + 2, 20) if isinstance(value, str) else 25
    return max(80 - 10 - width - 3, 0)


def image(name: str, data: npt.NDArray[Any], cards: Sequence[Card] = (), unit: str = "", number: int = 1) -> Any:
    """An IMAGE extension. `number` is its EXTVER."""
    hdu = fits.ImageHDU(np.ascontiguousarray(data), header=header(cards), name=name, ver=number)
    if unit:
        hdu.header["BUNIT"] = (unit, "physical units of the array values")
    return hdu


def table(name: str, columns: Iterable[Column], cards: Sequence[Card] = (), number: int = 1) -> Any:
    """A BINTABLE extension of (name, values, unit); a two-dimensional array makes a vector column."""
    made = [
        fits.Column(name=label, array=values, format=code(values), unit=unit or None)
        for label, values, unit in columns
    ]
    return fits.BinTableHDU.from_columns(made, header=header(cards), name=name, ver=number)


def code(values: npt.NDArray[Any]) -> str:
    """The TFORM of a column."""
    if values.dtype.kind in "US":
        return f"{max(values.dtype.itemsize // (4 if values.dtype.kind == 'U' else 1), 1)}A"
    letter = {"f4": "E", "f8": "D", "i2": "I", "i4": "J", "i8": "K", "b1": "L"}[values.dtype.str[1:]]
    count = int(np.prod(values.shape[1:])) if values.ndim > 1 else 1
    return f"{count}{letter}"


def bundle(primary: Sequence[Card], extensions: Iterable[Any], data: npt.NDArray[Any] | None = None) -> Any:
    """An HDUList whose primary header ends with the notice that the data are synthetic."""
    first = fits.PrimaryHDU(data=data, header=header(primary))
    for line in NOTICE:
        first.header.add_comment(line)
    rest = list(extensions)
    first.header["NEXTEND"] = (len(rest), "number of file extensions")
    return fits.HDUList([first, *rest])


def encode(hdulist: Any) -> bytes:
    """The bytes of the file. ASCII tables go without a checksum: astropy formats them only on writing."""
    for hdu in hdulist:
        if not isinstance(hdu, fits.TableHDU):
            hdu.add_checksum(when=f"written {WRITTEN}")
    target = io.BytesIO()
    hdulist.writeto(target, output_verify="exception")
    return target.getvalue()
