"""Copies of a basket as it is at one moment: its packed rows, never its files, so that a million files cost what
a hundred do."""

import secrets
from typing import Final

from django.db import connection, transaction
from django.db.models import F

from basket.models import Basket, BasketItem

OWN: Final = frozenset(
    ["id", "owner", "key", "stranger", "name", "opened", "removed", "frozen", "created", "version"]
)
"""What a basket is called and whose it is; everything else is what it holds."""

CONTENT: Final = tuple(field.attname for field in Basket._meta.concrete_fields if field.name not in OWN)
ITEM: Final = tuple(
    field.column for field in BasketItem._meta.concrete_fields if field.name not in {"id", "basket"}
)


def frozen(basket: Basket) -> Basket:
    """A copy that nobody holds and nobody writes to, of what the basket holds now."""
    with transaction.atomic():
        source = Basket.objects.select_for_update().get(pk=basket.pk)
        copy = Basket(key=secrets.token_urlsafe(32), frozen=True, name=source.name)
        fill(copy, source)
    return copy


def fill(target: Basket, source: Basket) -> None:
    """Give a basket, that holds nothing, the content of another one. Whoever calls has locked what is stored of
    them, and read all columns of the source."""
    for name in CONTENT:
        setattr(target, name, getattr(source, name))
    target.version += 1
    target.save()
    columns = ", ".join(f'"{column}"' for column in ITEM)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO basket_basketitem (basket_id, {columns}) "  # noqa: S608 - columns of the model
            f"SELECT %s, {columns} FROM basket_basketitem WHERE basket_id = %s ORDER BY position",
            [target.pk, source.pk],
        )


def replace(target: Basket, source: Basket) -> None:
    """Give a basket the content of a frozen one, which is gone afterwards. Both are locked and read whole."""
    BasketItem.objects.filter(basket=target).delete()
    BasketItem.objects.filter(basket=source).update(basket=target)
    for name in CONTENT:
        setattr(target, name, getattr(source, name))
    target.version += 1
    target.save(update_fields=[*CONTENT, "version", "opened"])
    source.delete()


def drop(basket: Basket) -> None:
    """Delete a basket with its items by one statement each."""
    BasketItem.objects.filter(basket=basket).delete()
    basket.delete()


def holds_nothing(basket: Basket) -> bool:
    """Whether there is no observation in it."""
    return not basket.observations


def is_behind(basket: Basket) -> bool:
    """Whether the archive changed a list of products since the basket took it over."""
    items = BasketItem.objects.filter(basket=basket)
    return items.exclude(manifest__products_version=F("observation__products_version")).exists()
