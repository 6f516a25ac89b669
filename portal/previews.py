"""Pictures of files and observations, and the address that serves one file's bytes."""

from datetime import datetime
from urllib.parse import quote

from django.urls import NoReverseMatch, reverse

from portal import access
from portal.models import Observation, Product

IMAGES = (".jpg", ".jpeg", ".png", ".gif")


def file_url(uri: str) -> str | None:
    """The path that serves one file's bytes; None where this installation does not serve any."""
    try:
        return f"{reverse('mast:file')}?uri={quote(uri, safe='/:')}"
    except NoReverseMatch:
        return None


def of_product(product: Product, user: access.User, now: datetime) -> str | None:
    """The path of a picture that the reader may see: the file itself, or the one beside it under the same name."""
    if product.productFilename.lower().endswith(IMAGES):
        return _first([product.dataURI], product.archive, user, now)
    stem = product.dataURI.rpartition(".")[0]
    return _first([f"{stem}{ending}" for ending in IMAGES], product.archive, user, now)


def of_observation(observation: Observation, user: access.User, now: datetime) -> str | None:
    """The same for an observation, by its jpegURL."""
    return _first([observation.jpegURL], observation.archive, user, now) if observation.jpegURL else None


def _first(uris: list[str], archive: str, user: access.User, now: datetime) -> str | None:
    """A picture is shown only where its bytes are here and the reader may have them."""
    here = Product.objects.filter(dataURI__in=uris, archive=archive, stored__isnull=False)
    allowed = [product for product in here if access.verdict(user, product, now).ok]
    return file_url(allowed[0].dataURI) if allowed else None
