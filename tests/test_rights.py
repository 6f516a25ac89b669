"""Who may still read the files of a bundle: however their keys lie, what is refused and what is watched is the same."""

import re
from pathlib import Path

import numpy as np
import pytest
from django.contrib.auth.models import AnonymousUser, User
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from basket.models import Basket
from portal.models import Grant, Product, Program
from retrieval import bundle, plan, rights
from retrieval.models import Outcome
from tests.small_archive import NOW, SmallArchive, fill, undone

pytestmark = pytest.mark.django_db

NOBODY = AnonymousUser()
FATES = ["free", "other", "lost", "restricted", "exclusive"]
OUTCOMES = {"lost": Outcome.FAILED, "restricted": Outcome.DENIED, "exclusive": Outcome.DENIED}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(FATES), min_size=1, max_size=14), st.integers(1, 3))
def test_every_file_is_judged_by_what_the_catalogue_says_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fates: list[str], at_once: int
) -> None:
    """`other` products lie between those of the bundle, so that its keys are not in one row."""
    with undone(), monkeypatch.context() as patched:
        patched.setattr(rights, "RUNS_AT_ONCE", at_once)
        archive = SmallArchive(tmp_path)
        archive.file("first.fits")
        for number, fate in enumerate(fates):
            archive.file(f"{fate}{number}.fits", obs_id="else" if fate == "other" else "jw1")
        archive.observations.pop("else", None)
        retrieval = plan.freeze(fill(Basket.objects.create(key="stranger"), archive), NOBODY, NOW)
        Product.objects.filter(productFilename__startswith="lost").delete()
        Product.objects.filter(productFilename__startswith="restricted").update(dataRights="RESTRICTED")
        Product.objects.filter(productFilename__startswith="exclusive").update(dataRights="EXCLUSIVE_ACCESS")
        faults, guarded = rights.refused(retrieval, bundle.load(retrieval).product_ids, NOBODY, NOW)
        names = dict(retrieval.files.values_list("position", "uri"))
        told = [(re.sub(r".*/|\d+\.fits", "", names[fault.position]), fault.outcome) for fault in faults]
        assert sorted(told) == sorted((fate, OUTCOMES[fate]) for fate in fates if fate in OUTCOMES)
        assert guarded == set()
        wanted = Product.objects.exclude(productFilename__startswith="other")
        keys = np.array(wanted.values_list("pk", flat=True), np.int64)
        closed = wanted.filter(productFilename__regex="^(restricted|exclusive)").values_list("pk", flat=True)
        assert sorted(rights.denied(keys, NOBODY, NOW).tolist()) == sorted(closed)


def test_what_a_grant_opens_is_watched_while_it_is_sent(tmp_path: Path, alice: User) -> None:
    archive = SmallArchive(tmp_path)
    archive.file("jw1_i2d.fits")
    guarded = archive.exclusive("jw1_cal.fits")
    Grant.objects.create(program=Program.objects.create(obs_collection="JWST", proposal_id="1234"), user=alice)
    retrieval = plan.freeze(fill(Basket.objects.create(key="alice"), archive), alice, NOW)
    ids = bundle.load(retrieval).product_ids
    assert rights.refused(retrieval, ids, alice, NOW) == ([], {guarded.pk})
    Grant.objects.all().delete()
    [fault], watched = rights.refused(retrieval, ids, alice, NOW)
    assert (fault.outcome, watched) == (Outcome.DENIED, set())
    assert "Exclusive access until 2027-03-01" in fault.reason
