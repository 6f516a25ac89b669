"""The site with one page more: the Download Manager's template rendered from constants, beside one SELECT 1.

It is the floor that the real page is measured against: through the same middleware, in the same process.
"""

from typing import Any, Final

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from basket.views.asking import state_of
from basket.views.manager import context_of
from portal.room import with_room
from portal.urls import urlpatterns as site

FLOOR: Final[dict[str, dict[str, Any]]] = {}


@with_room
def floor(request: HttpRequest) -> HttpResponse:
    """The page of that address as it was when it was first asked for."""
    query = request.META["QUERY_STRING"]
    if query not in FLOOR:
        FLOOR[query] = context_of(request, state_of(request))
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return render(request, "basket/show.html", FLOOR[query])


urlpatterns = [path("basket/floor/", floor), *site]
