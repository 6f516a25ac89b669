"""`request.basket`: found when something first asks for it, so that other pages cost no query."""

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from django.utils.functional import SimpleLazyObject

from basket.current import current, keep
from basket.models import Basket

Answer = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


def _attach(request: HttpRequest) -> list[Basket]:
    """Baskets that were asked for while the request was answered: one or none."""
    found: list[Basket] = []

    def find() -> Basket:
        found.append(current(request))
        return found[-1]

    request.basket = SimpleLazyObject(find)  # type: ignore[attr-defined]  # what this middleware is for
    return found


def _remember(request: HttpRequest, found: list[Basket]) -> None:
    for basket in found:
        keep(request, basket)


@sync_and_async_middleware
def current_basket(get_response: Answer) -> Answer:
    """Set `request.basket`, and keep a stranger's new one in the session; in threads and on the event loop."""
    if iscoroutinefunction(get_response):

        async def on_loop(request: HttpRequest) -> HttpResponseBase:
            found = _attach(request)
            response: HttpResponseBase = await get_response(request)
            _remember(request, found)
            return response

        return on_loop

    def in_thread(request: HttpRequest) -> HttpResponseBase:
        found = _attach(request)
        response = get_response(request)
        assert isinstance(response, HttpResponseBase)
        _remember(request, found)
        return response

    return in_thread
