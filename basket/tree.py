"""The files tree: mission, observation, exposure, file, level by level, counting what passes the filters."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from basket import items
from basket.cube import AMOUNTS, Bools
from basket.items import Item
from basket.ledger import items_of, opened, reading
from basket.manifests import products
from basket.models import Basket, BasketItem
from basket.nodes import Place, encode, locate, observation_path
from basket.page import LEVEL_ROWS as LIMIT
from basket.page import MOST_ROWS, Filters, PageState
from basket.rows import Opened
from basket.sieve import View
from portal.errors import Problem
from portal.models import Observation, Product

MOST_READ: Final = 10_000  # items at once


@dataclass(frozen=True, slots=True)
class Node:
    """One line of the tree. Files, bytes and selected count what passes the filters; a file tells its columns."""

    path: str
    label: str
    kind: str  # mission, observation, exposure, file
    files: int
    bytes: int
    selected: int
    state: str  # none, some, all
    id: int | None = None
    group: str = ""
    size: int | None = None
    mrp: bool = False
    dataRights: str = ""
    t_obs_release: float | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """The nodes directly below one node; `next` is the cursor of the nodes after them."""

    path: str
    nodes: list[Node]
    next: str | None


# A node, and the place in its level after which the level goes on
Line = tuple[int, Node]


def nodes(basket: Basket, path: str, filters: Filters, cursor: str = "", limit: int = LIMIT) -> Level:
    """One level of the tree, at most `limit` (1 to 200) nodes of it from after the cursor.

    Only nodes with a file that passes are listed, and observations that have no products at all as long as
    nothing but the recommendation is asked for. Raises Problem for a path (404) or a cursor that does not exist.
    """
    with reading(basket) as stored:
        view = View(stored, filters)
        limit = max(1, min(limit, MOST_ROWS))
        return _level(path, _lines(view, locate(stored, path), _after(cursor), limit + 1), limit)


def open_levels(basket: Basket, state: PageState) -> dict[str, Level]:
    """Every level that the page shows, by the path of its node, all from one snapshot; "" is the top.

    Together they have at most 200 lines: the longest levels are cut first, and go on after their cursor. Open
    nodes that are gone, or lie in no level shown, are left out.
    """
    with reading(basket) as stored:
        return open_levels_of(View(stored, state.filters), state)


def open_levels_of(view: View, state: PageState) -> dict[str, Level]:
    """The same for a basket that is being read."""
    levels: dict[str, list[Line]] = {}
    for path in _with_ancestors(state.open):
        above = levels.get(path.rpartition("/")[0], [])
        if not path or any(node.path == path and node.kind != "file" for _, node in above):
            window = state.window(path)
            place = locate(view.basket, path)
            levels[path] = _lines(view, place, _after(window.after, lenient=True), window.rows + 1)
    rows = {path: state.window(path).rows for path in levels}
    limit = _fair([min(len(lines), rows[path]) for path, lines in levels.items()])
    return {path: _level(path, lines, min(limit, rows[path])) for path, lines in levels.items()}


def _level(path: str, lines: Sequence[Line], limit: int) -> Level:
    more = len(lines) > limit
    return Level(path, [node for _, node in lines[:limit]], str(lines[limit - 1][0]) if more else None)


def _after(cursor: str, *, lenient: bool = False) -> int:
    if not cursor:
        return -1
    if cursor.isascii() and cursor.isdigit() and len(cursor) <= 9:
        return int(cursor)
    if lenient:
        return -1
    raise Problem(f"cursor={cursor[:40]!r} is not one that this tree gave out.", field="cursor")


def _with_ancestors(paths: Iterable[str]) -> list[str]:
    """The paths, what lies above them, and the top; what is above first."""
    every = {""}
    for path in paths:
        components = path.split("/")
        every |= {"/".join(components[:depth]) for depth in range(1, len(components) + 1)}
    return sorted(every, key=lambda path: (path.count("/") if path else -1, path))


def _fair(lengths: Sequence[int]) -> int:
    """The largest limit per level with which all levels together have at most MOST_ROWS lines."""
    limit = MOST_ROWS
    while limit > 1 and sum(min(length, limit) for length in lengths) > MOST_ROWS:
        limit -= 1
    return limit


def _node(path: str, label: str, kind: str, amounts: dict[str, int]) -> Node:
    files, selected = amounts["files"], amounts["selected_files"]
    state = "none" if not selected else "all" if selected == files else "some"
    return Node(path, label, kind, files, amounts["bytes"], selected, state)


def _lines(view: View, place: Place, after: int, most: int) -> list[Line]:
    """The first lines of a level after a place in it."""
    if place.mission is None:
        found = _missions(view, after)
    elif place.item is None:
        found = _observations(view, place.mission, after, most)
    elif place.row is None:
        found = _inside(view, place, place.item, after, most)
    else:
        return []
    return list(islice(found, most))


def _missions(view: View, after: int) -> Iterator[Line]:
    cells = view.total.cells
    for number, name in enumerate(view.basket.missions):
        amounts = {column: int(cells[column][number].sum()) for column in AMOUNTS}
        if number > after and (amounts["files"] or _fileless(view, number)):
            yield number, _node(encode(name), name, "mission", amounts)


def _fileless(view: View, mission: int) -> int:
    """How many observations that list nothing are shown."""
    return 0 if view.filters.narrowed else int(view.basket.per_mission[mission][1])


def _observations(view: View, mission: int, after: int, most: int) -> Iterator[Line]:
    """The first items that have a file that passes. Ever larger portions are read for them, so that few queries
    find the last of ten thousand."""
    among = items_of(view.basket).filter(mission=mission)
    found: list[tuple[Item, dict[str, int]]] = []
    size = most
    while len(found) < most and (portion := items.read(among.filter(position__gt=after)[:size])):
        sums = view.passing(portion).sums(len(portion))
        fileless = _fileless_among(portion) if _fileless(view, mission) else set()
        for place, item in enumerate(portion):
            if sums["files"][place] or item.pk in fileless:
                found.append((item, {name: int(sums[name][place]) for name in AMOUNTS}))
        after, size = portion[-1].position, min(4 * size, MOST_READ)
    name = view.basket.missions[mission]
    observations = Observation.objects.only("archive", "obsid", "obs_id")
    known = observations.in_bulk([item.observation_id for item, _ in found[:most]])
    for item, amounts in found[:most]:
        one = known[item.observation_id]
        yield item.position, _node(observation_path(name, one), one.obs_id, "observation", amounts)


def _fileless_among(among: Sequence[Item]) -> set[int]:
    """The items whose observations list nothing."""
    bare = [item.pk for item in among if item.pk and not item.facet_counts]
    return set(BasketItem.objects.filter(pk__in=bare, manifest__files=0).values_list("pk", flat=True))


def _inside(view: View, place: Place, item: Item, after: int, most: int) -> Iterator[Line]:
    """Files of the observation itself, then its exposures; or the files of one exposure. Lines are counted by
    the manifest's rows, which lie in just that order."""
    [(_, one)] = opened(view.cube, [item])
    passing = one.carried & view.rows([item.manifest_id], one.rows)
    files = passing & (one.rows.exposure == (place.exposure or 0))
    files[: after + 1] = False
    yield from _files(view, place.path, one, np.flatnonzero(files)[:most])
    if place.exposure is None:
        yield from _exposures(place.path, place.exposures, one, passing, after)


def _files(view: View, path: str, one: Opened, rows: NDArray[np.intp]) -> Iterator[Line]:
    stored = products(one.rows.product[rows]).in_bulk()
    recommended = view.table.mask(Filters(mrp=True))
    for row in rows:
        pk, number = int(one.rows.product[row]), int(one.rows.signature[row])
        if pk in stored:
            chosen, mrp = bool(one.selected[row]), bool(recommended[number])
            yield int(row), _file(path, stored[pk], selected=chosen, mrp=mrp)


def _exposures(path: str, names: Sequence[str], one: Opened, passing: Bools, after: int) -> Iterator[Line]:
    count: Callable[..., NDArray[Any]] = partial(np.bincount, one.rows.exposure[passing], minlength=len(names))
    size, chosen = np.maximum(one.rows.size[passing], 0), one.selected[passing]
    columns = dict(zip(AMOUNTS, (count(), count(chosen), count(size), count(size * chosen)), strict=True))
    last = np.searchsorted(one.rows.exposure, np.arange(len(names)), side="right") - 1
    for number in range(1, len(names)):
        amounts = {name: int(column[number]) for name, column in columns.items()}
        if amounts["files"] and last[number] > after:
            yield int(last[number]), _node(f"{path}/{encode(names[number])}", names[number], "exposure", amounts)


def _file(path: str, product: Product, *, selected: bool, mrp: bool) -> Node:
    return Node(
        path=f"{path}/{product.pk}",
        label=product.productFilename,
        kind="file",
        files=1,
        bytes=product.size or 0,
        selected=int(selected),
        state="all" if selected else "none",
        id=product.pk,
        group=product.productSubGroupDescription,
        size=product.size,
        mrp=mrp,
        dataRights=product.dataRights,
        t_obs_release=product.t_obs_release,
    )
