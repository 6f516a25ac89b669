"""The page of a file's FITS headers: they are a part of its bytes, and so are for those who may have them."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import astropy.io.fits
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from portal.access import datetime_to_mjd
from portal.models import Grant, Product, Program, StoredFile
from tests.catalogue import Catalogue

pytestmark = pytest.mark.django_db
fits: Any = astropy.io.fits


def stored(tmp_path: Path, **columns: Any) -> Product:
    """A FITS file whose header holds a secret."""
    product = Catalogue().product("jw1_cal.fits", **columns)
    path = tmp_path / "jw1_cal.fits"
    unit = fits.PrimaryHDU()
    unit.header["TARGNAME"] = "<script>SECRET</script>"
    unit.writeto(path)
    StoredFile.objects.create(product=product, path=str(path), size=path.stat().st_size, mtime_ns=1)
    return product


def exclusive() -> dict[str, Any]:
    release = datetime_to_mjd(timezone.now() + timedelta(days=30))
    return {"dataRights": "EXCLUSIVE_ACCESS", "t_obs_release": release, "proposal_id": "1234"}


def test_the_cards_are_shown_and_nothing_in_them_is_markup(client: Client, tmp_path: Path) -> None:
    page = client.get("/header/", {"uri": stored(tmp_path).dataURI})
    assert page.status_code == 200
    assert "&lt;script&gt;SECRET&lt;/script&gt;" in page.content.decode()


def test_headers_of_an_exclusive_file_are_for_its_program_alone(
    client: Client, alice: User, tmp_path: Path
) -> None:
    product = stored(tmp_path, **exclusive())
    refused = client.get("/header/", {"uri": product.dataURI})
    assert refused.status_code == 403
    assert "Exclusive access until" in refused.content.decode()
    assert "SECRET" not in refused.content.decode()
    program = Program.objects.create(obs_collection="JWST", proposal_id="1234")
    grant = Grant.objects.create(program=program, user=alice)
    client.force_login(alice)
    assert "SECRET" in client.get("/header/", {"uri": product.dataURI}).content.decode()
    grant.delete()
    assert client.get("/header/", {"uri": product.dataURI}).status_code == 403


@pytest.mark.parametrize("uri", ["", "mast:JWST/nothing.fits", "/etc/passwd", "mast:\x00"])
def test_an_unknown_uri_is_told(client: Client, uri: str) -> None:
    assert client.get("/header/", {"uri": uri}).status_code in {400, 404}


def test_a_file_without_bytes_and_a_picture_say_why_there_are_no_headers(client: Client) -> None:
    without = Catalogue().product("jw1_cal.fits")
    picture = Catalogue().product("jw1_cal.jpg")
    assert "no bytes for this file" in client.get("/header/", {"uri": without.dataURI}).content.decode()
    assert "no FITS file by its name" in client.get("/header/", {"uri": picture.dataURI}).content.decode()
