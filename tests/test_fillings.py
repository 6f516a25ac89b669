"""Adding in the background: in slices, exactly once, whoever is killed, and what cannot be added is told."""

from collections.abc import Iterable
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone

from basket import facets, filling, fillings, ledger, removal, selection
from basket.filling import Added
from basket.manifests import Manifest, manifests_for
from basket.merging import take_over
from basket.models import Basket, Filling
from basket.page import Filters
from basket.tasks import find_fillings
from portal.errors import Problem
from portal.models import Observation
from tests.catalogue import Catalogue, assert_lawful, random_catalogue

EVERYTHING = Filters(mrp=False)


class Killed(BaseException):
    """The worker dies: nothing of ours may catch it."""


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything takes longer than a request may, and one observation is a portion."""
    monkeypatch.setattr(fillings, "LITTLE_SECONDS", -1.0)
    monkeypatch.setattr(fillings, "PORTION_ROWS", 1)


@pytest.fixture
def observations(db: None) -> list[Observation]:
    return random_catalogue(5)


@pytest.fixture
def basket(db: None) -> Basket:
    return Basket(key="stranger")


def begun(basket: Basket, observations: Iterable[Observation]) -> Filling:
    made = fillings.add(basket, [one.pk for one in observations])
    assert isinstance(made, Filling)
    return made


def finished(made: Filling) -> Filling:
    """The filling after one portion a slice, to its end."""
    for _ in range(made.total + 2):
        if not fillings.work(made.key, seconds=1e-9):
            break
    made.refresh_from_db()
    return made


def later(made: Filling) -> None:
    """The lease of whoever died runs out."""
    Filling.objects.filter(pk=made.pk).update(lease=timezone.now() - timedelta(seconds=1))


def told(basket: Basket) -> dict[str, object]:
    """Everything that is the same however it came in."""
    found = facets.numbers(basket, EVERYTHING, AnonymousUser(), timezone.now())
    order = list(basket.items.order_by("position").values_list("observation", "facet_counts", "excluded"))
    return {"files": found.files, "rows": found.rows, "duplicates": found.duplicates, "order": order}


def test_what_is_quickly_added_is_added_at_once(basket: Basket, observations: list[Observation]) -> None:
    added = fillings.add(basket, [one.pk for one in observations])
    assert isinstance(added, Added)
    assert added.added == len(observations)
    assert not Filling.objects.exists()


def test_slices_bring_in_the_same_as_one_act(slow: None, basket: Basket, observations: list[Observation]) -> None:
    made = begun(basket, observations)
    assert (made.phase, made.total, basket.pk is not None) == ("QUEUED", len(observations), True)
    assert fillings.of_basket(basket) == [made]
    done = finished(made)
    assert (done.phase, done.done, done.lease) == ("COMPLETED", len(observations), None)
    assert done.ended is not None
    other = Basket(key="other")
    added = filling.add_observations(other, [one.pk for one in observations])
    assert told(basket) == told(other)
    assert (done.added, done.already, done.files, done.rows, done.duplicates) == (
        added.added, added.already, added.files, added.rows, added.duplicates,
    )  # fmt: skip
    assert_lawful(basket)
    assert fillings.of_basket(basket) == []
    assert fillings.work(made.key) is False, "it has ended"


def test_the_basket_can_be_used_meanwhile(slow: None, basket: Basket, observations: list[Observation]) -> None:
    made = begun(basket, observations)
    for step in range(100):
        if not fillings.work(made.key, seconds=1e-9):
            break
        fresh = Basket.objects.get(pk=basket.pk)
        selection.select(fresh, "", EVERYTHING, value=step % 2 == 0)
        if step % 4 == 2:
            removal.remove_selected(fresh)
            removal.undo(fresh)
        assert_lawful(fresh)
    made.refresh_from_db()
    assert (made.phase, made.done) == ("COMPLETED", len(observations))
    assert basket.items.count() == len(observations)


def test_a_killed_worker_costs_nothing_and_is_followed_by_another(
    slow: None, basket: Basket, observations: list[Observation], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = begun(basket, observations)
    assert fillings.work(made.key, seconds=1e-9)
    real, state = filling.put_in, Basket.objects.get(pk=basket.pk).version

    def dies(book: ledger.Ledger, manifests: list[Manifest]) -> Added:
        real(book, manifests)
        raise Killed

    monkeypatch.setattr(fillings, "put_in", dies)
    with pytest.raises(Killed):
        fillings.work(made.key)
    monkeypatch.setattr(fillings, "put_in", real)
    assert Basket.objects.get(pk=basket.pk).version == state, "what was not noted as done did not come in"
    assert fillings.work(made.key) is False, "somebody holds it, as far as anybody knows"
    assert fillings.due(timezone.now()) == []
    later(made)
    assert fillings.due(timezone.now()) == [made.key]
    done = finished(made)
    assert (done.phase, done.added, done.failures) == ("COMPLETED", len(observations), [])
    assert_lawful(basket)


def test_whoever_lost_the_job_writes_nothing_more(
    slow: None, basket: Basket, observations: list[Observation], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = begun(basket, observations)
    real = filling.put_in

    def late(book: ledger.Ledger, manifests: list[Manifest]) -> Added:
        Filling.objects.filter(pk=made.pk).update(epoch=99)
        return real(book, manifests)

    monkeypatch.setattr(fillings, "put_in", late)
    assert fillings.work(made.key) is False
    made.refresh_from_db()
    assert (made.done, basket.items.count()) == (0, 0)


def test_an_observation_that_kills_its_worker_is_set_aside(
    slow: None, basket: Basket, observations: list[Observation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fillings, "PORTION_ROWS", 10_000)
    made, poison = begun(basket, observations), observations[3]
    real = manifests_for

    def dies(some: list[int]) -> dict[int, Manifest]:
        if poison.pk in some:
            raise Killed
        return real(some)

    monkeypatch.setattr(fillings, "manifests_for", dies)
    deaths = 0
    while Filling.objects.get(pk=made.pk).phase != "COMPLETED":
        try:
            fillings.work(made.key)
        except Killed:
            deaths += 1
            later(made)
        assert deaths < 20
    made.refresh_from_db()
    assert [name for _, name, _ in made.failures] == [f"local:{poison.obsid}"]
    assert "stopped the worker" in made.failures[0][2]
    assert basket.items.count() == len(observations) - 1


def test_what_cannot_be_added_is_told_and_can_be_tried_again(
    slow: None, basket: Basket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fillings, "PORTION_ROWS", 10_000)
    catalogue = Catalogue()
    wanted = [catalogue.filled(f"{number}.fits") for number in range(3)]
    wanted.insert(1, catalogue.filled("h.fits", mission="HST"))
    monkeypatch.setattr(ledger, "MOST_MISSIONS", 1)
    done = finished(begun(basket, wanted))
    assert (done.phase, done.done, done.added) == ("COMPLETED", 4, 3)
    [[pk, name, reason]] = done.failures
    assert (pk, name) == (wanted[1].pk, f"local:{wanted[1].obsid}")
    assert "HST is one more" in reason
    assert fillings.of_basket(basket) == [done]
    monkeypatch.setattr(ledger, "MOST_MISSIONS", 255)
    again = fillings.retry(done)
    assert fillings.retry(done) == again, "a form that is sent twice"
    assert fillings.of_basket(basket) == [again]
    assert finished(again).failures == []
    assert basket.items.count() == 4
    assert_lawful(basket)
    with pytest.raises(Problem, match="nothing to try again"):
        fillings.retry(again)


def test_a_cancelled_filling_leaves_what_came_in(
    slow: None, basket: Basket, observations: list[Observation]
) -> None:
    made = begun(basket, observations)
    fillings.work(made.key, seconds=1e-9)
    fillings.cancel(made)
    assert (made.phase, made.ended is not None) == ("ABORTED", True)
    assert fillings.work(made.key) is False
    assert 0 < basket.items.count() < len(observations)
    ended = made.ended
    fillings.cancel(made)
    assert made.ended == ended
    assert_lawful(basket)


def test_a_filling_goes_on_in_the_basket_that_its_basket_became_part_of(
    slow: None, basket: Basket, observations: list[Observation], alice: User
) -> None:
    made = begun(basket, observations)
    fillings.work(made.key, seconds=1e-9)
    take_over("stranger", alice, timezone.now())
    done = finished(made)
    assert (done.phase, done.basket.owner, done.basket.items.count()) == ("COMPLETED", alice, len(observations))
    assert_lawful(done.basket)


def test_an_observation_that_is_gone_by_then_is_left_out(slow: None, basket: Basket) -> None:
    catalogue = Catalogue()
    wanted = [catalogue.filled("a.fits"), catalogue.filled("b.fits")]
    made = begun(basket, wanted)
    wanted[0].delete()
    done = finished(made)
    assert (done.phase, done.done, done.added) == ("COMPLETED", 2, 1)


def test_the_tick_finds_what_no_message_announced(
    slow: None, basket: Basket, observations: list[Observation], settings: object
) -> None:
    made = begun(basket, observations)
    assert fillings.due(timezone.now()) == [made.key]
    find_fillings()
    made.refresh_from_db()
    assert made.phase == "QUEUED", "a message is all that it sends"


def test_how_long_it_takes_is_told_by_what_is_not_packed_yet(observations: list[Observation]) -> None:
    pks = [one.pk for one in observations]
    before = fillings.seconds(pks)
    manifests_for(pks)
    assert 0 < fillings.seconds(pks) < before
