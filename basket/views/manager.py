"""The Download Manager: one page that shows the whole state of its address, and four verbs that lead back to it.

There is no second code path for htmx: it takes the region it wants out of the same page.
"""

from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from basket import export as exporting
from basket import fillings, keeping, merging, panels, removal, saved_filters, selection
from basket.current import holder
from basket.filling import Added
from basket.models import LONGEST_NAME, Basket, Filling, Removal
from basket.nodes import encode, observation_path
from basket.page import PageState
from basket.tasks import start
from basket.versions import NotAsSeen, only_as_seen
from basket.views.asking import address, back, basket_of, key_of, next_or, state_of, tell_if_stale
from portal.errors import Problem
from portal.models import Observation
from portal.quantities import counted, format_size
from portal.room import with_room
from portal.search import matching
from portal.streaming import in_threads
from portal.tables import FORMATS

FEW = 3
LISTED = 12


@require_safe
@never_cache
@with_room
def show(request: HttpRequest) -> HttpResponse:
    """The page. An address that is not in its one form is led to it: equal states have equal addresses.

    What is compared is what the addresses say, not how they escape it: some clients escape a redirect anew.
    """
    state = _remembered(request)
    if _pairs(request.META.get("QUERY_STRING", "")) != _pairs(state.query()):
        return HttpResponseRedirect(address(state))
    context = context_of(request, state)
    for sentence in panels.unknown_values(state, context["facets"]):
        messages.warning(request, sentence)
    context["messages"] = list(messages.get_messages(request))  # shown, and said with the new counts
    return render(request, "basket/show.html", context)


def context_of(request: HttpRequest, state: PageState) -> dict[str, Any]:
    """Everything that basket/show.html shows of a state, but for the messages."""
    limit = settings.STREAM_LIMIT_BYTES
    shown = panels.panels(basket_of(request), state, request.user, timezone.now(), limit)
    return shown | _beside(request, state)


@require_safe
@never_cache
def export(request: HttpRequest) -> HttpResponseBase:
    """The displayed list as a table in `format` (csv, ecsv, votable): one row per file, in the order of the tree."""
    wanted, now = request.GET.get("format", "csv"), timezone.now()
    if wanted not in FORMATS:
        raise Problem(f"format={wanted} is none of: {', '.join(FORMATS)}.", field="format")
    written, state = FORMATS[wanted], state_of(request)
    listed = exporting.displayed(basket_of(request), state.filters)
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
    state = state_of(request)
    verb = "select" if "select" in request.POST else "deselect"
    if verb not in request.POST:
        raise Problem("Say what to select or deselect: a node of the tree.", field="select")
    tell_if_stale(request)
    selection.select(basket_of(request), request.POST[verb], state.filters, value=verb == "select")
    return back(state)


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
        return next_or(request, reverse("search"))
    basket = basket_of(request)
    made = fillings.add(basket, keys)
    if isinstance(made, Filling):
        start(made)
        messages.info(request, f"Adding {counted(made.total, 'observation')}: your basket shows how far that is.")
    else:
        messages.success(request, _told(made, basket))
    if request.POST.get("then") == "stay":
        return next_or(request, reverse("search"))
    return back(PageState(open=_opened(keys)))


@require_POST
def remove(request: HttpRequest) -> HttpResponse:
    """What `what` says: the selected files, everything, or the `observation` (archive:obsid)."""
    basket, what = basket_of(request), request.POST.get("what", "observation")
    tell_if_stale(request)
    try:
        done = _remove(request, basket, what)
    except NotAsSeen as problem:
        messages.warning(request, problem.message)
    else:
        _tell_removed(request, done)
    return back(state_of(request))


@require_POST
def undo(request: HttpRequest) -> HttpResponse:
    """Bring back what the `removal` with that key took out, or else the last one."""
    done = removal.undo(basket_of(request), key_of(request.POST.get("removal", "")))
    messages.success(request, f"Brought back {counted(done.files, 'file')} ({format_size(done.bytes)}).")
    return next_or(request, address(state_of(request)))


@require_POST
def undo_joining(request: HttpRequest, joining: int) -> HttpResponse:
    """Bring the basket back as it was before something came into it."""
    undone = merging.undo(holder(request), joining, timezone.now())
    kept = f" What it held otherwise is kept as “{undone.kept.title}”." if undone.kept else ""
    messages.success(request, f"“{undone.basket.title}” is as it was before.{kept}")
    return next_or(request, address(state_of(request)))


def _remove(request: HttpRequest, basket: Basket, what: str) -> Removal:
    if what == "observation":
        return removal.remove_observations(basket, _named(request.POST.getlist("observation")))
    if what not in {"selected", "all"}:
        raise Problem("Say what to remove: the selected files, everything, or one observation.", field="what")
    with only_as_seen(basket, request.POST.get("version", ""), what, request.POST.get(f"saw_{what}", "")):
        return removal.remove_selected(basket) if what == "selected" else removal.clear(basket)


def _tell_removed(request: HttpRequest, done: Removal) -> None:
    if done.pk is None:
        messages.info(request, "Nothing was removed: that is not in the basket any more.")
        return
    messages.success(
        request, f"Removed {counted(done.files, 'file')} ({format_size(done.bytes)}) from the basket."
    )


def _remembered(request: HttpRequest) -> PageState:
    """The state of the page; what it says of the recommended products is kept for the session."""
    kept = request.session.get("mrp", True)
    state = state_of(request, mrp_default=kept)
    if state.filters.mrp != kept:
        request.session["mrp"] = state.filters.mrp
    return state


def _beside(request: HttpRequest, state: PageState) -> dict[str, Any]:
    """What stands beside the panels: which basket this is, what the holder keeps, what can be undone."""
    basket, mine = basket_of(request), holder(request)
    saved = [(row, saved_filters.read(row)) for row in saved_filters.saved(mine)]
    return {
        "address": reverse("basket:show"),
        "seen_basket": basket.pk,
        "title": basket.title,
        "kept": keeping.baskets(mine).only("name")[:LISTED],
        "saved": [
            {"row": row, "query": state.query(filters=filters), "active": filters == state.filters}
            for row, filters in saved
        ],
        "longest": LONGEST_NAME,
        "joining": merging.last(basket),
        "fillings": fillings.of_basket(basket),
    }


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)


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


def _told(added: Added, basket: Basket) -> str:
    into = f" to “{basket.name}”" if basket.name else ""
    parts = [f"Added {counted(added.added, 'observation')} with {counted(added.files, 'file')}{into}"]
    if added.added and not added.files and not added.rows:
        parts.append("planned: there are no files yet")
    if added.duplicates:
        parts.append(f"{counted(added.duplicates, 'duplicate')} culled")
    if added.already:
        parts.append(f"{counted(added.already, 'observation')} had been in the basket before")
    return "; ".join(parts) + "."
