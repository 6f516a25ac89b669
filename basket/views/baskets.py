"""All baskets of whoever asks: which there are, and to make, name, open, remove and bring back one."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from basket import keeping
from basket.current import holder
from basket.models import LONGEST_NAME
from basket.views.asking import basket_of, next_or
from portal.errors import Problem


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    """Context: `kept` (list of keeping.Kept, the open one first), `longest` letters of a name."""
    basket_of(request).pk  # noqa: B018 - what a stranger chose comes in first
    context = {"kept": keeping.listed(holder(request)), "longest": LONGEST_NAME}
    return render(request, "basket/baskets.html", context)


@require_POST
def new(request: HttpRequest) -> HttpResponse:
    """A new open basket of that `name`."""
    try:
        made = keeping.new(holder(request), request.POST.get("name", ""), timezone.now())
    except Problem as problem:
        messages.warning(request, problem.message)
        return next_or(request, reverse("basket:baskets"))
    messages.success(request, f"“{made.title}” is open now, and empty. The basket before it is kept.")
    return next_or(request, reverse("basket:show"))


@require_POST
def switch(request: HttpRequest, basket: int) -> HttpResponse:
    """Open that basket."""
    opened = keeping.switch(holder(request), basket, timezone.now())
    messages.success(request, f"“{opened.title}” is open now.")
    return next_or(request, reverse("basket:show"))


@require_POST
def rename(request: HttpRequest, basket: int) -> HttpResponse:
    """Give that basket a `name`."""
    try:
        named = keeping.rename(holder(request), basket, request.POST.get("name", ""))
    except Problem as problem:
        if problem.status == 404:
            raise
        messages.warning(request, problem.message)
    else:
        messages.success(request, f"This basket is called “{named.title}” now.")
    return next_or(request, reverse("basket:baskets"))


@require_POST
def remove(request: HttpRequest, basket: int) -> HttpResponse:
    """Take that basket away."""
    removed = keeping.remove(holder(request), basket, timezone.now())
    messages.success(request, f"“{removed.title}” was removed, and is kept for 30 days under “Recently removed”.")
    return next_or(request, reverse("basket:baskets"))


@require_POST
def bring_back(request: HttpRequest, basket: int) -> HttpResponse:
    """Undo its removal."""
    back = keeping.bring_back(holder(request), basket)
    messages.success(request, f"“{back.title}” is among your baskets again.")
    return next_or(request, reverse("basket:baskets"))
