"""Whose retrievals a request may see: a person's own, or those of a stranger's session.

Strangers are known by a key in their session, which survives signing in; what they retrieved is then theirs.
"""

from django.http import HttpRequest

from basket.models import Basket
from retrieval import history

KEY = "retrievals"


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
