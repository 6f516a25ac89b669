"""What was taken away lately, each with a button that brings it back."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from basket import recently_removed
from basket.current import holder
from basket.views.asking import basket_of

LISTED = 50


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    """Context: `page` (Paginator page of Removal, 50 each), `removed` (recently_removed.Removed of that page),
    `baskets`, `filters`, `joinings`, `days` for which all is kept."""
    basket_of(request).pk  # noqa: B018 - what a stranger chose comes in first
    mine, now = holder(request), timezone.now()
    page = Paginator(recently_removed.removals(mine, now), LISTED).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "removed": recently_removed.described(list(page.object_list)),
        "baskets": recently_removed.baskets(mine, now),
        "filters": recently_removed.filters(mine, now),
        "joinings": recently_removed.joinings(mine, now),
        "days": recently_removed.KEPT.days,
    }
    return render(request, "basket/removed.html", context)
