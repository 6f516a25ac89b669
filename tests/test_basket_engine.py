"""The basket against a model of plain sets, over random acts; and four writers on one basket."""

import random
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from basket import chosen, facets, filling, removal, selection, tree
from basket.facets import Numbers
from basket.ledger import snapshot
from basket.merging import merge
from basket.models import Basket
from basket.nodes import encode, observation_path
from basket.page import FACETS, Filters
from portal.models import Membership, Observation, Product
from tests.catalogue import Catalogue, File, Listing, assert_lawful, list_at_random, listing, random_catalogue

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


class BasketMachine(RuleBasedStateMachine):
    """Random acts on a basket and on its model; after each, everything that can be asked is asked."""

    observations: list[Observation]
    lists: dict[int, Listing]
    owner: User

    def __init__(self) -> None:
        super().__init__()
        self.savepoint = transaction.savepoint()
        self.model = Model(dict(self.lists))
        self.basket = Basket(owner=self.owner, key=f"owner:{self.owner.pk}")
        self.version = 0
        self.filters = EVERYTHING

    def teardown(self) -> None:
        try:
            for path, lines in expected_levels(self.model, EVERYTHING).items():
                assert sorted(walk(self.basket, path, EVERYTHING, 9)) == sorted(lines)
        finally:
            transaction.savepoint_rollback(self.savepoint)

    def pks(self, numbers: Iterable[int]) -> list[int]:
        return [self.observations[number % len(self.observations)].pk for number in numbers]

    @initialize(numbers=st.lists(st.integers(0, 30), min_size=3, max_size=8))
    def begin(self, numbers: list[int]) -> None:
        self.add(numbers)

    @rule(numbers=st.lists(st.integers(0, 30), min_size=1, max_size=4))
    def add(self, numbers: list[int]) -> None:
        pks = self.pks(numbers)
        here, before = set(self.model.position), len(self.model.carrier)
        added = filling.add_observations(self.basket, pks)
        self.model.add(pks)
        assert (added.added, added.already) == (len(set(pks) - here), len(set(pks) & here))
        assert added.files == len(self.model.carrier) - before
        assert added.rows - added.duplicates == added.files

    @precondition(lambda self: self.model.position)
    @rule(numbers=st.lists(st.integers(0, 30), min_size=1, max_size=3))
    def remove_observations(self, numbers: list[int]) -> None:
        pks = self.pks(numbers)
        before = len(self.model.carrier)
        removed = removal.remove_observations(self.basket, pks)
        self.model.remove(pks)
        assert removed.files == before - len(self.model.carrier)

    @precondition(lambda self: self.model.carrier)
    @rule(seed=st.integers(0, 10**6), most=st.integers(1, 8))
    def remove_files(self, seed: int, most: int) -> None:
        some = set(random.Random(seed).choices(sorted(Product.objects.values_list("pk", flat=True)), k=most))
        some |= set(random.Random(seed).choices(sorted(self.model.carrier), k=most))
        removal.remove_files(self.basket, some)
        self.model.take_out(some)

    @rule()
    def remove_selected(self) -> None:
        removal.remove_selected(self.basket)
        self.model.take_out(set(self.model.selected))

    @precondition(lambda self: self.model.position)
    @rule(certain=st.integers(0, 3))
    def clear(self, certain: int) -> None:
        if certain == 0:
            removal.clear(self.basket)
            self.model.remove(self.model.order)

    @precondition(lambda self: self.model.removals)
    @rule()
    def undo(self) -> None:
        undone = removal.undo(self.basket)
        self.model.put_back(self.model.removals.pop())
        assert_lawful(self.basket)
        assert removal.undo(self.basket, undone.pk).pk == undone.pk

    @precondition(lambda self: self.model.position)
    @rule(filters=FILTERS, value=st.booleans(), name=st.sampled_from(["", "JWST", "HST", "TESS"]))
    def select_in_bulk(self, filters: Filters, value: bool, name: str) -> None:
        missions = {self.model.lists[one].observation.obs_collection for one in self.model.order}
        mission = name if name in missions else ""
        self.select(mission, Scope(mission=mission or None), filters, value=value)

    @precondition(lambda self: self.model.position)
    @rule(filters=FILTERS, value=st.booleans(), seed=st.integers(0, 10**6), narrow=st.integers(0, 2))
    def select_a_node(self, filters: Filters, value: bool, seed: int, narrow: int) -> None:
        """An observation, one of its exposures, or one of its files."""
        draw = random.Random(seed)
        one = self.model.lists[draw.choice(self.model.order)]
        path, scope = observation_path(one.observation.obs_collection, one.observation), Scope(one.observation.pk)
        files = self.model.carried(one.observation.pk)
        if files and narrow:
            file = draw.choice(files)
            path = f"{path}/{encode(file.exposure)}" if file.exposure else path
            scope = Scope(one.observation.pk, exposure=file.exposure or None)
            if narrow == 2:
                path, scope = f"{path}/{file.id}", Scope(one.observation.pk, file=file.id)
        self.select(path, scope, filters, value=value)

    def select(self, path: str, scope: "Scope", filters: Filters, *, value: bool) -> None:
        hidden = {file.id for _, file in self.model.files() if not passes(file, filters)}
        before = hidden & self.model.selected
        selection.select(self.basket, path, filters, value)
        self.model.select(scope, filters, value=value)
        after = {int(pk) for ids in chosen.selected_ids(self.basket) for pk in ids}
        assert after & hidden == before, "a selection under a filter leaves hidden files alone"

    @rule(numbers=st.lists(st.integers(0, 30), min_size=1, max_size=4), filters=FILTERS, drop=st.integers(0, 3))
    def merge(self, numbers: list[int], filters: Filters, drop: int) -> None:
        """A stranger chose something, and signs in."""
        pks = self.pks(numbers)
        stranger, model = Basket(key="stranger"), Model(dict(self.model.lists))
        filling.add_observations(stranger, pks)
        model.add(pks)
        selection.select(stranger, "", filters, value=True)
        model.select(Scope(), filters, value=True)
        if drop == 0:
            removal.remove_selected(stranger)
            model.take_out(set(model.selected))
        parts = [model.part(one, {file.id for file in model.carried(one)}) for one in model.order]
        merge("stranger", self.owner)
        assert merge("stranger", self.owner) is None
        self.model.put_back(parts)
        self.model.selected |= model.selected
        self.model.removals += model.removals
        self.basket = Basket.objects.get(owner=self.owner)
        self.version = min(self.version, self.basket.version)

    @rule(number=st.integers(0, 30), seed=st.integers(0, 10**6))
    def the_archive_changes_a_list(self, number: int, seed: int) -> None:
        draw = random.Random(seed)
        observation = Observation.objects.get(pk=self.pks([number])[0])
        rows = list(observation.memberships.order_by("pk"))
        for row in draw.sample(rows, len(rows) // 3):
            Membership.objects.filter(observation=observation, product=row.product_id).delete()
        for product in draw.sample(list(Product.objects.order_by("pk")), 3):
            if not observation.memberships.filter(product=product).exists():
                list_at_random(draw, Catalogue(), observation, product)
        observation.products_version += 1
        observation.save()
        before = set(self.model.carrier)
        self.model.follow(observation.pk, listing(observation))
        changed = filling.rebase(self.basket)
        assert bool(changed) == (observation.pk in self.model.position)
        assert (changed.came, changed.left) == (
            len(set(self.model.carrier) - before),
            len(before - set(self.model.carrier)),
        )

    @rule(filters=FILTERS)
    def look(self, filters: Filters) -> None:
        self.filters = filters

    @invariant()
    def everything_agrees(self) -> None:
        assert_lawful(self.basket) if self.basket.pk else None
        assert self.basket.version >= self.version, "the version never goes back"
        self.version = self.basket.version
        found = facets.numbers(self.basket, self.filters, AnonymousUser(), timezone.now())
        assert_numbers(found, self.model, self.filters)
        assert_facets(self.basket, self.model, self.filters)
        levels = expected_levels(self.model, self.filters)
        assert sorted(walk(self.basket, "", self.filters, 2)) == sorted(levels[""])
        for path in [path for path in levels if path and path.count("/") < 2][:4]:
            assert walk(self.basket, path, self.filters, 6) == levels[path]
        ids = [int(pk) for portion in chosen.selected_ids(self.basket) for pk in portion]
        assert ids == [file.id for _, file in self.model.files() if file.id in self.model.selected]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_basket_agrees_with_plain_sets_after_any_acts(db: None, alice: User, seed: int) -> None:
    observations = random_catalogue(seed)
    BasketMachine.observations = observations
    BasketMachine.lists = {observation.pk: listing(observation) for observation in observations}
    BasketMachine.owner = alice
    run_state_machine_as_test(
        BasketMachine,
        settings=settings(
            max_examples=15,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
            database=None,
        ),
    )


class Writer(threading.Thread):
    """One of several tabs: acts on the basket as fast as it can, on a connection of its own."""

    def __init__(self, basket: int, act: Callable[[Basket, int], object], times: int) -> None:
        super().__init__()
        self.basket, self.act, self.times = basket, act, times
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            for number in range(self.times):
                self.act(Basket.objects.get(pk=self.basket), number)
        except BaseException as error:
            self.error = error
        finally:
            connection.close()


@pytest.mark.django_db(transaction=True)
def test_four_writers_lose_no_update_and_no_reader_sees_half_of_one() -> None:
    """Each deselects files of its own, one by one; a reader compares items with the counts of the basket."""
    catalogue, times = Catalogue(), 30
    every = [catalogue.filled(*(f"{one}_{number}_cal.fits" for number in range(times))) for one in range(4)]
    basket = Basket(key="shared")
    filling.add_observations(basket, [one.pk for one in every])
    selection.select(basket, "", EVERYTHING, value=True)
    before = basket.version

    def deselect(observation: Observation) -> Callable[[Basket, int], object]:
        top = observation_path("JWST", observation)
        ids = list(observation.memberships.order_by("pk").values_list("product", flat=True))
        keep = ids[0]
        return lambda basket, number: selection.select(
            basket, f"{top}/{ids[number]}", EVERYTHING, ids[number] == keep
        )

    def compare(basket: Basket, number: int) -> None:
        with snapshot():
            top = tree.nodes(basket, "", EVERYTHING).nodes[0]
            below = tree.nodes(basket, "JWST", EVERYTHING).nodes
            found = facets.numbers(basket, EVERYTHING, AnonymousUser(), timezone.now())
        assert top.selected == sum(node.selected for node in below) == found.selected.files

    threads = [Writer(basket.pk, deselect(one), times) for one in every] + [Writer(basket.pk, compare, 3 * times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [thread.error for thread in threads] == [None] * 5
    basket.refresh_from_db()
    assert basket.version == before + 4 * times
    assert sum(len(ids) for ids in chosen.selected_ids(basket)) == 4
    assert_lawful(basket)


@pytest.mark.django_db(transaction=True)
def test_two_first_acts_of_one_person_at_once_make_one_basket() -> None:
    catalogue = Catalogue()
    every = [catalogue.filled(f"a{number}.fits") for number in range(4)]
    barrier = threading.Barrier(4)
    errors: list[BaseException] = []

    def add(observation: Observation) -> None:
        try:
            barrier.wait()
            filling.add_observations(Basket(key="one"), [observation.pk])
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=add, args=(one,)) for one in every]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert Basket.objects.get().version == 4
    assert_lawful(Basket.objects.get())
