"""A link to a basket as it was: for whoever has it, with their own rights, until it is ended."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test.utils import override_settings
from django.utils import timezone

from basket import chosen, copying, facets, filling, keeping, merging, removal, selection, sharing
from basket.holders import Holder
from basket.models import Basket, BasketItem, Share
from basket.page import Filters
from portal.access import datetime_to_mjd
from portal.errors import Problem
from portal.models import Grant, Program
from tests.catalogue import Catalogue, assert_lawful, names
from tests.test_copying import told

NOW = timezone.now()
EVERYTHING = Filters(mrp=False)


@pytest.fixture
def holder(alice: User) -> Holder:
    return Holder(owner=alice.pk)


@pytest.fixture
def basket(holder: Holder) -> Basket:
    """Two observations, one file selected."""
    made, catalogue = keeping.opened(holder), Catalogue()
    filling.add_observations(made, [catalogue.filled(f"{n}_a.fits", f"{n}_b.fits").pk for n in "12"])
    selection.select(made, "", Filters(mrp=False, q="2_b"), value=True)
    return made


def link(share: Share) -> str:
    return sharing.token(share)


def test_a_link_leads_to_the_basket_as_it_was(basket: Basket, holder: Holder) -> None:
    before = told(basket)
    share = sharing.share(basket, holder, " For  Bob ")
    removal.clear(basket)
    found = sharing.opened(link(share))
    assert found.basket is not None
    assert told(found.basket) == before
    assert (found.name, found.observations, found.files, found.bytes) == ("For Bob", 2, 4, 400)
    assert_lawful(found.basket)


def test_the_link_cannot_be_guessed_and_not_be_made_from_the_database(basket: Basket, holder: Holder) -> None:
    shares = [sharing.share(basket, holder) for _ in range(3)]
    tokens = {link(share) for share in shares}
    assert len(tokens) == 3
    assert all(len(token) == 43 for token in tokens)  # 256 bits
    stored = [str(value) for row in Share.objects.values() for value in row.values()]
    assert not [value for value in stored for token in tokens if token in value]
    for value in stored:
        with pytest.raises(Problem):
            sharing.opened(value)


@pytest.mark.parametrize("token", ["", "x", "x" * 100_000, "\0", "\ud800", "é" * 43, "../../etc", "' OR 1=1 --"])
def test_a_link_that_leads_nowhere_says_so(basket: Basket, holder: Holder, token: str) -> None:
    sharing.share(basket, holder)
    with pytest.raises(Problem, match="leads to no shared basket") as refused:
        sharing.opened(token)
    assert refused.value.status == 404


def test_an_ended_link_is_gone_at_once_with_its_copy(basket: Basket, holder: Holder, bob: User) -> None:
    share = sharing.share(basket, holder)
    token, copy = link(share), share.basket
    with pytest.raises(Problem, match="no such link"):
        sharing.revoke(Holder(owner=bob.pk), share.pk, NOW)
    sharing.revoke(holder, share.pk, NOW)
    sharing.revoke(holder, share.pk, NOW + timedelta(hours=1))
    with pytest.raises(Problem, match="no longer shared") as refused:
        sharing.opened(token)
    assert refused.value.status == 410
    assert copy is not None
    assert not Basket.objects.filter(pk=copy.pk).exists()
    assert not BasketItem.objects.exclude(basket=basket).exists()
    assert sharing.shares(holder).get().revoked == NOW
    assert sharing.url(sharing.shares(holder).get()) == ""


def test_with_another_secret_key_links_work_and_are_not_told(basket: Basket, holder: Holder) -> None:
    share = sharing.share(basket, holder)
    token = link(share)
    with override_settings(SECRET_KEY="another"):
        assert sharing.opened(token).pk == share.pk
        assert (link(share), sharing.url(share)) == ("", "")


def test_copying_unites_files_and_selections(basket: Basket, holder: Holder, bob: User) -> None:
    share = sharing.share(basket, holder)
    theirs = keeping.opened(Holder(owner=bob.pk))
    filling.add_observations(theirs, [Catalogue().filled("own.fits").pk])
    selection.select(theirs, "", EVERYTHING, value=True)
    joined = sharing.copy(theirs, sharing.opened(link(share)))
    assert (joined.observations, joined.already, joined.files) == (2, 0, 4)
    assert names(chosen.selected_products(theirs)) == ["own.fits", "2_b.fits"]
    assert_lawful(theirs)
    assert theirs.version == Basket.objects.get(pk=theirs.pk).version
    again = sharing.copy(theirs, sharing.opened(link(share)))
    assert (again.observations, again.already, again.files, again.joining) == (0, 2, 0, None)


def test_copying_into_an_empty_basket_gives_the_same_basket(basket: Basket, holder: Holder, bob: User) -> None:
    share = sharing.share(basket, holder)
    theirs = keeping.opened(Holder(owner=bob.pk))
    sharing.copy(theirs, sharing.opened(link(share)))
    assert told(theirs) == told(basket)
    assert_lawful(theirs)
    selection.select(theirs, "", EVERYTHING, value=True)
    assert_lawful(theirs)


def test_a_copy_can_be_undone(basket: Basket, holder: Holder, bob: User) -> None:
    bobs = Holder(owner=bob.pk)
    theirs = keeping.opened(bobs)
    filling.add_observations(theirs, [Catalogue().filled("own.fits").pk])
    before = told(theirs)
    joined = sharing.copy(theirs, sharing.opened(link(sharing.share(basket, holder))))
    assert joined.joining is not None
    undone = merging.undo(bobs, joined.joining, timezone.now())
    assert undone.kept is None
    assert told(keeping.opened(bobs)) == before


def test_a_file_that_was_taken_out_is_not_in_the_copy(basket: Basket, holder: Holder, bob: User) -> None:
    removal.remove_selected(basket)
    theirs = keeping.opened(Holder(owner=bob.pk))
    filling.add_observations(theirs, [Catalogue().filled("own.fits").pk])
    sharing.copy(theirs, sharing.opened(link(sharing.share(basket, holder))))
    assert facets.total_files(theirs) == 1 + 3


def test_what_is_denied_is_judged_for_the_viewer(holder: Holder, alice: User, bob: User) -> None:
    catalogue, tomorrow = Catalogue(), NOW + timedelta(days=1)
    observation = catalogue.observation()
    rights: dict[str, Any] = {
        "dataRights": "EXCLUSIVE_ACCESS",
        "t_obs_release": datetime_to_mjd(tomorrow),
        "proposal_id": "1",
    }
    catalogue.lists(observation, catalogue.product("secret.fits", **rights))
    program = Program.objects.create(obs_collection="JWST", proposal_id="1")
    Grant.objects.create(program=program, user=alice)
    basket = keeping.opened(holder)
    filling.add_observations(basket, [observation.pk])
    selection.select(basket, "", EVERYTHING, value=True)
    shared = sharing.opened(link(sharing.share(basket, holder))).basket
    assert shared is not None
    assert [facets.numbers(shared, EVERYTHING, user, NOW).denied.files for user in (alice, bob)] == [0, 1]
    assert facets.numbers(shared, EVERYTHING, bob, tomorrow + timedelta(minutes=1)).denied.files == 0


def test_an_empty_basket_is_not_shared(holder: Holder) -> None:
    with pytest.raises(Problem, match="nothing to share") as refused:
        sharing.share(keeping.opened(holder), holder)
    assert refused.value.status == 422


def test_there_is_an_end_to_links(basket: Basket, holder: Holder) -> None:
    Share.objects.bulk_create(
        Share(owner_id=holder.owner, observations=1, files=1, bytes=1, nonce="", digest=str(number))
        for number in range(sharing.MOST)
    )
    with pytest.raises(Problem, match="You have shared 200"):
        sharing.share(basket, holder)
    Share.objects.update(revoked=NOW)
    assert sharing.share(basket, holder)


def test_a_shared_copy_stays_when_its_basket_is_deleted(basket: Basket, holder: Holder) -> None:
    share = sharing.share(basket, holder)
    copying.drop(Basket.objects.get(pk=basket.pk))
    assert sharing.opened(link(share)).files == 4
