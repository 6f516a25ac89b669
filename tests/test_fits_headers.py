"""Headers of FITS files, read by a process of its own: what is shown, and what a bad file cannot do."""

import gzip
import os
from pathlib import Path
from typing import Any

import astropy.io.fits
import pytest

from portal import fits_headers

fits: Any = astropy.io.fits


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A file with three units, as a JWST product has them."""
    primary = fits.PrimaryHDU()
    primary.header["TELESCOP"] = ("JWST", "Telescope used to acquire the data")
    primary.header["OK"] = True
    primary.header["HISTORY"] = "made <b>here</b>"
    primary.header["LONGTEXT"] = "x" * 5000
    path = tmp_path / "jw1_cal.fits"
    fits.HDUList([primary, fits.ImageHDU(name="SCI"), fits.ImageHDU(name="ERR")]).writeto(path)
    return path


def cards(unit: fits_headers.Unit) -> dict[str, tuple[str, str]]:
    return {card.keyword: (card.value, card.comment) for card in unit.cards}


def test_the_first_two_units_are_shown_with_every_card(image: Path) -> None:
    primary, science = fits_headers.read(str(image))
    assert (primary.name, primary.kind, science.name, science.kind) == ("PRIMARY", "Primary", "SCI", "Image")
    assert cards(primary)["TELESCOP"] == ("JWST", "Telescope used to acquire the data")
    assert cards(primary)["OK"][0] == "T"
    assert cards(primary)["HISTORY"][0] == "made <b>here</b>"
    assert len(cards(primary)["LONGTEXT"][0]) == 2000


def test_a_packed_file_is_read_too(image: Path) -> None:
    packed = image.with_suffix(".fits.gz")
    packed.write_bytes(gzip.compress(image.read_bytes()))
    assert [unit.name for unit in fits_headers.read(str(packed))] == ["PRIMARY", "SCI"]


def test_a_card_that_breaks_the_standard_is_shown_as_it_stands(image: Path) -> None:
    data = bytearray(image.read_bytes())
    place = data.index(b"TELESCOP=")
    data[place : place + 30] = b"TELESCOP= 'never closed       "
    image.write_bytes(data)
    primary, *_ = fits_headers.read(str(image))
    assert "never closed" in cards(primary)["TELESCOP"][0]


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", os.urandom(5000), b"SIMPLE  ="])
def test_what_is_no_fits_is_told_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "jw1_cal.fits"
    path.write_bytes(content)
    with pytest.raises(fits_headers.Unreadable, match="damaged, or no FITS file"):
        fits_headers.read(str(path))


def test_a_header_that_unpacks_to_no_end_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "jw1_cal.fits.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(b"SIMPLE  =                    T".ljust(80))
        for _ in range(600):
            stream.write(b" " * 1_000_000)
    with pytest.raises(fits_headers.Unreadable):
        fits_headers.read(str(path))


def test_a_file_that_is_gone_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(fits_headers.Unreadable, match="No such file"):
        fits_headers.read(str(tmp_path / "gone.fits"))


def test_names_that_are_taken_for_fits() -> None:
    assert all(map(fits_headers.is_fits, ["a.fits", "A.FITS", "a.fits.gz", "a.fit"]))
    assert not any(map(fits_headers.is_fits, ["a.jpg", "a.json", "fits"]))
