"""Sharing a basket by a link, and looking at one that somebody shared.

The token stands in the address, so the page tells it to nobody: no other site gets it as referrer, no search engine
may keep the page, no cache may store it.
"""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from basket import panels, sharing
from basket.current import holder
from basket.merging import Joined
from basket.views.asking import basket_of, next_or, state_of
from portal.errors import Problem
from portal.quantities import counted
from portal.room import with_room


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    """Context: `links`, a list of (Share, address; blank where it cannot be shown again)."""
    basket_of(request).pk  # noqa: B018 - what a stranger shared comes in first
    context = {"links": [(row, sharing.url(row)) for row in sharing.shares(holder(request))]}
    return render(request, "basket/shares.html", context)


@require_POST
def share(request: HttpRequest) -> HttpResponse:
    """Make a link to the basket as it is now."""
    try:
        sharing.share(basket_of(request), holder(request), request.POST.get("name", ""))
    except Problem as problem:
        messages.warning(request, problem.message)
        return next_or(request, reverse("basket:show"))
    messages.success(request, "Your basket is shared as it is now: whoever has the link may look and copy.")
    return HttpResponseRedirect(reverse("basket:shares"), status=303)


@require_POST
def revoke(request: HttpRequest, share: int) -> HttpResponse:
    """End a link."""
    sharing.revoke(holder(request), share, timezone.now())
    messages.success(request, "That link leads nowhere any more.")
    return next_or(request, reverse("basket:shares"))


@require_safe
@never_cache
@with_room
def show(request: HttpRequest, token: str) -> HttpResponse:
    """A basket as somebody shared it, for reading; its state is the address, as in the Download Manager."""
    shared, state, now = sharing.opened(token), state_of(request, mrp_default=False), timezone.now()
    assert shared.basket is not None
    context: dict[str, Any] = panels.panels(shared.basket, state, request.user, now, settings.STREAM_LIMIT_BYTES)
    context |= {"shared": shared, "address": reverse("basket:shared", args=[token]), "token": token}
    answer = render(request, "basket/shared.html", context)
    answer.headers["Referrer-Policy"] = "same-origin"
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    return answer


@require_POST
def copy(request: HttpRequest, token: str) -> HttpResponse:
    """Copy what is shared into one's own basket."""
    joined = sharing.copy(basket_of(request), sharing.opened(token))
    messages.success(request, what_was_copied(joined, basket_of(request).title))
    return HttpResponseRedirect(reverse("basket:show"), status=303)


def what_was_copied(joined: Joined, name: str) -> str:
    """One sentence on a copy."""
    if joined.joining is None:
        return f"All of it was in “{name}” already: nothing changed."
    there = f"; {counted(joined.already, 'observation')} had been there before" if joined.already else ""
    came = f"{counted(joined.observations, 'observation')} with {counted(joined.files, 'file')}"
    return f"Copied into “{name}”: {came}{there}. What was selected is selected."
