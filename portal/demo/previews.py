"""Previews drawn from the very pixels and tables of a file, as MAST shows them beside each product.

An image is stretched by asinh and tinted by wavelength, blue for short and red for long; a spectrum or a
light curve becomes a line plot.
"""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from portal.demo.sky.frame import Array

PICTURE, THUMB = 380, 96  # pixels of the longer side
PLOT = (640, 320)
MARGIN = (64, 18, 18, 42)  # left, top, right, bottom
PAPER, INK, AXIS = (252, 252, 250), (20, 84, 140), (90, 90, 90)


def previews(hdulist: Any, endings: tuple[str, ...], tint: float) -> list[bytes]:
    """One preview for each ending: `.jpg` and `_thumb.jpg` of the picture, `.png` of the curve."""
    return [draw(hdulist, ending, tint) for ending in endings]


def draw(hdulist: Any, ending: str, tint: float) -> bytes:
    """A preview. `tint` is 0 for the shortest wavelengths, 1 for the longest."""
    if ending == ".png":
        return plot(*curve(hdulist))
    side = THUMB if ending == "_thumb.jpg" else PICTURE
    return picture(flat(hdulist), side, tint)


def flat(hdulist: Any) -> Array:
    """The first image of the file, cubes and ramps reduced to a picture of (rows, columns)."""
    chips = hdulist[0].data
    if chips is not None and len(chips) == 4:
        return np.asarray(np.block([[chips[0], chips[1]], [chips[2], chips[3]]]), dtype=float)
    data = next(hdu.data for hdu in hdulist if hdu.data is not None and hdu.is_image and hdu.data.ndim >= 2)
    pixels = np.asarray(data, dtype=float)
    if pixels.ndim == 4:
        pixels = pixels[0, -1]
    return np.asarray(np.median(pixels, axis=0) if pixels.ndim == 3 else pixels)


def stretch(pixels: Array) -> Array:
    """Brightness from 0 to 1 by asinh between the dark sky and the brightest pixels."""
    low, high = np.percentile(pixels, (4, 99.7))
    scaled = np.clip((pixels - low) / max(high - low, 1e-12), 0, 1)
    return np.asarray(np.arcsinh(14 * scaled) / np.arcsinh(14))


def colours(tint: float) -> npt.NDArray[np.uint8]:
    """256 colours from black through the tint to white."""
    cold, warm = np.array((0.25, 0.52, 1.0)), np.array((1.0, 0.46, 0.18))
    hue = cold + (warm - cold) * np.clip(tint, 0, 1)
    level = np.linspace(0, 1, 256)[:, None]
    ramp = hue * level**0.9 * (1 - level**3) + level**1.1 * level**2
    return np.asarray(np.clip(255 * ramp, 0, 255), dtype=np.uint8)


def picture(pixels: Array, side: int, tint: float) -> bytes:
    """A JPEG with north-south as in the pixels: the first row is at the bottom."""
    level = np.rint(255 * stretch(pixels)).astype(np.uint8)[::-1]
    made = Image.fromarray(colours(tint)[level])
    factor = side / max(made.size)
    size = (max(round(made.width * factor), 1), max(round(made.height * factor), 1))
    made = made.resize(size, Image.Resampling.BICUBIC)
    target = io.BytesIO()
    made.save(target, "JPEG", quality=78)
    return target.getvalue()


def curve(hdulist: Any) -> tuple[Array, Array, str, str]:
    """What to plot: flux against wavelength, or against time where a row holds a whole spectrum."""
    rows = next(hdu for hdu in hdulist if hdu.data is not None and not hdu.is_image)
    names = rows.columns.names
    flux = np.asarray(rows.data["FLUX"], dtype=float)
    if flux.ndim == 2:
        white = flux.sum(axis=1)
        return np.asarray(rows.data["MJD-AVG"], dtype=float), white / white.max(), "MJD", "relative flux"
    x = "WAVELENGTH" if "WAVELENGTH" in names else names[0]
    return np.asarray(rows.data[x], dtype=float), flux, "wavelength (um)", "flux (Jy)"


def plot(x: Array, y: Array, x_label: str, y_label: str) -> bytes:
    """A PNG of a line with labelled axes."""
    made = Image.new("RGB", PLOT, PAPER)
    pen = ImageDraw.Draw(made)
    left, top, right, bottom = MARGIN[0], MARGIN[1], PLOT[0] - MARGIN[2], PLOT[1] - MARGIN[3]
    low, high = span(y)
    across = left + (x - x.min()) / max(np.ptp(x), 1e-12) * (right - left)
    up = bottom - np.clip((y - low) / (high - low), 0, 1) * (bottom - top)
    pen.rectangle((left, top, right, bottom), outline=AXIS)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        place, height = left + share * (right - left), bottom - share * (bottom - top)
        pen.line((place, bottom, place, bottom + 4), fill=AXIS)
        pen.text((place, bottom + 6), f"{x.min() + share * np.ptp(x):.6g}", fill=AXIS, anchor="ma")
        pen.line((left - 4, height, left, height), fill=AXIS)
        pen.text((left - 7, height), f"{low + share * (high - low):.3g}", fill=AXIS, anchor="rm")
    pen.text(((left + right) / 2, PLOT[1] - 6), x_label, fill=INK, anchor="ms")
    pen.text((left + 8, top + 8), y_label, fill=INK, anchor="la")
    pen.line([(float(a), float(b)) for a, b in zip(across, up, strict=True)], fill=INK, width=1)
    target = io.BytesIO()
    made.save(target, "PNG", optimize=False)
    return target.getvalue()


def span(y: Array) -> tuple[float, float]:
    """Limits of an axis that show the line and leave out a few wild points."""
    low, high = np.percentile(y, (0.3, 99.9))
    room = max(0.08 * (high - low), 1e-12)
    return float(low - room), float(high + room)
