"""What the pages of the basket ask of a request, and how they lead back: post, redirect, get."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from basket.models import Basket
from basket.page import PageError, PageState
from basket.versions import seen_before
from portal.errors import Problem

LONGEST_ADDRESS = 20_000
ELSEWHERE = "Your basket was changed in another tab since this page was shown; it is shown as it is now."


def basket_of(request: HttpRequest) -> Basket:
    """The basket that basket.middleware finds."""
    basket: Basket = request.basket  # type: ignore[attr-defined]  # set by basket.middleware
    return basket


def state_of(request: HttpRequest, *, mrp_default: bool = True) -> PageState:
    """What the address says. Raises Problem: 400, and 414 for an address that no page of ours wrote."""
    if len(request.META.get("QUERY_STRING", "")) > LONGEST_ADDRESS:
        told = f"This address is too long: what stands after the ? has more than {LONGEST_ADDRESS:,} letters."
        raise Problem(f"{told} Open your basket again.", code="too_long", status=414)
    try:
        return PageState.parse(request.GET.getlist, mrp_default=mrp_default)
    except PageError as error:
        raise Problem(error.message, field=error.field) from error


def is_stale(request: HttpRequest) -> bool:
    """Whether the form's page showed an older version of its basket."""
    return seen_before(basket_of(request), request.POST.get("version", ""))


def address(state: PageState) -> str:
    """The Download Manager in this state."""
    query = state.query()
    return f"{reverse('basket:show')}?{query}" if query else reverse("basket:show")


def back(state: PageState) -> HttpResponseRedirect:
    """To the Download Manager as it was."""
    return HttpResponseRedirect(address(state), status=303)


def next_or(request: HttpRequest, default: str) -> HttpResponseRedirect:
    """To the path that the form names in `next`, where it is one of this site."""
    wanted = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(wanted if safe else default, status=303)


def tell_if_stale(request: HttpRequest) -> None:
    """Say that the page was an old one, after doing what was asked for all the same."""
    if is_stale(request):
        messages.info(request, ELSEWHERE)


def key_of(text: str) -> int | None:
    """A primary key out of a form; None for what cannot be one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
