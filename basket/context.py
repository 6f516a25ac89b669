"""What every page knows about the reader's basket, without asking the database until a template does."""

from typing import Any

from django.http import HttpRequest

from basket.facets import total_files
from basket.models import Basket
from basket.versions import tag
from portal.errors import Problem


def basket(request: HttpRequest) -> dict[str, Any]:
    """`basket`; `basket_files`, how many files are in it, for the number beside the link to it; `basket_tag`, which
    basket that is and in which version."""

    def found() -> Basket:
        """A page that says that a basket is gone has none to tell of."""
        asked: Basket | None = getattr(request, "basket", None)
        try:
            return Basket() if asked is None or asked.pk is None else asked
        except Problem:
            return Basket()

    return {
        "basket": getattr(request, "basket", None),
        "basket_files": lambda: total_files(found()),
        "basket_tag": lambda: tag(found()),
    }
