"""The files tree: mission, observation, exposure, file, level by level, counting what passes the filters."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from basket.cube import AMOUNTS, Bools, Opened
from basket.ledger import cube_of, items_of, opened, reading
from basket.manifests import products
from basket.models import Basket, BasketItem
from basket.nodes import Place, encode, locate, observation_path
from basket.page import Filters, PageState
from basket.sieve import Sieve
from portal.errors import Problem
from portal.models import Product

LIMIT: Final = 100
MAX_LIMIT: Final = 200
MOST_ROWS: Final = 200
ITEM: Final = tuple(field.name for field in BasketItem._meta.concrete_fields)
ITEM_COUNTS: Final = tuple(name for name in ITEM if name not in {"excluded", "selected"})


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
        reader = _Reader(stored, filters)
        limit = max(1, min(limit, MAX_LIMIT))
        return _level(path, reader.lines(locate(reader.basket, path), _after(cursor), limit + 1), limit)


def open_levels(basket: Basket, state: PageState) -> dict[str, Level]:
    """Every level that the page shows, by the path of its node, all from one snapshot; "" is the top.

    Together they have at most 200 lines: the longest levels are cut first, and go on after their cursor. Open
    nodes that are gone, or lie in no level shown, are left out.
    """
    with reading(basket) as stored:
        reader = _Reader(stored, state.filters)
        levels: dict[str, list[Line]] = {}
        for path in _with_ancestors(state.open):
            above = levels.get(path.rpartition("/")[0], [])
            if not path or any(node.path == path and node.kind != "file" for _, node in above):
                place = locate(reader.basket, path)
                levels[path] = reader.lines(place, _after(state.window(path), lenient=True), LIMIT + 1)
    limit = _fair([len(lines) for lines in levels.values()])
    return {path: _level(path, lines, limit) for path, lines in levels.items()}


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
    limit = LIMIT
    while limit > 1 and sum(min(length, limit) for length in lengths) > MOST_ROWS:
        limit -= 1
    return limit


def _node(path: str, label: str, kind: str, amounts: dict[str, int]) -> Node:
    files, selected = amounts["files"], amounts["selected_files"]
    state = "none" if not selected else "all" if selected == files else "some"
    return Node(path, label, kind, files, amounts["bytes"], selected, state)


class _Reader:
    """One basket under one set of filters, in one snapshot."""

    def __init__(self, basket: Basket, filters: Filters) -> None:
        self.basket = basket
        self.cube = cube_of(basket)
        self.sieve = Sieve(filters, self.cube)
        self.with_empty = not filters.narrowed

    def lines(self, place: Place, after: int, most: int) -> list[Line]:
        """The first lines of a level after a place in it."""
        if place.mission is None:
            found = self._missions(after)
        elif place.item is None:
            found = self._observations(place.mission, after, most)
        elif place.row is None:
            found = self._inside(place, place.item, after, most)
        else:
            return []
        return [line for _, line in zip(range(most), found, strict=False)]

    def _missions(self, after: int) -> Iterator[Line]:
        cells = self.sieve.total(self.basket).cells
        empty: set[int] = set()
        if self.with_empty:
            without = items_of(self.basket).filter(facet_counts=b"", manifest__files=0)
            empty = set(without.order_by().values_list("mission", flat=True).distinct())
        for number, name in enumerate(self.basket.missions):
            amounts = {column: int(cells[column][number].sum()) for column in AMOUNTS}
            if number > after and (amounts["files"] or number in empty):
                yield number, _node(encode(name), name, "mission", amounts)

    def _observations(self, mission: int, after: int, most: int) -> Iterator[Line]:
        """Items are read in portions until enough of them have a file that passes."""
        name = self.basket.missions[mission]
        items = items_of(self.basket).filter(mission=mission).select_related("observation", "manifest")
        items = items.only(
            *ITEM, "manifest__files", *(f"observation__{name}" for name in ("archive", "obsid", "obs_id"))
        )
        while portion := list(items.filter(position__gt=after)[:most]):
            for item, amounts in zip(portion, self.sieve.sums(portion), strict=True):
                if amounts["files"] or (self.with_empty and not item.manifest.files):
                    path = observation_path(name, item.observation)
                    yield item.position, _node(path, item.observation.obs_id, "observation", amounts)
            after, most = portion[-1].position, MAX_LIMIT

    def _inside(self, place: Place, item: BasketItem, after: int, most: int) -> Iterator[Line]:
        """Files of the observation itself, then its exposures; or the files of one exposure. Lines are counted by
        the manifest's rows, which lie in just that order."""
        [(_, one)] = opened(self.cube, [item])
        passing = one.carried & self.sieve.rows(item.manifest_id, one.rows)
        files = passing & (one.rows.exposure == (place.exposure or 0))
        files[: after + 1] = False
        yield from self._files(place.path, one, np.flatnonzero(files)[:most])
        if place.exposure is None:
            yield from _exposures(place.path, item.manifest.exposures, one, passing, after)

    def _files(self, path: str, one: Opened, rows: NDArray[np.intp]) -> Iterator[Line]:
        stored = products(one.rows.product[rows]).in_bulk()
        recommended = self.sieve.table.mask(Filters(mrp=True))
        for row in rows:
            pk, number = int(one.rows.product[row]), int(one.rows.signature[row])
            if pk in stored:
                yield (
                    int(row),
                    _file(path, stored[pk], selected=bool(one.selected[row]), mrp=bool(recommended[number])),
                )


def _exposures(path: str, names: Sequence[str], one: Opened, passing: Bools, after: int) -> Iterator[Line]:
    count: Callable[..., NDArray[Any]] = partial(np.bincount, one.rows.exposure[passing], minlength=len(names))
    size, chosen = one.rows.bytes[passing], one.selected[passing]
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
