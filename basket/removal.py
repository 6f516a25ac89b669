"""Taking files out of a basket, and putting them back: every removal is remembered and can be undone."""

from collections.abc import Callable, Iterable, Sequence

from django.db.models import QuerySet
from django.utils import timezone
from pyroaring import BitMap64

from basket.carrying import Part, inherit, parts_of, put_back
from basket.cube import Bools, Opened, ids_of, pack_ids, unpack_ids
from basket.ledger import Ledger, opened, settled, with_ids, writing
from basket.models import Basket, BasketItem, Removal, RemovedFiles
from portal.errors import Problem


def remove_observations(basket: Basket, observation_pks: Iterable[int]) -> Removal:
    """Take observations out. A file that another observation lists stays, selected as it was.

    Where none of them is in the basket nothing happens, and the removal that comes back is not stored.
    """
    wanted = list(observation_pks)
    return _remove_items(basket, lambda items: items.filter(observation__in=wanted))


def clear(basket: Basket) -> Removal:
    """Take everything out."""
    return _remove_items(basket, lambda items: items)


def remove_selected(basket: Basket) -> Removal:
    """Take the selected files out; an observation goes with its last file."""
    return _remove_rows(
        basket,
        lambda ledger, item: bool(settled(ledger.cube, item)["selected_files"].any()),
        lambda one: one.selected,
    )


def remove_files(basket: Basket, product_ids: Iterable[int]) -> Removal:
    """Take files out, whichever observations list them; an observation goes with its last file."""
    wanted = BitMap64(product_ids)
    return _remove_rows(
        basket,
        lambda _, item: bool(unpack_ids(item.manifest.product_ids) & wanted),
        lambda one: one.carried & one.rows.places(wanted),
    )


def last(basket: Basket) -> Removal | None:
    """The newest removal that was not undone: what `undo` brings back."""
    return None if basket.pk is None else _undoable(basket).first()


def undo(basket: Basket, removal: int | None = None) -> Removal:
    """Put back what the newest removal that was not undone took out, or the one with this key.

    Naming the key makes a form that is sent twice harmless. Raises Problem: 409 when there is nothing to undo,
    404 for a removal of somebody else.
    """
    if basket.pk is None:
        raise _nothing_to_undo()
    with writing(basket) as ledger:
        found = _named(ledger.basket, removal)
        if found.undone is None:
            put_back(ledger, [_part(part) for part in found.parts.all()])
            found.undone = timezone.now()
            found.save(update_fields=["undone"])
    return found


def _remove_items(basket: Basket, among: Callable[[QuerySet[BasketItem]], QuerySet[BasketItem]]) -> Removal:
    if basket.pk is None:
        return Removal(files=0, bytes=0)
    with writing(basket) as ledger:
        items = list(with_ids(among(ledger.items())))
        before = ledger.cube.sums()
        parts = parts_of(ledger, items)
        ledger.drop(items)
        freed, chosen = BitMap64(), BitMap64()
        for part in parts:
            freed |= part.product_ids
            chosen |= part.selected_ids
        inherit(ledger, freed, chosen)
        return _record(ledger, before, parts)


def _remove_rows(
    basket: Basket, touched: Callable[[Ledger, BasketItem], bool], gone: Callable[[Opened], Bools]
) -> Removal:
    if basket.pk is None:
        return Removal(files=0, bytes=0)
    with writing(basket) as ledger:
        before = ledger.cube.sums()
        items = [item for item in with_ids(ledger.items()) if touched(ledger, item)]
        parts, emptied = _take_rows(ledger, items, gone)
        ledger.drop(emptied)
        hollow = _hollow(ledger) if parts else []
        parts += parts_of(ledger, hollow)
        ledger.drop(hollow)
        return _record(ledger, before, parts)


def _take_rows(
    ledger: Ledger, items: Sequence[BasketItem], gone: Callable[[Opened], Bools]
) -> tuple[list[Part], list[BasketItem]]:
    """Take rows out of items; what each lost, and the items that carry nothing any more."""
    parts: list[Part] = []
    emptied: list[BasketItem] = []
    for item, one in opened(ledger.cube, items):
        rows = gone(one)
        if not rows.any():
            continue
        ids, selected = ids_of(one.rows.product[rows]), ids_of(one.rows.product[rows & one.selected])
        parts.append(Part(item.observation_id, item.position, ids, selected))
        ledger.ids -= ids
        one.leave(rows)
        if one.carried.any():
            ledger.close(item, one)
        else:
            emptied.append(item)
    return parts, emptied


def _hollow(ledger: Ledger) -> list[BasketItem]:
    """Items that have become pointless: they list files, and not one of them is in the basket any more."""
    without = with_ids(ledger.items().filter(facet_counts=b"", manifest__files__gt=0))
    return [item for item in without if not unpack_ids(item.manifest.product_ids) & ledger.ids]


def _record(ledger: Ledger, before: dict[str, int], parts: Sequence[Part]) -> Removal:
    after = ledger.cube.sums()
    removal = Removal(
        basket=ledger.basket, files=before["files"] - after["files"], bytes=before["bytes"] - after["bytes"]
    )
    if parts:
        removal.save()
        RemovedFiles.objects.bulk_create(
            RemovedFiles(
                removal=removal,
                observation_id=part.observation,
                position=part.position,
                product_ids=pack_ids(part.product_ids),
                selected_ids=pack_ids(part.selected_ids),
            )
            for part in parts
        )
    return removal


def _part(stored: RemovedFiles) -> Part:
    ids, selected = unpack_ids(stored.product_ids), unpack_ids(stored.selected_ids)
    return Part(stored.observation_id, stored.position, ids, selected)


def _undoable(basket: Basket) -> QuerySet[Removal]:
    return Removal.objects.filter(basket=basket.pk, undone=None).order_by("-created", "-pk")


def _named(basket: Basket, removal: int | None) -> Removal:
    if removal is None:
        newest = _undoable(basket).first()
        if newest is None:
            raise _nothing_to_undo()
        return newest
    named = Removal.objects.filter(basket=basket.pk, pk=removal).first()
    if named is None:
        raise Problem("This is no removal of your basket.", field="removal", code="not_found", status=404)
    return named


def _nothing_to_undo() -> Problem:
    return Problem(
        "There is nothing to undo: everything taken out of this basket has been put back.",
        code="nothing_to_undo",
        status=409,
    )
