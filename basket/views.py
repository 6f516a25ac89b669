"""The Download Manager: one page that shows the whole state of its address, and four verbs that lead back to it.

There is no second code path for htmx: it takes the region it wants out of the same page.
"""

from urllib.parse import parse_qsl

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from basket import export as exporting
from basket import filling, panels, removal, selection
from basket.filling import Added
from basket.models import Basket
from basket.nodes import encode, observation_path
from basket.page import PageError, PageState
from portal.errors import Problem
from portal.models import Observation
from portal.quantities import counted, format_size
from portal.search import matching
from portal.streaming import in_threads
from portal.tables import FORMATS

FEW = 3


@require_safe
@never_cache
def show(request: HttpRequest) -> HttpResponse:
    """The page. An address that is not in its one form is led to it: equal states have equal addresses.

    What is compared is what the addresses say, not how they escape it: some clients escape a redirect anew.
    """
    state = _remembered(request)
    if _pairs(request.META.get("QUERY_STRING", "")) != _pairs(state.query()):
        return HttpResponseRedirect(_address(state))
    context = panels.panels(_basket(request), state, request.user, timezone.now(), settings.STREAM_LIMIT_BYTES)
    for sentence in panels.unknown_values(state, context["facets"]):
        messages.warning(request, sentence)
    context["messages"] = list(messages.get_messages(request))  # shown, and said with the new counts
    return render(request, "basket/show.html", context)


@require_safe
@never_cache
def export(request: HttpRequest) -> HttpResponseBase:
    """The displayed list as a table in `format` (csv, ecsv, votable): one row per file, in the order of the tree."""
    wanted, now = request.GET.get("format", "csv"), timezone.now()
    if wanted not in FORMATS:
        raise Problem(f"format={wanted} is none of: {', '.join(FORMATS)}.", field="format")
    written, state = FORMATS[wanted], _state(request)
    listed = exporting.displayed(_basket(request), state.filters)
    rows = exporting.rows(listed, request.user, now)
    lines = written.lines(exporting.COLUMNS, rows, exporting.notes(state.query(), now))
    answer = StreamingHttpResponse(in_threads(lines), content_type=written.content_type)
    answer.headers["Content-Disposition"] = (
        f'attachment; filename="skybasket_{now:%Y-%m-%dT%H%M%S}.{written.ending}"'
    )
    return answer


@require_POST
def select(request: HttpRequest) -> HttpResponse:
    """`select` or `deselect` holds a node's path, blank for the whole basket. Only files that pass the filters of
    the address change."""
    state = _state(request)
    verb = "select" if "select" in request.POST else "deselect"
    if verb not in request.POST:
        raise Problem("Say what to select or deselect: a node of the tree.", field="select")
    selection.select(_basket(request), request.POST[verb], state.filters, value=verb == "select")
    return _back(state)


@require_POST
def add(request: HttpRequest) -> HttpResponse:
    """Observations named by `obsid` (archive:obsid, repeated), or with `all` every one that matches `query`.

    `then=stay` leads back to `next`, a path of this site; otherwise the basket opens.
    """
    if request.POST.get("all"):
        keys = list(matching(request.POST.get("query", ""), timezone.now()).values_list("pk", flat=True))
    else:
        keys = _named(request.POST.getlist("obsid"))
    if not keys:
        messages.warning(request, "Nothing was added: tick at least one observation first.")
        return HttpResponseRedirect(_next(request))
    messages.success(request, _told(filling.add_observations(_basket(request), keys)))
    if request.POST.get("then") == "stay":
        return HttpResponseRedirect(_next(request), status=303)
    return _back(PageState(open=_opened(keys)))


@require_POST
def remove(request: HttpRequest) -> HttpResponse:
    """What `what` says: the selected files, everything, or the `observation` (archive:obsid)."""
    basket, what = _basket(request), request.POST.get("what", "observation")
    if what == "selected":
        done = removal.remove_selected(basket)
    elif what == "all":
        done = removal.clear(basket)
    elif what == "observation":
        done = removal.remove_observations(basket, _named(request.POST.getlist("observation")))
    else:
        raise Problem("Say what to remove: the selected files, everything, or one observation.", field="what")
    messages.success(
        request, f"Removed {counted(done.files, 'file')} ({format_size(done.bytes)}) from the basket."
    )
    return _back(_state(request))


@require_POST
def undo(request: HttpRequest) -> HttpResponse:
    """Bring back what the `removal` with that key took out, or else the last one."""
    key = request.POST.get("removal", "")
    done = removal.undo(_basket(request), int(key) if key.isdecimal() and len(key) < 19 else None)
    messages.success(request, f"Brought back {counted(done.files, 'file')} ({format_size(done.bytes)}).")
    return _back(_state(request))


def _basket(request: HttpRequest) -> Basket:
    basket: Basket = request.basket  # type: ignore[attr-defined]  # set by basket.middleware
    return basket


def _state(request: HttpRequest) -> PageState:
    """What the address says, which every page of ours wrote in full."""
    return _parsed(request, mrp_default=True)


def _parsed(request: HttpRequest, *, mrp_default: bool) -> PageState:
    try:
        return PageState.parse(request.GET.getlist, mrp_default=mrp_default)
    except PageError as error:
        raise Problem(error.message, field=error.field) from error


def _remembered(request: HttpRequest) -> PageState:
    """The state of the page; what it says of the recommended products is kept for the session."""
    kept = request.session.get("mrp", True)
    state = _parsed(request, mrp_default=kept)
    if state.filters.mrp != kept:
        request.session["mrp"] = state.filters.mrp
    return state


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)


def _address(state: PageState) -> str:
    query = state.query()
    return f"{reverse('basket:show')}?{query}" if query else reverse("basket:show")


def _back(state: PageState) -> HttpResponse:
    """To the page as it was."""
    return HttpResponseRedirect(_address(state), status=303)


def _next(request: HttpRequest) -> str:
    wanted = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if safe else reverse("search")


def _named(names: list[str]) -> list[int]:
    """Keys of the observations with these names, in their order. Raises Problem for one that is not there."""
    pairs = list(dict.fromkeys((archive, obsid) for archive, _, obsid in (name.partition(":") for name in names)))
    found = Observation.objects.filter(
        archive__in={archive for archive, _ in pairs}, obsid__in=[obsid for _, obsid in pairs]
    )
    keys = {(archive, obsid): key for archive, obsid, key in found.values_list("archive", "obsid", "pk")}
    missing = [pair for pair in pairs if pair not in keys]
    if missing:
        raise Problem(
            f"There is no observation {':'.join(missing[0])}.", field="obsid", code="not_found", status=404
        )
    return [keys[pair] for pair in pairs]


def _opened(keys: list[int]) -> tuple[str, ...]:
    """The nodes to open so that what was added is seen: a few observations, of many their missions."""
    added = Observation.objects.filter(pk__in=keys).order_by("obs_collection", "obs_id")
    if len(keys) <= FEW:
        return tuple(observation_path(one.obs_collection, one) for one in added)
    return tuple(
        encode(mission)
        for mission in added.order_by("obs_collection").values_list("obs_collection", flat=True).distinct()
    )


def _told(added: Added) -> str:
    parts = [f"Added {counted(added.added, 'observation')} with {counted(added.files, 'file')}"]
    if added.added and not added.files and not added.rows:
        parts.append("planned: there are no files yet")
    if added.duplicates:
        parts.append(f"{counted(added.duplicates, 'duplicate')} culled")
    if added.already:
        parts.append(f"{counted(added.already, 'observation')} had been in the basket before")
    return "; ".join(parts) + "."
