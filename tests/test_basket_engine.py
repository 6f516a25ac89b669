"""The basket against a model of plain sets, over random acts."""

import random
from collections.abc import Iterable
from copy import deepcopy
from itertools import count

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
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

from basket import chosen, copying, facets, filling, following, keeping, merging, removal, selection
from basket.holders import Holder
from basket.models import Basket
from basket.nodes import encode, observation_path
from basket.page import Filters
from portal.models import Membership, Observation, Product
from tests.basket_model import (
    EVERYTHING,
    FILTERS,
    Model,
    Scope,
    assert_facets,
    assert_numbers,
    expected_levels,
    passes,
    walk,
)
from tests.catalogue import Catalogue, Listing, assert_lawful, list_at_random, listing, random_catalogue


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
        self.strangers = count()
        self.shared: tuple[Basket, list[tuple[int, int, set[int], set[int]]]] | None = None
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

    def select(self, path: str, scope: Scope, filters: Filters, *, value: bool) -> None:
        hidden = {file.id for _, file in self.model.files() if not passes(file, filters)}
        before = hidden & self.model.selected
        selection.select(self.basket, path, filters, value)
        self.model.select(scope, filters, value=value)
        after = {int(pk) for ids in chosen.selected_ids(self.basket) for pk in ids}
        assert after & hidden == before, "a selection under a filter leaves hidden files alone"

    @rule(
        numbers=st.lists(st.integers(0, 30), min_size=1, max_size=4),
        filters=FILTERS,
        drop=st.integers(0, 3),
        back=st.booleans(),
    )
    def merge(self, numbers: list[int], filters: Filters, drop: int, back: bool) -> None:
        """A stranger chose something, and signs in; and perhaps wants their own basket back as it was."""
        pks, key, now = self.pks(numbers), f"stranger{next(self.strangers)}", timezone.now()
        stranger, model = Basket(key=key), Model(dict(self.model.lists))
        filling.add_observations(stranger, pks)
        model.add(pks)
        selection.select(stranger, "", filters, value=True)
        model.select(Scope(), filters, value=True)
        if drop == 0:
            removal.remove_selected(stranger)
            model.take_out(set(model.selected))
        before, theirs = deepcopy(self.model), self.parts(model)
        joined = merging.take_over(key, self.owner, now)
        assert merging.take_over(key, self.owner, now) is None
        self.model.put_back(theirs)
        self.model.selected |= model.selected
        self.model.removals += model.removals
        if back and joined and joined.joining:
            self.found_again()
            assert_lawful(self.basket)
            merging.undo(Holder(owner=self.owner.pk), joined.joining, now)
            self.model = before
        self.found_again()

    @precondition(lambda self: self.model.position)
    @rule()
    def share(self) -> None:
        """A copy of this moment, for whoever has the link."""
        self.shared = copying.frozen(self.basket), self.parts(self.model)

    @precondition(lambda self: self.shared)
    @rule()
    def copy_the_share(self) -> None:
        """What was shared comes in again."""
        copy, parts = self.shared or (Basket(), [])
        merging.copy_in(self.basket, copy)
        self.model.put_back(parts)
        self.model.selected |= {file for part in parts for file in part[3]} & set(self.model.carrier)
        self.found_again()

    def parts(self, model: Model) -> list[tuple[int, int, set[int], set[int]]]:
        return [model.part(one, {file.id for file in model.carried(one)}) for one in model.order]

    def found_again(self) -> None:
        self.basket = keeping.opened(Holder(owner=self.owner.pk))
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
        changed = following.rebase(self.basket)
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
