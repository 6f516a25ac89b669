"""The download pages: the history, one retrieval, and the forms that start, stop and repeat one.

A form that starts a download is answered with a redirect to the bundle itself where it is ready: an attachment
leaves the page as it is, with or without JavaScript. Otherwise the redirect leads to the retrieval's page.
"""

from datetime import timedelta

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from basket.versions import only_as_seen
from portal.errors import Problem
from portal.models import Observation
from portal.room import with_room
from retrieval import accounting, by_uri, delivery, history, onefile, plan, progress, scripted
from retrieval.answer import Conditions
from retrieval.current import address_of, basket_of, known_key, lasting_key, uris_of
from retrieval.models import Outcome, Phase, Retrieval
from retrieval.tasks import start

LISTED = 50
FILES_LISTED = 200
MOST_DIGITS = 15

EXPECTED = timedelta(minutes=10)
"""So long a page waits for the download of a bundle that is ready."""


class SeeOther(HttpResponseRedirect):
    """303: whatever was posted, what follows is fetched with GET (RFC 9110 15.4.4)."""

    status_code = 303


def _found(request: HttpRequest, retrieval_id: str) -> Retrieval:
    return history.find(request.user, known_key(request), retrieval_id)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@with_room
def index(request: HttpRequest) -> HttpResponse:
    """The download history. Context: `page` (Paginator page of Retrieval, newest first, 50 each). POST: `create`."""
    if request.method == "POST":
        return create(request)
    pages = Paginator(history.visible(request.user, known_key(request)), LISTED)
    return render(request, "retrieval/list.html", {"page": pages.get_page(request.GET.get("page"))})


@never_cache
@require_safe
@with_room
def show(request: HttpRequest, retrieval_id: str) -> HttpResponse:
    """One retrieval. Context:

    `retrieval`; `headline`, the truth in a sentence; `conservation`, the law with its numbers; `download_url` (None
    while it cannot be downloaded; the exact size is `retrieval.length`); `start`, whether the page should begin the
    download by itself (?start=1); `running`, whether to ask again in a while; `sending` (progress.Progress, None
    unless bytes leave); `parts`, all parts of the request in order (none where it was not split);
    `page` (Paginator page of RetrievalFile, 200 each); `outcome`, the filter ("" for all); `outcomes`, a list of
    (value, label, number of files); `how_to_run`, the command for a script, blank for the rest; `can_cancel`,
    `can_retry`; `changes` (history.Changes, None unless ?changes=1).
    """
    retrieval = _found(request, retrieval_id)
    outcome = request.GET.get("outcome", "")
    if outcome and outcome not in Outcome.values:
        raise Problem(f"outcome={outcome} is none of: {', '.join(Outcome.values)}.", field="outcome")
    files = retrieval.files.order_by("position")
    pages = Paginator(files.filter(outcome=outcome) if outcome else files, FILES_LISTED)
    ready = history.is_ready(retrieval)
    context = {
        "retrieval": retrieval,
        "headline": history.headline(retrieval),
        "conservation": history.conservation(retrieval),
        "download_url": reverse("retrieval:download", args=[retrieval.pk]) if ready else None,
        "start": ready and "start" in request.GET,
        "running": _is_running(retrieval, ready=ready),
        "sending": progress.of(retrieval, timezone.now()),
        "parts": history.siblings(retrieval) if retrieval.split_id else [],
        "page": pages.get_page(request.GET.get("page")),
        "outcome": outcome,
        "outcomes": [(one.value, one.label, getattr(retrieval, one.value)) for one in Outcome],
        "how_to_run": scripted.how_to_run(retrieval),
        "can_cancel": retrieval.phase in {Phase.PENDING, Phase.QUEUED, Phase.EXECUTING},
        "can_retry": retrieval.is_ended and bool(retrieval.failed or retrieval.skipped),
        "changes": history.changes(retrieval, request.user, timezone.now()) if "changes" in request.GET else None,
    }
    return render(request, "retrieval/detail.html", context)


def _is_running(retrieval: Retrieval, *, ready: bool) -> bool:
    """Whether the page will soon have something new to tell. Of a bundle that is ready: whether its download, which
    leaves the page as it is, may begin any moment."""
    if retrieval.phase == Phase.QUEUED and ready:
        return timezone.now() - retrieval.created < EXPECTED
    return retrieval.phase in {Phase.PENDING, Phase.QUEUED, Phase.EXECUTING}


def create(request: HttpRequest) -> HttpResponse:
    """Download the selected files of the basket: fields `method`, `script`, `layout`,
    `remove_completed`, `split`, `part_bytes`."""
    seen = request.POST.get("version", ""), "selected", request.POST.get("saw_selected", "")
    with only_as_seen(basket_of(request), *seen):
        retrieval = plan.freeze(
            basket_of(request),
            request.user,
            timezone.now(),
            method=request.POST.get("method", "zip"),
            script=request.POST.get("script", ""),
            layout=request.POST.get("layout", "nested"),
            remove_completed=_ticked(request, "remove_completed"),
            split=_ticked(request, "split"),
            part_bytes=_part_bytes(request.POST.get("part_bytes", "")),
            key=lasting_key(request),
        )
    return _begun(retrieval)


def _ticked(request: HttpRequest, name: str) -> bool:
    return request.POST.get(name, "") not in {"", "0", "false"}


def _part_bytes(text: str) -> int | None:
    if text and not (text.isdecimal() and len(text) <= MOST_DIGITS):
        raise Problem(f"part_bytes={text[:40]} is not a whole number of bytes.", field="part_bytes")
    return int(text) if text else None


@require_POST
def recommended(request: HttpRequest) -> HttpResponse:
    """Download the recommended products of one observation: fields `archive`, `obsid`."""
    name, obsid = request.POST.get("archive", "local"), request.POST.get("obsid", "")
    observation = Observation.objects.filter(archive=name, obsid=obsid).first()
    if observation is None:
        message = f"There is no observation {obsid or 'without an obsid'} in the archive {name}."
        raise Problem(message, field="obsid", code="not_found", status=404)
    key = lasting_key(request)
    return _begun(plan.freeze_recommended(observation, request.user, timezone.now(), key=key))


@require_POST
def retry(request: HttpRequest, retrieval_id: str) -> HttpResponse:
    """Only the files that failed or were not sent, in a retrieval of their own."""
    old = _found(request, retrieval_id)
    return _begun(plan.again(old, request.user, timezone.now(), missing_only=True), stay=False)


@require_POST
def again(request: HttpRequest, retrieval_id: str) -> HttpResponse:
    """The same files, as the archive has them now, in a retrieval of their own."""
    return _begun(plan.again(_found(request, retrieval_id), request.user, timezone.now()), stay=False)


@require_POST
def cancel(request: HttpRequest, retrieval_id: str) -> HttpResponse:
    """Stop a retrieval."""
    retrieval = accounting.cancel(_found(request, retrieval_id), timezone.now())
    return SeeOther(reverse("retrieval:show", args=[retrieval.pk]))


@require_safe
def download(request: HttpRequest, retrieval_id: str) -> HttpResponseBase:
    """The bundle, or ranges of it."""
    retrieval = _found(request, retrieval_id)
    try:
        return delivery.respond(
            retrieval,
            request.user,
            timezone.now(),
            _conditions(request),
            head=request.method == "HEAD",
            address=address_of(request),
        )
    except Problem as problem:
        title = "Not ready yet" if isinstance(problem, delivery.NotReady) else "Nothing was sent"
        context = {"title": title, "message": problem.message, "back": _page(retrieval)}
        answer = render(request, "error.html", context, status=problem.status)
        for name, value in problem.headers.items():
            answer.headers[name] = value
        return answer


@require_safe
def file(request: HttpRequest) -> HttpResponseBase:
    """One file by its `uri`, or ranges of it; pictures are shown, the rest is saved."""
    return onefile.respond(
        request.GET.get("uri", ""),
        request.user,
        timezone.now(),
        _conditions(request),
        head=request.method == "HEAD",
        address=address_of(request),
    )


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def bundle_sh(request: HttpRequest) -> HttpResponseBase:
    """The bash script for files given as repeated `uri` (astroquery's curl_flag); writes nothing down."""
    wanted = uris_of(request, by_uri.MOST_BYTES)
    return by_uri.script(wanted, request.user, timezone.now(), head=request.method == "HEAD")


def _conditions(request: HttpRequest) -> Conditions:
    return Conditions(
        range=request.headers.get("Range", ""),
        if_range=request.headers.get("If-Range", ""),
        if_none_match=request.headers.get("If-None-Match", ""),
    )


def _page(retrieval: Retrieval) -> str:
    return reverse("retrieval:show", args=[retrieval.pk])


def _begun(retrieval: Retrieval, *, stay: bool = True) -> HttpResponse:
    """To the bundle when it is ready and the present page is to stay; else to the page that tells of it."""
    start(retrieval)
    if not history.is_ready(retrieval):
        return SeeOther(_page(retrieval))
    if not stay or retrieval.denied or retrieval.failed or retrieval.split_id or retrieval.script:
        # The page names what will not come, or the other parts, or how a script is run, and begins the download by
        # itself.
        return SeeOther(f"{_page(retrieval)}?start=1")
    return SeeOther(reverse("retrieval:download", args=[retrieval.pk]))
