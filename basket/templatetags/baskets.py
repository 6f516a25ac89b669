"""What search pages say about the reader's own basket."""

from collections.abc import Iterable
from typing import Any

from django import template

from basket.models import Basket, BasketItem
from portal.models import Observation

register = template.Library()


@register.simple_tag(takes_context=True)
def in_basket(context: dict[str, Any], rows: Iterable[Any] | Observation) -> set[int]:
    """Keys of those observations, or rows with an `observation`, that lie in the reader's basket."""
    basket: Basket | None = getattr(context["request"], "basket", None)
    if basket is None or basket.pk is None:
        return set()
    shown = [rows] if isinstance(rows, Observation) else [row.observation for row in rows]
    items = BasketItem.objects.filter(basket=basket, observation__in=[one.pk for one in shown])
    return set(items.values_list("observation", flat=True))
