"""The basket of whoever asks: a person's own, or a stranger's by a random key in the session.

No row is made before something is added. The key is not the session's: that one changes at login.
"""

import secrets

from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from basket.following import Rebased, rebase
from basket.merging import Merged, merge, own_basket, owner_key
from basket.models import Basket
from portal.quantities import counted

KEY = "basket"


def current(request: HttpRequest) -> Basket:
    """The basket to show or to fill; not stored yet where there is none.

    A stranger's basket is merged into the person's own once they have signed in, and a basket follows the archive
    where lists of products have changed; either is told in a message.
    """
    basket = _own(request, request.user) if isinstance(request.user, AbstractBaseUser) else _strangers(request)
    changed = rebase(basket)
    if changed:
        messages.info(request, _what_changed(changed), fail_silently=True)
    return basket


def keep(request: HttpRequest, basket: Basket) -> None:
    """Remember a stranger's basket that has come to hold something."""
    if basket.pk is not None and basket.owner_id is None and request.session.get(KEY) != basket.key:
        request.session[KEY] = basket.key


def _own(request: HttpRequest, user: AbstractBaseUser) -> Basket:
    key = request.session.pop(KEY, None)
    merged = merge(key, user) if key else None
    if merged:
        messages.info(request, _what_came(merged), fail_silently=True)
    return own_basket(user) or Basket(key=owner_key(user), owner_id=user.pk)


def _strangers(request: HttpRequest) -> Basket:
    key = request.session.get(KEY)
    key = key or _new_key(request)
    found = Basket.objects.defer("product_ids").filter(key=key, owner=None).first()
    return found or Basket(key=key)


def _new_key(request: HttpRequest) -> str:
    """A key that cannot be guessed, and the same for all requests of a session that come at once: each would
    otherwise make a basket of its own, and all but one be lost."""
    session = request.session.session_key
    return salted_hmac("basket", session, algorithm="sha256").hexdigest() if session else secrets.token_urlsafe(32)


def _what_came(merged: Merged) -> str:
    observations, files = counted(merged.observations, "observation"), counted(merged.files, "file")
    return f"What you chose before you signed in is in your basket now: {observations} with {files}."


def _what_changed(changed: Rebased) -> str:
    lists = counted(changed.observations, "observation")
    came, left = counted(changed.came, "new file"), counted(changed.left, "file")
    return (
        f"The archive changed the product list of {lists} in your basket: "
        f"{came} came in unselected, {left} left. Everything else is as it was."
    )
