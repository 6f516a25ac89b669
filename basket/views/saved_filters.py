"""Filters kept under a name: saved from the Download Manager's address, renamed, removed, brought back."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from basket import saved_filters
from basket.current import holder
from basket.views.asking import address, next_or, state_of
from portal.errors import Problem


@require_POST
def save(request: HttpRequest) -> HttpResponse:
    """Keep the filters of the address under that `name`."""
    state = state_of(request)
    try:
        row = saved_filters.save(holder(request), request.POST.get("name", ""), state.filters)
    except Problem as problem:
        messages.warning(request, problem.message)
    else:
        messages.success(request, f"These filters are saved as “{row.name}”.")
    return next_or(request, address(state))


@require_POST
def rename(request: HttpRequest, saved: int) -> HttpResponse:
    """Give that set another `name`."""
    try:
        row = saved_filters.rename(holder(request), saved, request.POST.get("name", ""))
    except Problem as problem:
        if problem.status == 404:
            raise
        messages.warning(request, problem.message)
    else:
        messages.success(request, f"These filters are called “{row.name}” now.")
    return next_or(request, address(state_of(request)))


@require_POST
def remove(request: HttpRequest, saved: int) -> HttpResponse:
    """Take that set away."""
    row = saved_filters.remove(holder(request), saved, timezone.now())
    messages.success(request, f"“{row.name}” was removed, and is kept for 30 days under “Recently removed”.")
    return next_or(request, address(state_of(request)))


@require_POST
def bring_back(request: HttpRequest, saved: int) -> HttpResponse:
    """Undo its removal."""
    row = saved_filters.bring_back(holder(request), saved)
    messages.success(request, f"The filters “{row.name}” are saved again.")
    return next_or(request, address(state_of(request)))
