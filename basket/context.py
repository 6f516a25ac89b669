"""What every page knows about the reader's basket, without asking the database until a template does."""

from typing import Any

from django.http import HttpRequest

from basket.facets import total_files


def basket(request: HttpRequest) -> dict[str, Any]:
    """`basket`, and `basket_files`: how many files are in it, for the number beside the link to it."""
    found = getattr(request, "basket", None)
    return {"basket": found, "basket_files": lambda: 0 if found is None else total_files(found)}
