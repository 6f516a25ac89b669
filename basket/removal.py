"""Taking files out of a basket, and putting them back: every removal is remembered and can be undone."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone
from pyroaring import BitMap64

from basket import binary, items
from basket.carrying import Part, inherit, parts_of, put_back
from basket.cube import Bools, ids_of, pack_ids, unpack_ids
from basket.items import Item, settled
from basket.ledger import Ledger, opened, writing
from basket.manifests import ids_of_manifests
from basket.models import Basket, BasketItem, Removal
from basket.rows import Opened
from portal.errors import Problem

REMEMBER: Final = """
    INSERT INTO basket_removedfiles (removal_id, observation_id, position, product_ids, selected_ids)
    SELECT %b, part.* FROM unnest(%b::bigint[], %b::bigint[], %b::bytea[], %b::bytea[]) part"""


def remove_observations(basket: Basket, observation_pks: Iterable[int]) -> Removal:
    """Take observations out. A file that another observation lists stays, selected as it was.

    Where none of them is in the basket nothing happens, and the removal that comes back is not stored.
    """
    wanted = binary.each(observation_pks)
    return _remove_items(basket, lambda among: among.filter(observation__in=wanted))


def clear(basket: Basket) -> Removal:
    """Take everything out."""
    return _remove_items(basket, lambda among: among)


def remove_selected(basket: Basket) -> Removal:
    """Take the selected files out; an observation goes with its last file."""

    def with_selected(ledger: Ledger) -> list[Item]:
        every = items.read(ledger.items())
        chosen = settled(ledger.cube, every).sums(len(every))["selected_files"]
        return [item for item, files in zip(every, chosen.tolist(), strict=True) if files]

    return _remove_rows(basket, with_selected, lambda one: one.selected)


def remove_files(basket: Basket, product_ids: Iterable[int]) -> Removal:
    """Take files out, whichever observations list them; an observation goes with its last file."""
    wanted = BitMap64(product_ids)

    def listing(ledger: Ledger) -> list[Item]:
        every = items.read(ledger.items())
        listed = ids_of_manifests([item.manifest_id for item in every])
        return [item for item, ids in zip(every, listed, strict=True) if ids & wanted]

    return _remove_rows(basket, listing, lambda one: one.carried & one.rows.among(wanted))


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
            put_back(ledger, _parts(found))
            found.undone = timezone.now()
            found.save(update_fields=["undone"])
    return found


def _remove_items(basket: Basket, among: Callable[[QuerySet[BasketItem]], QuerySet[BasketItem]]) -> Removal:
    if basket.pk is None:
        return Removal(files=0, bytes=0)
    with writing(basket) as ledger:
        before = ledger.cube.sums()
        going = items.read(among(ledger.items()))
        parts = parts_of(ledger.cube, going)
        _drop(ledger, going, parts)
        return _record(ledger, before, parts)


def _drop(ledger: Ledger, going: Sequence[Item], parts: Sequence[Part]) -> None:
    """Take items out with these files; what others list as well is theirs."""
    if not going:
        return
    unlisted, freed, chosen = BitMap64(), BitMap64(), BitMap64()
    for ids in ids_of_manifests([item.manifest_id for item in going]):
        unlisted |= ids
    for part in parts:
        freed |= part.product_ids
        chosen |= part.selected_ids
    ledger.drop(going)
    inherit(ledger, freed, chosen, unlisted)


def _remove_rows(
    basket: Basket, touched: Callable[[Ledger], list[Item]], gone: Callable[[Opened], Bools]
) -> Removal:
    if basket.pk is None:
        return Removal(files=0, bytes=0)
    with writing(basket) as ledger:
        before = ledger.cube.sums()
        parts, emptied = _take_rows(ledger, touched(ledger), gone)
        if parts:
            _drop(ledger, emptied, [])
            hollow = _hollow(ledger)
            parts += [Part(item.observation_id, item.position, BitMap64(), BitMap64()) for item in hollow]
            _drop(ledger, hollow, [])
        return _record(ledger, before, parts)


def _take_rows(
    ledger: Ledger, among: Sequence[Item], gone: Callable[[Opened], Bools]
) -> tuple[list[Part], list[Item]]:
    """Take rows out of items; what each lost, and the items that carry nothing any more."""
    parts: list[Part] = []
    emptied: list[Item] = []
    for some, one in opened(ledger.cube, among):
        rows = gone(one)
        if not rows.any():
            continue
        gone_ids = ids_of(one.rows.product[rows])
        ledger.ids -= gone_ids
        ledger.absent |= gone_ids
        lost = one.rows.ids(rows)
        selected = lost if one.selected[rows].all() else one.rows.ids(rows & one.selected)
        for item, ids, chosen in zip(some, lost, selected, strict=True):
            if ids:
                parts.append(Part(item.observation_id, item.position, ids, chosen))
        one.leave(rows)
        ledger.close(some, one)
        left = one.rows.any(one.carried)
        emptied += [item for item, ids, any_left in zip(some, lost, left, strict=True) if ids and not any_left]
    return parts, emptied


def _hollow(ledger: Ledger) -> list[Item]:
    """Items that have become pointless: they list files, and not one of them is in the basket any more."""
    without = items.read(ledger.items().filter(facet_counts=b"", manifest__files__gt=0))
    listed = ids_of_manifests([item.manifest_id for item in without])
    return [item for item, ids in zip(without, listed, strict=True) if not ids & ledger.ids]


def _record(ledger: Ledger, before: dict[str, int], parts: Sequence[Part]) -> Removal:
    after = ledger.cube.sums()
    removal = Removal(
        basket=ledger.basket, files=before["files"] - after["files"], bytes=before["bytes"] - after["bytes"]
    )
    if parts:
        removal.save()
        columns = (
            binary.longs(part.observation for part in parts),
            binary.longs(part.position for part in parts),
            binary.Blobs(pack_ids(part.product_ids) for part in parts),
            binary.Blobs(pack_ids(part.selected_ids) for part in parts),
        )
        binary.write(REMEMBER, [removal.pk, *columns])
    return removal


def _parts(removal: Removal) -> list[Part]:
    stored = removal.parts.values_list("observation", "position", "product_ids", "selected_ids")
    parts: list[Part] = []
    for observation, position, ids, selected in stored:
        every = unpack_ids(ids)
        parts.append(Part(observation, position, every, every if selected == ids else unpack_ids(selected)))
    return parts


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
