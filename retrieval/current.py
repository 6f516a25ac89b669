"""Whose retrievals a request may see: a person's own, or those of a stranger's session.

Strangers are known by a key in their session, which survives signing in; what they retrieved is then theirs.
"""

from io import BytesIO
from typing import Protocol
from urllib.parse import parse_qsl

from django.conf import settings
from django.http import HttpRequest

from basket.models import Basket
from portal.addresses import client_address
from portal.errors import Problem
from retrieval import history

KEY = "retrievals"


class Readable(Protocol):
    """A stream of bytes, or a request."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes."""
        ...


def address_of(request: HttpRequest) -> str:
    """The address of whoever asks, behind trusted proxies too."""
    remote, forwarded = request.META.get("REMOTE_ADDR", ""), request.headers.get("X-Forwarded-For", "")
    return client_address(remote, forwarded, settings.TRUSTED_PROXIES)


def basket_of(request: HttpRequest) -> Basket:
    """The basket that basket.middleware found."""
    basket: Basket = request.basket  # type: ignore[attr-defined]  # set by basket.middleware
    return basket


def known_key(request: HttpRequest) -> str:
    """The key of a stranger's retrievals, blank where there are none. At the first look after signing in, what the
    stranger retrieved becomes the person's own."""
    key: str = request.session.get(KEY, "")
    if not key or not request.user.is_authenticated:
        return key
    history.take_over(key, request.user)
    del request.session[KEY]
    return ""


def lasting_key(request: HttpRequest) -> str:
    """The same for whoever is about to retrieve something: a stranger's is remembered from now on."""
    key = known_key(request) or basket_of(request).key
    if not request.user.is_authenticated:
        request.session[KEY] = key
    return key


def uris_of(request: HttpRequest, most_bytes: int) -> list[str]:
    """The values of the repeated field `uri`, of the form or the query. Raises Problem: 413 above `most_bytes`."""
    if request.method != "POST":
        return uris_in(BytesIO(request.META.get("QUERY_STRING", "").encode()), most_bytes)
    if request.content_type == "multipart/form-data":
        return request.POST.getlist("uri")
    return uris_in(request, most_bytes)


def uris_in(form: Readable, most_bytes: int) -> list[str]:
    """The same of an encoded form, at whatever number of fields: Django stops at DATA_UPLOAD_MAX_NUMBER_FIELDS."""
    body = form.read(most_bytes + 1)
    if len(body) > most_bytes:
        message = f"The list of files has more than {most_bytes:,} bytes. Ask for fewer at a time."
        raise Problem(message, field="uri", code="too_large", status=413)
    return [value for name, value in parse_qsl(body.decode("utf-8", "replace")) if name == "uri"]
