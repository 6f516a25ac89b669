"""What every page knows about the site."""

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, str]:
    """The version, for the footer."""
    del request
    return {"version": settings.VERSION}
