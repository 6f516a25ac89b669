"""The basket of whoever asks: a person's open one, or a stranger's by a cookie of their browser.

The cookie comes with the first page, before anything is put into a basket, so that two first additions at once
find the same one. No row is made before something is added. It is not the session's: that one changes at login.
Once its owner signed in, a cookie is spent: after signing out the browser gets another, and nothing leads back.
"""

import secrets

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.crypto import salted_hmac

from basket import keeping, merging
from basket.following import Rebased, rebase
from basket.holders import Holder
from basket.merging import Joined
from basket.models import Basket
from portal.errors import Problem
from portal.quantities import counted

COOKIE = "basket"
SPENT = "~"
MOST_DIGITS = 18


def holder(request: HttpRequest) -> Holder:
    """Whoever asks. A stranger without a cookie gets one with the answer."""
    if isinstance(request.user, AbstractBaseUser):
        return Holder(owner=request.user.pk)
    token = _token(request)
    if not token or token.startswith(SPENT):
        token = secrets.token_urlsafe(32)
        _send(request, token)
    return Holder(stranger=_key(token))


def current(request: HttpRequest) -> Basket:
    """The basket to show or to fill; not stored yet where there is none.

    A form names the basket that its page showed, in the field `basket`: that one is meant, whichever is open by now.
    What a stranger holds becomes the person's own once they have signed in, and a basket follows the archive where
    lists of products have changed; either is told in a message. Raises Problem (409) for a basket that is gone.
    """
    if isinstance(request.user, AbstractBaseUser):
        _take_over(request, request.user)
    basket = _meant(request) or keeping.opened(holder(request))
    changed = rebase(basket)
    if changed:
        messages.info(request, _what_changed(changed), fail_silently=True)
    return basket


def remember(request: HttpRequest, response: HttpResponseBase) -> None:
    """Send the cookie, where this request was given another one."""
    token: str | None = getattr(request, "basket_token", None)
    if token is not None:
        response.set_cookie(
            COOKIE,
            token,
            max_age=settings.SESSION_COOKIE_AGE,
            httponly=True,
            secure=settings.SESSION_COOKIE_SECURE,
            samesite="Lax",
        )


def _token(request: HttpRequest) -> str:
    sent: str | None = getattr(request, "basket_token", None)
    return request.COOKIES.get(COOKIE, "") if sent is None else sent


def _send(request: HttpRequest, token: str) -> None:
    request.basket_token = token  # type: ignore[attr-defined]  # read by `remember`


def _key(token: str) -> str:
    """The key in the database: whoever reads it there cannot show the cookie."""
    return salted_hmac("basket.current", token, algorithm="sha256").hexdigest()


def _meant(request: HttpRequest) -> Basket | None:
    wanted = request.POST.get("basket", "") if request.method == "POST" else ""
    if not (wanted.isascii() and wanted.isdigit()):
        return None
    mine = keeping.baskets(holder(request))
    basket = mine.filter(pk=int(wanted)).first() if len(wanted) <= MOST_DIGITS else None
    if basket is None:
        raise Problem(
            "The basket of that page is gone: it was removed in another tab, or is not yours any more. Nothing was "
            "changed. What you removed is kept for a while under “Recently removed”.",
            field="basket",
            code="basket_gone",
            status=409,
        )
    return basket


def _take_over(request: HttpRequest, user: AbstractBaseUser) -> None:
    """At the first look after signing in; of a spent cookie, only what came late: in a tab that had not noticed."""
    token = _token(request)
    key = _key(token.removeprefix(SPENT))
    if not token or (token.startswith(SPENT) and not keeping.baskets(Holder(stranger=key)).exists()):
        return
    joined = merging.take_over(key, user, timezone.now())
    if joined:
        messages.info(request, what_came(joined), fail_silently=True)
    _send(request, SPENT + token.removeprefix(SPENT))


def what_came(joined: Joined) -> str:
    """One honest sentence about a stranger's choice in the person's basket."""
    if not joined.observations:
        same = f"{counted(joined.already, 'observation')} from before signing in"
        verb = "was" if joined.already == 1 else "were"
        rest = "; what you had selected there is selected." if joined.joining else "."
        return f"Your {same} {verb} already there{rest}"
    came, files = counted(joined.observations, "observation"), counted(joined.files, "file")
    verb = "was" if joined.observations == 1 else "were"
    rest = (
        f"; {joined.already:,} {'was' if joined.already == 1 else 'were'} already there" if joined.already else ""
    )
    return f"Your {came} from before signing in {verb} added, with {files}{rest}."


def _what_changed(changed: Rebased) -> str:
    lists = counted(changed.observations, "observation")
    came, left = counted(changed.came, "new file"), counted(changed.left, "file")
    return (
        f"The archive changed the product list of {lists} in your basket: "
        f"{came} came in unselected, {left} left. Everything else is as it was."
    )
