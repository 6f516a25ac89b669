"""What is being added to the basket in the background: stop it, or try again what could not be added."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from basket import fillings
from basket.current import holder
from basket.tasks import start
from basket.views.asking import back, state_of
from portal.quantities import counted


@require_POST
def cancel(request: HttpRequest, key: str) -> HttpResponse:
    """Add no more. What came in stays."""
    filling = fillings.held(holder(request), key)
    fillings.cancel(filling)
    messages.info(
        request, f"Stopped: {filling.done:,} of {counted(filling.total, 'observation')} are in the basket."
    )
    return back(state_of(request))


@require_POST
def retry(request: HttpRequest, key: str) -> HttpResponse:
    """Add what had to be left out."""
    again = fillings.retry(fillings.held(holder(request), key))
    start(again)
    messages.info(request, f"Trying {counted(again.total, 'observation')} again.")
    return back(state_of(request))
