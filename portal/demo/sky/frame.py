"""Where the pixels of an image lie on the sky: a gnomonic (TAN) world coordinate system.

Every detector of an observation keeps the target as its tangent point, so that offsets from the target are
linear in pixels, and a mosaic of detectors needs no reprojection. Source: Calabretta & Greisen 2002.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import astropy.wcs
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
WCS: Any = astropy.wcs.WCS
Card = tuple[str, str | float | int | bool, str]


@dataclass(frozen=True, slots=True)
class Frame:
    """`width` x `height` pixels of `scale` arcsec around a point `east`, `north` arcsec from (ra, dec) in deg.

    `roll` is the position angle of the image's vertical axis, deg from north through east.
    """

    ra: float
    dec: float
    width: int
    height: int
    scale: float
    roll: float = 0.0
    east: float = 0.0
    north: float = 0.0

    @property
    def rotation(self) -> tuple[float, float, float, float]:
        """PC1_1, PC1_2, PC2_1, PC2_2: east is to the left of north."""
        c, s = math.cos(math.radians(self.roll)), math.sin(math.radians(self.roll))
        return -c, s, s, c

    @property
    def reference_pixel(self) -> tuple[float, float]:
        """CRPIX1, CRPIX2: where the tangent point falls, often outside the image. Pixel centres count from 1."""
        a, b, c, d = self.rotation
        x, y = a * self.east + c * self.north, b * self.east + d * self.north
        return (self.width + 1) / 2 - x / self.scale, (self.height + 1) / 2 - y / self.scale

    def sky(self) -> tuple[Array, Array]:
        """Offsets east and north of the target, arcsec, at every pixel: two arrays of (height, width)."""
        x0, y0 = self.reference_pixel
        x = (np.arange(1, self.width + 1) - x0)[None, :] * self.scale
        y = (np.arange(1, self.height + 1) - y0)[:, None] * self.scale
        a, b, c, d = self.rotation
        return a * x + b * y, c * x + d * y

    def pixels(self, east: Array, north: Array) -> tuple[Array, Array]:
        """Zero-based pixel positions of points given as offsets from the target in arcsec."""
        x0, y0 = self.reference_pixel
        a, b, c, d = self.rotation
        return (
            (a * east + c * north) / self.scale + x0 - 1,
            (b * east + d * north) / self.scale + y0 - 1,
        )

    def cards(self) -> list[Card]:
        """The WCS keywords of the image, in JWST's order and words."""
        x0, y0 = self.reference_pixel
        a, b, c, d = self.rotation
        return [
            ("WCSAXES", 2, "number of World Coordinate System axes"),
            ("CRPIX1", round(x0, 6), "axis 1 coordinate of the reference pixel"),
            ("CRPIX2", round(y0, 6), "axis 2 coordinate of the reference pixel"),
            ("CRVAL1", self.ra, "first axis value at the reference pixel"),
            ("CRVAL2", self.dec, "second axis value at the reference pixel"),
            ("CTYPE1", "RA---TAN", "first axis coordinate type"),
            ("CTYPE2", "DEC--TAN", "second axis coordinate type"),
            ("CUNIT1", "deg", "first axis units"),
            ("CUNIT2", "deg", "second axis units"),
            ("CDELT1", self.scale / 3600, "first axis increment per pixel"),
            ("CDELT2", self.scale / 3600, "second axis increment per pixel"),
            ("PC1_1", round(a, 12), "linear transformation matrix element"),
            ("PC1_2", round(b, 12), "linear transformation matrix element"),
            ("PC2_1", round(c, 12), "linear transformation matrix element"),
            ("PC2_2", round(d, 12), "linear transformation matrix element"),
            ("RADESYS", "ICRS", "name of the coordinate reference frame"),
            ("S_REGION", self.region, "spatial extent of the observation"),
        ]

    @property
    def wcs(self) -> Any:
        """The same as an astropy.wcs.WCS."""
        made = WCS(naxis=2)
        made.wcs.crpix = self.reference_pixel
        made.wcs.crval = [self.ra, self.dec]
        made.wcs.cdelt = [self.scale / 3600, self.scale / 3600]
        made.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        a, b, c, d = self.rotation
        made.wcs.pc = [[a, b], [c, d]]
        return made

    @property
    def region(self) -> str:
        """The footprint of the outer pixel edges as STC-S, deg."""
        corners = self.wcs.calc_footprint(axes=(self.width, self.height), center=False)
        return "POLYGON ICRS  " + " ".join(f"{value:.9f}" for value in corners.ravel())

    @property
    def centre(self) -> tuple[float, float]:
        """Right ascension and declination of the middle of the image, deg."""
        ra, dec = self.wcs.wcs_pix2world((self.width - 1) / 2, (self.height - 1) / 2, 0)
        return float(ra), float(dec)

    def shifted(self, right: float, up: float) -> "Frame":
        """The same frame moved along its own axes, arcsec: a dither or the place of a detector."""
        a, b, c, d = self.rotation
        return replace(self, east=self.east + a * right + b * up, north=self.north + c * right + d * up)

    def resized(self, width: int, height: int, scale: float) -> "Frame":
        """Other pixels on the same point of the sky."""
        return replace(self, width=width, height=height, scale=scale)
