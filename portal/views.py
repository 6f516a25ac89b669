"""The search page, an observation's page, and the signs of life."""

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal import access, fits_headers, linkages
from portal.archives.base import OBSERVATION_COLUMNS
from portal.errors import Problem
from portal.forms import SearchForm, collections
from portal.models import Observation, Product
from portal.results import page_of
from portal.room import with_room
from portal.search import NOT_COLUMNS, Results, parse


@require_safe
@with_room
def search(request: HttpRequest) -> HttpResponse:
    """The search page. Context: `form`, `found` (portal.results.Found, None before a search). Unknown names in the
    address are left aside: a link from elsewhere may carry its own."""
    known = [name for name in request.GET if name in OBSERVATION_COLUMNS or name in NOT_COLUMNS]
    form = SearchForm(request.GET or None, collections=collections(Observation.objects.all()))
    found, status = None, 200
    try:
        wanted = parse(request.GET.getlist, known)
        if wanted:
            found = page_of(Results(wanted, timezone.now()), _page_number(request), request.user)
    except Problem as problem:
        form.is_valid()
        form.add_error(problem.field if problem.field in form.fields else "target", problem.message)
        status = 422
    return render(request, "search.html", {"form": form, "found": found}, status=status)


def _page_number(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    return int(text) if text.isdecimal() and len(text) < 10 else 1


@require_safe
def observation(request: HttpRequest, archive: str, obsid: str) -> HttpResponse:
    """One observation.

    Context: `observation`, `columns` (label, name, value in MAST's order), `access`, `public_on`, `products`
    (number of distinct files), `linkages` (portal.linkages.Linkage), `uncombined` (why it has no stage 3)."""
    found = get_object_or_404(Observation, archive=archive, obsid=obsid)
    mark, public_on = access.observation_status(found, timezone.now())
    labels = {field.name: field.verbose_name for field in Observation._meta.fields}
    columns = [(labels[name], name, getattr(found, name)) for name in OBSERVATION_COLUMNS]
    products = found.memberships.values("product").distinct().count()
    context = {
        "observation": found,
        "columns": columns,
        "access": mark,
        "public_on": public_on,
        "products": products,
        "linkages": linkages.of_observation(found),
        "uncombined": linkages.uncombined(found),
    }
    return render(request, "observation.html", context)


@require_safe
@never_cache
def header(request: HttpRequest) -> HttpResponse:
    """The headers of a FITS file, by its `uri`. Context: `product`, `units` (portal.fits_headers.Unit), `trouble`
    (why there are none). 403 for a file that the reader may not have: a header is part of its bytes."""
    uri = request.GET.get("uri", "")
    found = Product.objects.filter(dataURI=uri, archive__in=settings.ARCHIVES).select_related("stored").first()
    if found is None:
        raise Problem(f"No archive here lists a file {uri or 'without a uri'}.", field="uri", status=404)
    verdict = access.verdict(request.user, found, timezone.now())
    if not verdict.ok:
        raise Problem(f"{found.productFilename}: {verdict.reason}", code="forbidden", status=403)
    units, trouble = [], ""
    try:
        units = fits_headers.read(_place(found))
    except fits_headers.Unreadable as error:
        trouble = str(error)
    return render(request, "header.html", {"product": found, "units": units, "trouble": trouble})


def _place(product: Product) -> str:
    """Where its bytes lie. Raises Unreadable where there are none, or where they are not on a disk of ours."""
    if not fits_headers.is_fits(product.productFilename):
        raise fits_headers.Unreadable("It is no FITS file by its name.")
    if not hasattr(product, "stored"):
        raise fits_headers.Unreadable("The archive has no bytes for this file.")
    if not product.stored.path.startswith("/"):
        raise fits_headers.Unreadable("Its bytes lie in a remote store: download the file to read its headers.")
    return product.stored.path


@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    del request
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """The process can serve pages: the database answers."""
    del request
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ready\n", content_type="text/plain")
