"""`request.basket`: found when something first asks for it, so that other pages cost no query."""

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from django.utils.functional import SimpleLazyObject

from basket.current import current, remember

Answer = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


def _attach(request: HttpRequest) -> None:
    request.basket = SimpleLazyObject(lambda: current(request))  # type: ignore[attr-defined]  # what this is for


@sync_and_async_middleware
def current_basket(get_response: Answer) -> Answer:
    """Set `request.basket`, and send a stranger the cookie that leads to it; in threads and on the event loop."""
    if iscoroutinefunction(get_response):

        async def on_loop(request: HttpRequest) -> HttpResponseBase:
            _attach(request)
            response: HttpResponseBase = await get_response(request)
            remember(request, response)
            return response

        return on_loop

    def in_thread(request: HttpRequest) -> HttpResponseBase:
        _attach(request)
        response = get_response(request)
        assert isinstance(response, HttpResponseBase)
        remember(request, response)
        return response

    return in_thread
