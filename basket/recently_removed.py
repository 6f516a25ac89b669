"""What was taken away lately and can be brought back: files, whole baskets, saved filters; and what came in and can
be taken out again. After thirty days it is gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, Exists, F, OuterRef, QuerySet, Window
from django.db.models.functions import RowNumber

from basket import copying, keeping, saved_filters
from basket.holders import Holder
from basket.models import Basket, Joining, Removal, RemovedFiles, SavedFilters, Share
from portal.quantities import counted

KEPT: Final = timedelta(days=30)
NAMED: Final = 3
AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Removed:
    """One act that took files out of a basket. Size in bytes."""

    id: int
    when: datetime
    what: str
    basket: int
    basket_name: str
    files: int
    bytes: int


def removals(holder: Holder, now: datetime) -> QuerySet[Removal]:
    """Acts that took files out of the holder's baskets and were not undone, the last first."""
    mine = keeping.baskets(holder).order_by().values("pk")
    lately = Removal.objects.filter(basket__in=mine, undone=None, created__gt=now - KEPT)
    return lately.order_by("-created", "-pk")


def described(rows: Sequence[Removal]) -> list[Removed]:
    """These acts in words, as "12 files of jw1, jw2 and 3 more"."""
    pks = [row.pk for row in rows]
    counts = dict(Removal.objects.filter(pk__in=pks).annotate(parts_n=Count("parts")).values_list("pk", "parts_n"))
    names: dict[int, list[str]] = {}
    for pk, name in _first_names(pks):
        names.setdefault(pk, []).append(name)
    titles = {basket.pk: basket.title for basket in Basket.objects.filter(removals__in=pks).only("name")}
    return [
        Removed(
            id=row.pk,
            when=row.created,
            what=_what(row.files, names.get(row.pk, []), counts.get(row.pk, 0)),
            basket=row.basket_id,
            basket_name=titles.get(row.basket_id, ""),
            files=row.files,
            bytes=row.bytes,
        )
        for row in rows
    ]


def baskets(holder: Holder, now: datetime) -> QuerySet[Basket]:
    """Whole baskets that were taken away."""
    return keeping.removed(holder, now - KEPT)


def filters(holder: Holder, now: datetime) -> QuerySet[SavedFilters]:
    """Saved filters that were taken away."""
    return saved_filters.removed(holder, now - KEPT)


def joinings(holder: Holder, now: datetime) -> QuerySet[Joining]:
    """What came into the holder's baskets from another one, and can be taken out again."""
    mine = keeping.baskets(holder).order_by().values("pk")
    lately = Joining.objects.filter(basket__in=mine, undone=None, before__isnull=False, created__gt=now - KEPT)
    return lately.select_related("basket").defer("basket__product_ids").order_by("-created", "-pk")


def forget(now: datetime) -> int:
    """Delete what is older than thirty days, and copies that nothing leads to; how many rows there were."""
    limit = now - KEPT
    gone = SavedFilters.objects.filter(removed__lte=limit).delete()[0]
    gone += Share.objects.filter(revoked__lte=limit).delete()[0]
    gone += Joining.objects.filter(created__lte=limit).delete()[0]
    while old := list(Removal.objects.filter(created__lte=limit).values_list("pk", flat=True)[:AT_ONCE]):
        RemovedFiles.objects.filter(removal__in=old).delete()
        gone += Removal.objects.filter(pk__in=old).delete()[0]
    unheld = Basket.objects.filter(removed__lte=limit).only("pk"), _unreferred().only("pk")
    for basket in [one for rows in unheld for one in rows]:
        copying.drop(basket)
        gone += 1
    return gone


def _unreferred() -> QuerySet[Basket]:
    """Frozen copies that neither a link nor an undo needs. Whoever makes one refers to it in the same transaction."""
    shared = Share.objects.filter(basket=OuterRef("pk"))
    before = Joining.objects.filter(before=OuterRef("pk"))
    return Basket.objects.filter(~Exists(shared), ~Exists(before), frozen=True)


def _first_names(removals: Sequence[int]) -> QuerySet[RemovedFiles, tuple[int, str]]:
    place = Window(RowNumber(), partition_by=F("removal"), order_by="position")
    parts = RemovedFiles.objects.filter(removal__in=removals).annotate(place=place).filter(place__lte=NAMED)
    return parts.order_by("removal", "place").values_list("removal_id", "observation__obs_id")


def _what(files: int, names: Sequence[str], observations: int) -> str:
    listed = ", ".join(names)
    more = f" and {observations - len(names):,} more" if observations > len(names) else ""
    return f"{counted(files, 'file')} of {listed}{more}"
