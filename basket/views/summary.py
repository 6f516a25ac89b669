"""What is selected, before it is downloaded: a page, and a region that the Download Manager takes from it."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from basket.summary import summary
from basket.views.asking import basket_of


@require_safe
@never_cache
def show(request: HttpRequest) -> HttpResponse:
    """Context: `summary` (basket.summary.Summary), `stream_limit` in bytes."""
    limit = settings.STREAM_LIMIT_BYTES
    told = summary(basket_of(request), request.user, timezone.now(), limit)
    return render(request, "basket/summary.html", {"summary": told, "stream_limit": limit})
