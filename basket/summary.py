"""What is selected, told before anything is sent: by mission, by category, by who may read it when, and which ways
of getting it fit its size."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import numpy as np
from django.contrib.auth.models import AnonymousUser

from basket import facets, guards, items
from basket.cube import Cube
from basket.facets import NONE, Amount
from basket.ledger import items_of, opened, reading
from basket.models import Basket
from basket.page import Filters
from basket.sieve import View
from portal import access
from portal.quantities import counted, format_size

STREAMS: Final = (("zip", "Zip"), ("tar", "Tar"), ("tar.gz", "Compressed tar"))
SIZES: Final = (("up to 1 MB", 1_000_001), ("1 to 100 MB", 100_000_001), ("100 MB to 1 GB", 1_000_000_001))
LARGEST: Final = "over 1 GB"
EVERYTHING: Final = Filters(mrp=False)


@dataclass(frozen=True, slots=True)
class Line:
    """Selected files that have something in common. Sizes in bytes; a file of unknown size adds none."""

    name: str
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Selected files that the reader may not read now, why, and from which day on everybody may."""

    reason: str
    public_on: date | None
    files: int
    bytes: int

    @property
    def sentence(self) -> str:
        """As in "12 files become public on 2027-03-01"."""
        if self.public_on is None:
            return f"{counted(self.files, 'file')}: {self.reason}"
        verb = "becomes" if self.files == 1 else "become"
        return f"{counted(self.files, 'file')} {verb} public on {self.public_on.isoformat()}."


@dataclass(frozen=True, slots=True)
class Way:
    """A way of getting the files: whether it fits their size, and why not or what to know."""

    method: str
    label: str
    fits: bool
    note: str


@dataclass(frozen=True, slots=True)
class Access:
    """Who may read the selected files: everybody; the reader, by a right of their own; not the reader, and why."""

    public: Amount
    granted: Amount
    denied: Amount
    refusals: list[Refusal]


@dataclass(frozen=True, slots=True)
class Summary:
    """What is selected. `duplicates` are rows of the basket's lists, of `rows`, that were culled as repeats."""

    selected: Amount
    deliverable: Amount
    unknown_sizes: int
    duplicates: int
    rows: int
    missions: list[Line]
    categories: list[Line]
    sizes: list[Line]
    access: Access
    ways: list[Way]
    version: int


def summary(basket: Basket, user: access.User, now: datetime, stream_limit: int) -> Summary:
    """Everything, for a panel that somebody opens: of what is exclusive, each observation is asked."""
    with reading(basket) as stored:
        view = View(stored, EVERYTHING)
        numbers = facets.numbers_of(view, user, now)
        who = _access(stored, view.cube, numbers.selected, user, now)
        deliverable = _less(numbers.selected, who.denied)
        return Summary(
            selected=numbers.selected,
            deliverable=deliverable,
            unknown_sizes=numbers.selected_unknown_sizes,
            duplicates=numbers.duplicates,
            rows=numbers.rows,
            missions=missions(view),
            categories=categories(view),
            sizes=sizes(stored, view.cube),
            access=who,
            ways=ways(deliverable, numbers.selected_unknown_sizes, stream_limit),
            version=numbers.version,
        )


def missions(view: View) -> list[Line]:
    """The selected files by mission, the most first. From counts alone, however many files there are."""
    cells = view.cube.cells
    files, size = (cells[name].sum(axis=1) for name in ("selected_files", "selected_bytes"))
    names = view.basket.missions
    return _most_first(Line(name, int(files[place]), int(size[place])) for place, name in enumerate(names))


def categories(view: View) -> list[Line]:
    """The selected files by product category, the most first."""
    facet = view.table.facets.get("category")
    if facet is None:
        return []
    counts = [
        np.bincount(facet.codes[: len(one)], one[: len(facet.codes)], len(facet.values))
        for one in (view.cube.cells[name].sum(axis=0) for name in ("selected_files", "selected_bytes"))
    ]
    return _most_first(
        Line(value or NONE, int(counts[0][place]), int(counts[1][place]))
        for place, value in enumerate(facet.values)
    )


def sizes(basket: Basket, cube: Cube) -> list[Line]:
    """The selected files by their size, the small ones first. Every selected file is looked at."""
    bounds = [0, *(bound for _, bound in SIZES)]
    files, size = (np.zeros(len(bounds) + 1, np.int64) for _ in range(2))
    every = items.read(items_of(basket))
    chosen = items.settled(cube, every).sums(len(every))["selected_files"]
    among = [item for item, selected in zip(every, chosen.tolist(), strict=True) if selected]
    for _, one in opened(cube, among):
        found = one.rows.size[one.selected]
        place = np.digitize(found, bounds)
        files += np.bincount(place, minlength=len(files))
        size += np.bincount(place, np.maximum(found, 0), len(files)).astype(np.int64)
    names = ["size unknown", *(name for name, _ in SIZES), LARGEST]
    lines = [Line(name, int(files[place]), int(size[place])) for place, name in enumerate(names)]
    return [line for line in [*lines[1:], lines[0]] if line.files]


def ways(deliverable: Amount, unknown_sizes: int, stream_limit: int) -> list[Way]:
    """Every way of getting so much: whether it fits, and why not. Sizes in bytes."""
    over = deliverable.bytes - stream_limit
    limit = format_size(stream_limit)
    if over > 0:
        note = f"{format_size(over)} more than the {limit} that one stream may hold: in parts, or by a script."
    elif unknown_sizes:
        note = (
            f"At most {limit}; {counted(unknown_sizes, 'file')} of unknown size count too once they are measured."
        )
    else:
        note = f"{format_size(deliverable.bytes)} of the {limit} that one stream may hold; it resumes."
    streams = [Way(method, label, deliverable.files > 0 and over <= 0, note) for method, label in STREAMS]
    script = "Any size: file by file, each resumed and checked; what is there already is not fetched again."
    batch = "Staged on the server, for JWST and HST: not available yet."
    return [
        *streams,
        Way("script", "Script", deliverable.files > 0, script),
        Way("batch", "Batch", fits=False, note=batch),
    ]


def _access(basket: Basket, cube: Cube, selected: Amount, user: access.User, now: datetime) -> Access:
    refused = guards.refusals(basket, cube, user, now)
    rights = access.granted_programs(user, now)
    closed = guards.refusals(basket, cube, AnonymousUser(), now) if rights else refused
    denied, exclusive = _sum(list(refused.values())), _sum(list(closed.values()))
    told = [
        Refusal(verdict.reason, verdict.public_on, amount.files, amount.bytes)
        for verdict, amount in refused.items()
    ]
    told.sort(key=lambda one: (one.public_on is None, one.public_on or now.date(), one.reason))
    return Access(_less(selected, exclusive), _less(exclusive, denied), denied, told)


def _sum(parts: Sequence[guards.Denied]) -> Amount:
    return Amount(sum(one.files for one in parts), sum(one.bytes for one in parts))


def _less(amount: Amount, other: Amount) -> Amount:
    return Amount(amount.files - other.files, amount.bytes - other.bytes)


def _most_first(lines: Iterator[Line]) -> list[Line]:
    return sorted((one for one in lines if one.files), key=lambda one: (-one.bytes, -one.files, one.name))
