"""The demo archive, built once for all tests that read it, with its tables as rows."""

import json
from collections import defaultdict
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import astropy.io.fits
import astropy.table
import astropy.wcs
import numpy as np
import pytest

from portal.archives.base import Observation, Product
from portal.demo import build

# astropy carries no types
fits: Any = astropy.io.fits
tables: Any = astropy.table
worlds: Any = astropy.wcs


def rows(path: Path, of: Any) -> list[Any]:
    """The rows of a table as astropy reads it: masked values are None in numbers and blank in texts."""
    table = tables.Table.read(path, format="ascii.ecsv")
    names = [field.name for field in fields(of)]
    assert table.colnames == names
    blank = [field.default for field in fields(of)]
    return [
        of(*(empty if value is np.ma.masked else value for value, empty in zip(row, blank, strict=True)))
        for row in table
    ]


@dataclass
class DemoArchive:
    """What was built, and independent ways to count it."""

    built: build.Built

    @property
    def directory(self) -> Path:
        return self.built.directory

    @cached_property
    def observations(self) -> list[Observation]:
        return rows(self.directory / build.OBSERVATIONS, Observation)

    @cached_property
    def products(self) -> list[Product]:
        return rows(self.directory / build.PRODUCTS, Product)

    @cached_property
    def by_parent(self) -> dict[str, list[Product]]:
        grouped = defaultdict(list)
        for row in self.products:
            grouped[row.parent_obsid].append(row)
        return grouped

    @cached_property
    def paths(self) -> dict[str, Path]:
        """Where each file lies, by name."""
        return {path.name: path for path in (self.directory / build.FILES).rglob("*") if path.is_file()}

    def header(self, name: str, extension: int = 0) -> Any:
        """A FITS header."""
        return fits.getheader(self.paths[name], extension)

    def data(self, name: str, extension: str = "SCI") -> Any:
        """The array or table of an extension."""
        return fits.getdata(self.paths[name], extension)

    def json(self, name: str) -> Any:
        """A JSON file."""
        return json.loads(self.paths[name].read_text(encoding="utf-8"))


def demo_archive(directories: pytest.TempPathFactory) -> DemoArchive:
    """The small archive in a directory that can be a home: a test run builds it once and finds it again."""
    return DemoArchive(build.small(directories.getbasetemp() / "home" / "demo"))


def inside(polygon: str, ra: float, dec: float) -> bool:
    """Whether a polygon in STC-S holds a point, by its winding in the plane that touches the sky there."""
    values = [float(word) for word in polygon.split()[2:]]
    angles = [
        np.arctan2((r - ra + 180) % 360 - 180, (d - dec) / np.cos(np.radians(dec)))
        for r, d in zip(values[::2], values[1::2], strict=True)
    ]
    turns = np.diff([*angles, angles[0]])
    return bool(abs(np.sum((turns + np.pi) % (2 * np.pi) - np.pi)) > np.pi)
