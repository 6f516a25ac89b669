"""The download options of the basket's page: it cannot ask for them itself, as it knows no retrievals."""

from typing import Any

from django import template
from django.conf import settings

from retrieval.options import options

register = template.Library()


@register.inclusion_tag("basket/download_options.html", takes_context=True)
def download_options(context: dict[str, Any]) -> dict[str, Any]:
    """The form's fields for the basket of the request; they belong to the form `download-form`."""
    deliverable = context["deliverable"]
    found = options(context["request"].basket, deliverable.bytes, settings.STREAM_LIMIT_BYTES)
    return {"options": found, "numbers": context["numbers"], "deliverable": deliverable}
