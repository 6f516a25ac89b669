"""Links to a basket as it was when it was shared. Whoever has the link may look and copy; what they may read of the
files is judged for them, never for whoever shared.

The token in a link has 256 bits. It is made from a random nonce with the site's secret key, and only its digest is
looked up: whoever reads the database cannot make a link of it, and its owner can see it again.
"""

import base64
import hashlib
import secrets
from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.crypto import salted_hmac

from basket import copying, merging
from basket.holders import Holder, found, named
from basket.ledger import cube_of, items_of
from basket.models import LONGEST_NAME, Basket, Share
from portal.errors import Problem

MOST: Final = 200
LONGEST_TOKEN: Final = 200


def share(basket: Basket, holder: Holder, name: str = "") -> Share:
    """A link to what the basket holds now, with what is selected now.

    Raises Problem: 422 for a name that cannot be and for an empty basket, 409 when there are too many links.
    """
    tidy = named(name, LONGEST_NAME, "a link") if name.strip() else basket.name
    if basket.pk is None or not items_of(basket).exists():
        raise Problem("Your basket is empty: there is nothing to share yet.", code="nothing", status=422)
    if shares(holder).filter(revoked=None).count() >= MOST:
        told = f"You have shared {MOST} baskets, and no more links are kept: end one first."
        raise Problem(told, code="too_many", status=409)
    nonce = secrets.token_urlsafe(32)
    with transaction.atomic():
        copy = copying.frozen(basket)
        sums = cube_of(copy).sums()
        return Share.objects.create(
            basket=copy,
            name=tidy,
            observations=items_of(copy).count(),
            files=sums["files"],
            bytes=sums["bytes"],
            nonce=nonce,
            digest=_digest(_made(nonce)),
            **holder.columns,
        )


def shares(holder: Holder) -> QuerySet[Share]:
    """A holder's links, the newest first."""
    return holder.among(Share.objects.all()).order_by("-created", "-pk")


def token(share: Share) -> str:
    """What its link ends with; nothing when the site's secret key is another one since."""
    made = _made(share.nonce)
    return made if _digest(made) == share.digest else ""


def url(share: Share) -> str:
    """Its whole address; blank where it was ended, or its token cannot be told any more."""
    made = "" if share.revoked else token(share)
    return settings.SITE_URL + reverse("basket:shared", args=[made]) if made else ""


def opened(token: str) -> Share:
    """The share that a link leads to, with its basket. Raises Problem: 404, or 410 for one that was ended."""
    rows = Share.objects.filter(digest=_digest(token)) if len(token) <= LONGEST_TOKEN else Share.objects.none()
    share = rows.select_related("basket").defer("basket__product_ids").first()
    if share is None:
        raise Problem(
            "This link leads to no shared basket. Check that it was copied whole, or ask whoever sent it for another.",
            code="not_found",
            status=404,
        )
    if share.revoked is not None or share.basket is None:
        told = "This basket is no longer shared: whoever sent you the link has ended it."
        raise Problem(told, code="gone", status=410)
    return share


def revoke(holder: Holder, pk: int, now: datetime) -> Share:
    """End a link at once and for good. A second time changes nothing. Raises Problem (404)."""
    with transaction.atomic():
        share = found(shares(holder).select_for_update(), pk, "link")
        copy, share.basket = share.basket, None
        share.revoked = share.revoked or now
        share.save(update_fields=["revoked", "basket"])
        if copy is not None:
            copying.drop(copy)
    return share


def copy(basket: Basket, share: Share) -> merging.Joined:
    """A copy of what is shared in one's own basket, files and selection. A second time changes nothing."""
    assert share.basket is not None
    return merging.copy_in(basket, share.basket)


def _made(nonce: str) -> str:
    made = salted_hmac("basket.sharing", nonce, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
