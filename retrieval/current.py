"""Whose retrievals a request may see: a person's own, or those of a stranger's session.

Strangers are known by a key in their session, which survives signing in; what they retrieved is then theirs.
"""

from django.conf import settings
from django.http import HttpRequest

from basket.models import Basket
from portal.addresses import client_address
from retrieval import history

KEY = "retrievals"


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
