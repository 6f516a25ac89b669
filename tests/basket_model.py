"""A basket as plain sets, and every answer that it should give: what the engine is compared with."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from basket import facets, tree
from basket.facets import Numbers
from basket.models import Basket
from basket.nodes import encode, observation_path
from basket.page import FACETS, Filters
from portal.models import Observation, Product
from tests.catalogue import File, Listing

VALUES = {
    "category": ["SCIENCE", "AUXILIARY", "PREVIEW", "", "NEVER"],
    "type": ["image", "spectrum", "", "NEVER"],
    "ext": ["fits", "jpg", "fits.gz", "json", "", "never"],
    "batch": ["1", "0", "", "2"],
    "group": ["CAL", "I2D", "", "GS-ID", "NEVER"],
}
TEXTS = [""] * 8 + ["cal", "_I2D", "*.fits", "jw*cal.fits", "-gs", "!*.jpg", "nothing", "*", "-"]


@st.composite
def filters_of_few(draw: st.DrawFn) -> Filters:
    """Mostly one or two facets: with more of them hardly anything passes."""
    facets = draw(st.lists(st.sampled_from(FACETS), unique=True, max_size=draw(st.sampled_from([0, 1, 1, 2, 5]))))
    chosen: dict[str, Any] = {
        name: tuple(draw(st.lists(st.sampled_from(VALUES[name]), max_size=3))) for name in facets
    }
    return Filters(mrp=draw(st.sampled_from([False, False, True])), q=draw(st.sampled_from(TEXTS)), **chosen)


FILTERS = filters_of_few()
EVERYTHING = Filters(mrp=False)


def has_name(name: str, q: str) -> bool:
    """The filter on file names, said in another way than the basket says it."""
    text, name = q.lower(), name.lower()
    if len(text) > 1 and text[0] in "-!":
        return not has_name(name, text[1:])
    if "*" in text:
        return re.fullmatch(".*".join(map(re.escape, text.split("*"))), name) is not None
    return text in name


def passes(file: File, filters: Filters) -> bool:
    """Whether a file is displayed."""
    facets_hold = all(
        not filters.chosen(name) or file.values[name] in filters.chosen(name) for name in ("mrp", *FACETS)
    )
    return facets_hold and has_name(file.name, filters.q)


@dataclass
class Model:
    """A basket as plain sets: who carries each file, which are selected, and where observations stand."""

    lists: dict[int, Listing]
    position: dict[int, int] = field(default_factory=dict)
    carrier: dict[int, int] = field(default_factory=dict)
    selected: set[int] = field(default_factory=set)
    removals: list[list[tuple[int, int, set[int], set[int]]]] = field(default_factory=list)

    @property
    def order(self) -> list[int]:
        return sorted(self.position, key=self.position.__getitem__)

    def carried(self, observation: int) -> list[File]:
        return [
            file for file in self.lists[observation].files.values() if self.carrier.get(file.id) == observation
        ]

    def files(self) -> Iterator[tuple[int, File]]:
        for observation in self.order:
            for file in self.carried(observation):
                yield observation, file

    def end(self) -> int:
        return max(self.position.values(), default=-1) + 1

    def add(self, observations: Iterable[int]) -> None:
        """New observations carry what is in no other; then those that are there take back what is nowhere."""
        fresh = list(dict.fromkeys(observations))
        present = [one for one in self.order if one in fresh]
        for observation in [one for one in fresh if one not in self.position] + present:
            self.position.setdefault(observation, self.end())
            for file in self.lists[observation].files:
                self.carrier.setdefault(file, observation)

    def part(self, observation: int, files: set[int]) -> tuple[int, int, set[int], set[int]]:
        return observation, self.position[observation], files, files & self.selected

    def remove(self, observations: Iterable[int]) -> None:
        gone = [one for one in self.order if one in set(observations)]
        parts = [self.part(one, {file.id for file in self.carried(one)}) for one in gone]
        for observation in gone:
            del self.position[observation]
        self.bequeath({file for part in parts for file in part[2]})
        if parts:
            self.removals.append(parts)

    def bequeath(self, freed: set[int]) -> None:
        """The first observation in order that lists a file carries it now; without one it leaves."""
        for file in freed:
            heirs = [one for one in self.order if file in self.lists[one].files]
            if heirs:
                self.carrier[file] = heirs[0]
            else:
                del self.carrier[file]
                self.selected.discard(file)

    def take_out(self, files: set[int]) -> None:
        parts = []
        for observation in self.order:
            lost = {file.id for file in self.carried(observation)} & files
            if lost:
                parts.append(self.part(observation, lost))
        for _, _, lost, _ in parts:
            for file in lost:
                del self.carrier[file]
        self.selected -= files
        if not parts:
            return
        emptied = [part[0] for part in parts if not self.carried(part[0])]
        hollow = [
            one
            for one in self.order
            if one not in emptied and self.lists[one].files and not set(self.lists[one].files) & set(self.carrier)
        ]
        parts += [self.part(one, set()) for one in hollow]
        for observation in [*emptied, *hollow]:
            del self.position[observation]
        self.removals.append(parts)

    def put_back(self, parts: Iterable[tuple[int, int, set[int], set[int]]]) -> None:
        parts = sorted(parts, key=lambda part: part[1])
        beyond = max([self.end(), *(part[1] + 1 for part in parts if part[0] not in self.position)])
        for observation, position, files, selected in parts:
            if observation not in self.position:
                free = position not in self.position.values()
                self.position[observation] = position if free else beyond
                beyond += not free
            for file in files:
                if file not in self.carrier and file in self.lists[observation].files:
                    self.carrier[file] = observation
                    self.selected |= {file} & selected

    def follow(self, observation: int, after: Listing) -> None:
        """The list of an observation has changed."""
        before, self.lists[observation] = self.lists[observation], after
        if observation in self.position:
            freed = {file for file in before.files if self.carrier.get(file) == observation} - set(after.files)
            for file in set(after.files) - set(before.files):
                self.carrier.setdefault(file, observation)
            self.bequeath(freed)

    def select(self, scope: "Scope", filters: Filters, *, value: bool) -> None:
        for carrier, file in self.files():
            if scope.holds(self.lists[carrier].observation, file) and passes(file, filters):
                self.selected = self.selected | {file.id} if value else self.selected - {file.id}


@dataclass(frozen=True)
class Scope:
    """Which files a node stands for; None says any."""

    observation: int | None = None
    mission: str | None = None
    exposure: str | None = None
    file: int | None = None

    def holds(self, observation: Observation, file: File) -> bool:
        return (
            self.observation in {None, observation.pk}
            and self.mission in {None, observation.obs_collection}
            and self.exposure in {None, file.exposure}
            and self.file in {None, file.id}
        )


def assert_numbers(found: Numbers, model: Model, filters: Filters) -> None:
    files = [file for _, file in model.files()]
    displayed = [file for file in files if passes(file, filters)]
    selected = [file for file in files if file.id in model.selected]
    exclusive = set(Product.objects.filter(dataRights="EXCLUSIVE_ACCESS").values_list("pk", flat=True))
    lists = [model.lists[observation] for observation in model.order]
    assert (found.observations, found.files) == (len(lists), len(files))
    assert found.rows == sum(one.rows for one in lists)
    assert found.duplicates == found.rows - len({file for one in lists for file in one.files})
    assert found.bytes == size(files)
    assert found.unknown_sizes == sum(file.size is None for file in files)
    for amount, expected in (
        (found.displayed, displayed),
        (found.selected, selected),
        (found.selected_displayed, [file for file in displayed if file.id in model.selected]),
        (found.denied, [file for file in selected if file.id in exclusive]),
    ):
        assert (amount.files, amount.bytes) == (len(expected), size(expected))


def size(files: Iterable[File]) -> int:
    return sum(file.size or 0 for file in files)


def assert_facets(basket: Basket, model: Model, filters: Filters) -> None:
    for facet in facets.facets(basket, filters):
        expected: dict[str, list[int]] = {value: [0, 0] for value in filters.chosen(facet.name)}
        for _, file in model.files():
            counts = expected.setdefault(file.values[facet.name], [0, 0])
            counts[0] += passes(file, filters)
            counts[1] += 1
        if facet.name == "mrp":
            expected = {"1": expected.get("1", [0, 0])}
        assert {value.value: [value.shown, value.total] for value in facet.values} == expected
        assert {value.value for value in facet.values if value.active} == set(filters.chosen(facet.name))


Line = tuple[str, int, int, int]


def expected_levels(model: Model, filters: Filters) -> dict[str, list[Line]]:
    """Every level of the tree: (path, files, bytes, selected) of its nodes in their order."""
    amounts: dict[str, list[int]] = {}
    levels: dict[str, list[str]] = {"": []}

    def count(above: str, path: str, file: File | None) -> None:
        if path not in amounts:
            levels.setdefault(above, []).append(path)
        sums = amounts.setdefault(path, [0, 0, 0])
        if file is not None:
            sums[0] += 1
            sums[1] += file.size or 0
            sums[2] += file.id in model.selected

    for observation in model.order:
        one = model.lists[observation]
        mission = encode(one.observation.obs_collection)
        top = observation_path(one.observation.obs_collection, one.observation)
        if not one.files and not filters.narrowed:
            count("", mission, None)
            count(mission, top, None)
        for file in model.carried(observation):
            if passes(file, filters):
                count("", mission, file)
                count(mission, top, file)
                below = f"{top}/{encode(file.exposure)}" if file.exposure else top
                if file.exposure:
                    count(top, below, file)
                count(below, f"{below}/{file.id}", file)
    return {above: [line(path, amounts[path]) for path in paths] for above, paths in levels.items()}


def line(path: str, amounts: Sequence[int]) -> Line:
    return path, amounts[0], amounts[1], amounts[2]


def walk(basket: Basket, path: str, filters: Filters, limit: int) -> list[Line]:
    """A whole level, page by page."""
    found: list[Line] = []
    cursor: str | None = ""
    while cursor is not None:
        level = tree.nodes(basket, path, filters, cursor, limit)
        assert len(level.nodes) <= limit
        for node in level.nodes:
            full = {0: "none", node.files: "all"}.get(node.selected, "some")
            assert node.state == (full if node.files else "none")
            found.append((node.path, node.files, node.bytes, node.selected))
        cursor = level.next
    return found
