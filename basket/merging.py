"""A stranger who signs in keeps what they chose: the anonymous basket becomes part of the person's own."""

from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from pyroaring import BitMap64

from basket import items
from basket.carrying import parts_of, put_back
from basket.ledger import STORED, Ledger, cube_of, items_of
from basket.models import Basket
from basket.selection import select_ids


@dataclass(frozen=True, slots=True)
class Merged:
    """What came over: observations, and the files that they carried."""

    observations: int
    files: int


def owner_key(user: AbstractBaseUser) -> str:
    """The key of a person's own basket. It cannot be a stranger's: those have no colon."""
    return f"owner:{user.pk}"


def own_basket(user: AbstractBaseUser) -> Basket | None:
    """The basket of a person, without its set of ids; None where there is none yet."""
    return Basket.objects.defer("product_ids").filter(owner=user.pk).order_by("pk").first()


def merge(key: str, user: AbstractBaseUser) -> Merged | None:
    """Put the stranger's basket with this key into the user's, files, selection and removals, and delete it.

    All in one transaction. A second call finds nothing and changes nothing; None then, and for an empty basket.
    """
    if not Basket.objects.filter(key=key, owner=None).exists():
        return None
    with transaction.atomic():
        own = own_basket(user) or Basket.objects.get_or_create(key=owner_key(user), owner_id=user.pk)[0]
        locked = Basket.objects.select_for_update().filter(key__in=[key, own.key]).order_by("pk")
        baskets = {basket.key: basket for basket in locked}
        source, target = baskets.get(key), baskets[own.key]
        if source is None:
            return None
        merged = Merged(source.observations, cube_of(source).sums()["files"])
        if target.observations:
            _join(source, target)
        elif merged.observations:
            _hand_over(source, target)
        source.removals.update(basket=target)
        source.fillings.update(basket=target)
        source.delete()
    return merged if merged.observations else None


def _hand_over(source: Basket, target: Basket) -> None:
    items_of(source).update(basket=target)
    version = target.version + 1
    for name in STORED:
        setattr(target, name, getattr(source, name))
    target.version = version
    target.save(update_fields=STORED)


def _join(source: Basket, target: Basket) -> None:
    """The union of both, and of both selections."""
    parts = parts_of(cube_of(source), items.read(items_of(source)))
    chosen = BitMap64()
    for part in parts:
        chosen |= part.selected_ids
    ledger = Ledger(target)
    put_back(ledger, parts)
    select_ids(ledger, chosen)
    ledger.save()
