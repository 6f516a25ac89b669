"""Files that not everybody may read: what watches over them, and how many of the selected ones a person is denied.

Whether somebody may read a file depends on few facts: its rights, its program and the day of its release. A manifest
names each combination of them that it has once, as a guard; a facet signature says which guard, so that sums over
signatures tell what is guarded without opening anything. A basket counts what is not public at the moment of its
last writing (`guarded_counts`); what has opened since, and what a person has a right to, is taken off when it is read.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, Final

import numpy as np
from django.db.models import Q, QuerySet
from numpy.typing import NDArray

from basket import items, signatures
from basket.cube import Counts, Cube
from basket.items import Item
from basket.memory import Memory
from basket.models import Basket, BasketItem, ProductManifest
from portal import access
from portal.access import Guard

Moments = NDArray[np.float64]
MOST_PROGRAMS: Final = 50
FEW: Final = 100


GUARDS: Final[Memory[int, tuple[Guard, ...]]] = Memory(16_000_000)


@dataclass(frozen=True, slots=True)
class Denied:
    """Selected files that a person may not read now, and the first day on which that changes."""

    files: int = 0
    bytes: int = 0
    public_on: date | None = None


def numbered(guards: Iterable[Guard]) -> dict[Guard, int]:
    """A number for each guard of one manifest's files, from 1, the most frequent first; 0 for what is public."""
    often = Counter(guards)
    secret = sorted(
        (guard for guard in often if guard.public_from > -np.inf),
        key=lambda guard: (-often[guard], str(guard)),
    )
    return dict.fromkeys(often, 0) | {guard: number for number, guard in enumerate(secret, start=1)}


def until(stored: str, moment: float) -> float | None:
    """The first MJD after a moment at which some files of a manifest with these guards, as JSON, become public:
    infinite where none ever will, None where all are."""
    return None if stored == "[]" else _next([Guard(**guard).public_from for guard in json.loads(stored)], moment)


def next_after(among: Sequence[Item], moment: float) -> list[float | None]:
    """The same of the manifest of each item."""
    known = _guards_of(among)
    return [_next([guard.public_from for guard in known[item.manifest_id]], moment) for item in among]


def public_from(among: Sequence[Item], counts: Counts) -> Moments:
    """By count of these items, the MJD from which everybody may read its files."""
    return _by_guard(among, counts, lambda guard: guard.public_from, -np.inf, np.float64)


def denied(basket: Basket, cube: Cube, user: access.User, now: datetime) -> Denied:
    """The selected files of a basket that this person may not read now."""
    sums = Cube.unpack(basket.guarded_counts, len(basket.missions)).sums()
    files, size = sums["selected_files"], sums["selected_bytes"]
    if not files:
        return Denied()
    granted = access.granted_programs(user, now)
    soonest = items.read(_in_order(basket)[:FEW])
    among = _readable(basket, soonest, granted, now)
    counts = items.settled(cube, among)
    counted = public_from(among, counts) > basket.guarded_as_of
    readable = counts.only(counted & _verdicts(among, counts, granted, now, attribute="ok")).records
    files -= int(readable["selected_files"].sum())
    size -= int(readable["selected_bytes"].sum())
    return Denied(files, size, _first_day(basket, soonest, cube, granted, now) if files else None)


def refusals(basket: Basket, cube: Cube, user: access.User, now: datetime) -> dict[access.Verdict, Denied]:
    """The same for each reason and day. Reads every guarded item: for a panel that somebody opens."""
    among = items.read(_guarded(basket))
    counts = items.settled(cube, among)
    verdicts = _verdicts(among, counts, access.granted_programs(user, now), now)
    found: dict[access.Verdict, Denied] = {}
    for place in np.flatnonzero(counts.records["selected_files"]):
        verdict, count = verdicts[place], counts.records[place]
        if not verdict.ok:
            before = found.get(verdict, Denied())
            files, size = before.files + int(count["selected_files"]), before.bytes + int(count["selected_bytes"])
            found[verdict] = Denied(files, size, verdict.public_on)
    return found


def _guarded(basket: Basket) -> QuerySet[BasketItem]:
    """The items of which some files were not public when the basket was last written."""
    return BasketItem.objects.filter(basket=basket.pk, guarded_until__isnull=False)


def _in_order(basket: Basket) -> QuerySet[BasketItem]:
    """The same in the order in which they become public."""
    return _guarded(basket).order_by("guarded_until", "pk")


def _readable(
    basket: Basket, soonest: Sequence[Item], granted: set[tuple[str, str]], now: datetime
) -> Sequence[Item]:
    """Those of them of which this person may read some: by now they are public, or a program is granted."""
    moment = access.datetime_to_mjd(now)
    opened = [item for item in soonest if (item.guarded_until or 0.0) <= moment]
    if not granted and len(opened) < FEW:
        return opened
    if len(granted) > MOST_PROGRAMS:
        return items.read(_guarded(basket))
    found = Q(guarded_until__lte=moment)
    for collection, program in granted:
        found |= Q(manifest__guards__contains=[{"obs_collection": collection, "proposal_id": program}])
    return items.read(_guarded(basket).filter(found))


def _first_day(
    basket: Basket, soonest: list[Item], cube: Cube, granted: set[tuple[str, str]], now: datetime
) -> date | None:
    """The items are asked in the order in which they open, until none of the others can open earlier. Few first:
    mostly they suffice."""
    first: date | None = None
    among, asked = soonest, 0
    while among:
        counts = items.settled(cube, among)
        chosen = counts.only(counts.records["selected_files"] > 0)
        days = _verdicts(among, chosen, granted, now, attribute="public_on")
        first = min([day for day in {*days, first} if day], default=None)
        last = among[-1].guarded_until or 0.0
        if last == np.inf or (first and access.mjd_to_datetime(last).date() >= first):
            break
        asked += len(among)
        among = items.read(_in_order(basket)[asked : 4 * asked + FEW])
    return first


def _verdicts(
    among: Sequence[Item], counts: Counts, granted: set[tuple[str, str]], now: datetime, attribute: str = ""
) -> NDArray[Any]:
    """By count, the verdict on its files for somebody with these programs, or one attribute of it."""

    @cache
    def of(guard: Guard | None) -> Any:
        verdict = access.OK if guard is None else access.judge(guard, granted, now)
        return getattr(verdict, attribute) if attribute else verdict

    return _by_guard(among, counts, of, of(None), np.bool_ if attribute == "ok" else np.object_)


def _by_guard(
    among: Sequence[Item], counts: Counts, of: Callable[[Guard], Any], public: Any, kind: Any
) -> NDArray[Any]:
    """By count, what its files' guard is worth."""
    signature = counts.records["signature"]
    number = signatures.table(signature).guard[signature]
    found = np.full(len(number), public, kind)
    secret = np.flatnonzero(number)
    if len(secret):
        places, whose = np.unique(counts.place[secret], return_inverse=True)
        known = _guards_of([among[place] for place in places])
        lists = [known[among[place].manifest_id] for place in places]
        start = np.cumsum([0, *(len(each) for each in lists[:-1])])
        values = np.array([of(guard) for each in lists for guard in each], kind)
        found[secret] = values[start[whose] + number[secret] - 1]
    return found


def _guards_of(among: Sequence[Item]) -> dict[int, tuple[Guard, ...]]:
    """The guards of the items' manifests."""
    known = {item.manifest_id: GUARDS.get(item.manifest_id) for item in among}
    missing = [pk for pk, guards in known.items() if guards is None]
    if missing:
        for pk, listed in ProductManifest.objects.filter(pk__in=missing).values_list("pk", "guards"):
            known[pk] = tuple(Guard(**guard) for guard in listed)
            GUARDS.put(pk, known[pk] or (), 200 + 300 * len(listed))
    return {pk: guards or () for pk, guards in known.items()}


def _next(moments: Iterable[float], moment: float) -> float | None:
    return min((each for each in moments if each > moment), default=None)
