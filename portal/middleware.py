"""What every answer carries: the protecting headers, and readable pages for problems."""

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.decorators import sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin

from portal.errors import IMPOSSIBLE, IMPOSSIBLE_TOLD, Problem

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)

Answer = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


def _protect(response: HttpResponseBase) -> HttpResponseBase:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
    return response


@sync_and_async_middleware
def security_headers(get_response: Answer) -> Answer:
    """Content-Security-Policy without unsafe-inline and unsafe-eval; runs in threads and on the event loop."""
    if iscoroutinefunction(get_response):

        async def on_loop(request: HttpRequest) -> HttpResponseBase:
            return _protect(await get_response(request))

        return on_loop

    def in_thread(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        assert isinstance(response, HttpResponseBase)
        return _protect(response)

    return in_thread


class ProblemPages(MiddlewareMixin):
    """A Problem raised by a page becomes a readable page with its status; the API has portal.errors.api_error."""

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """The page for a Problem; anything else goes on."""
        if isinstance(error, IMPOSSIBLE):
            error = Problem(IMPOSSIBLE_TOLD)
        if not isinstance(error, Problem):
            return None
        context = {"status": error.status, "message": error.message, "field": error.field}
        page = render(request, "error.html", context, status=error.status)
        for name, value in error.headers.items():
            page.headers[name] = value
        return page
