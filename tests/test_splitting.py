"""Parts of a selection: together they are the selection, each is small enough, and observations stay whole."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from django.contrib.auth.models import AnonymousUser
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from basket.chosen import Chosen
from basket.models import Basket
from portal.errors import Problem
from retrieval import bundle, plan, splitting
from retrieval.fetching import batches
from retrieval.models import Retrieval, Split
from tests.small_archive import NOW, SmallArchive, fill, law

NOBODY = AnonymousUser()


@pytest.fixture
def archive(tmp_path: Path) -> SmallArchive:
    return SmallArchive(tmp_path)


def chosen(number: int, sizes: list[int]) -> Chosen:
    count = len(sizes)
    keys = np.arange(count, dtype=np.int64) + 1000 * number
    return Chosen(f"JWST/jw{number}", keys, np.array(sizes, np.int64))


@given(
    st.lists(st.lists(st.integers(0, 100), min_size=1, max_size=12), min_size=1, max_size=12),
    st.integers(100, 600),
)
def test_parts_are_the_selection_in_order_each_small_enough(sizes: list[list[int]], most: int) -> None:
    selection = [chosen(number, one) for number, one in enumerate(sizes)]
    parts = splitting.parts(selection, most)
    keys = [key for part in parts for one in part for key in one.products.tolist()]
    assert keys == [key for one in selection for key in one.products.tolist()]
    assert all(part and sum(int(one.sizes.sum()) for one in part) <= most for part in parts)
    for number, one in enumerate(sizes):
        holding = [part for part in parts if any(piece.observation == f"JWST/jw{number}" for piece in part)]
        assert len(holding) == 1 or sum(one) > most


def test_no_part_could_have_taken_the_next_observation() -> None:
    parts = splitting.parts([chosen(number, [40]) for number in range(7)], 100)
    assert [len(part) for part in parts] == [2, 2, 2, 1]


def test_a_file_that_no_part_can_hold_is_named() -> None:
    with pytest.raises(splitting.TooLarge) as caught:
        splitting.parts([chosen(0, [10, 20]), chosen(1, [10, 101, 5])], 100)
    assert (caught.value.product, caught.value.size) == (1001, 101)


def parts_of(archive: SmallArchive, part_bytes: int | None = None) -> list[Retrieval]:
    basket = fill(Basket.objects.create(key="stranger"), archive)
    first = plan.freeze(basket, NOBODY, NOW, key="stranger", split=True, part_bytes=part_bytes)
    made = list(Retrieval.objects.order_by("part"))
    assert made[0] == first
    for retrieval in made:
        law(retrieval)
    return made


def manifest(retrieval: Retrieval) -> dict[str, object]:
    laid_out = bundle.load(retrieval)
    reader = laid_out.reader()
    data = b"".join(map(reader.read, batches(laid_out.plan.segments())))
    reader.close()
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert opened.testzip() is None
        told: dict[str, object] = json.loads(opened.read("MANIFEST.json"))
    return told


@pytest.mark.django_db
def test_each_part_is_a_bundle_that_says_what_the_others_hold(archive: SmallArchive, settings: Settings) -> None:
    settings.STREAM_LIMIT_BYTES = 1000
    for number in range(5):
        archive.file(f"jw{number}_i2d.fits", b"x" * 400, obs_id=f"jw{number}")
    archive.exclusive("jw0_cal.fits", b"x" * 5000, obs_id="jw0")
    parts = parts_of(archive)
    assert [part.name for part in parts] == [f"MAST_2026-11-25T120000_part{number}of3" for number in (1, 2, 3)]
    assert [(part.requested, part.denied, part.bytes) for part in parts] == [(3, 1, 800), (2, 0, 800), (1, 0, 400)]
    observations = [["JWST/jw0", "JWST/jw1"], ["JWST/jw2", "JWST/jw3"], ["JWST/jw4"]]
    for number, part in enumerate(parts, start=1):
        told = manifest(part)
        assert told["name"] == part.name
        assert told["part"] == {"number": number, "of": 3, "observations": observations}
    assert Split.objects.get().observations == observations


@pytest.mark.django_db
def test_an_observation_above_the_limit_is_split_by_files(archive: SmallArchive, settings: Settings) -> None:
    settings.STREAM_LIMIT_BYTES = 1000
    for number in range(5):
        archive.file(f"jw1_{number}.fits", b"x" * 400)
    parts = parts_of(archive)
    assert [part.requested for part in parts] == [2, 2, 1]
    assert len({path for part in parts for path in part.files.values_list("path", flat=True)}) == 5


@pytest.mark.django_db
def test_smaller_parts_may_be_wished_for(archive: SmallArchive) -> None:
    for number in range(4):
        archive.file(f"jw{number}_i2d.fits", b"x" * 900_000, obs_id=f"jw{number}")
    assert [part.requested for part in parts_of(archive, 2_000_000)] == [2, 2]


@pytest.mark.django_db
def test_one_file_above_the_limit_is_refused_by_name(archive: SmallArchive, settings: Settings) -> None:
    settings.STREAM_LIMIT_BYTES = 1000
    archive.file("jw1_uncal.fits", b"x" * 1001)
    archive.file("jw1_cal.fits", b"x" * 900)
    basket = fill(Basket.objects.create(key="stranger"), archive)
    for split in (True, False):
        with pytest.raises(Problem, match=r"jw1_uncal\.fits alone holds 1\.0 kB") as caught:
            plan.freeze(basket, NOBODY, NOW, split=split)
        assert caught.value.status == 413
    assert not Retrieval.objects.exists()


@pytest.mark.django_db
def test_a_part_fetched_anew_is_the_same_part(archive: SmallArchive, settings: Settings) -> None:
    settings.STREAM_LIMIT_BYTES = 1000
    for number in range(2):
        archive.file(f"jw{number}_i2d.fits", b"x" * 900, obs_id=f"jw{number}")
    _, second = parts_of(archive)
    new = plan.again(second, NOBODY, NOW)
    assert (new.part, new.parts, new.split) == (2, 2, second.split)
    assert new.name.endswith("_part2of2")
    assert manifest(new)["part"] == manifest(second)["part"]


@pytest.mark.django_db
def test_too_many_parts_are_refused(
    archive: SmallArchive, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STREAM_LIMIT_BYTES = 1000
    monkeypatch.setattr(plan, "MOST_PARTS", 2)
    for number in range(3):
        archive.file(f"jw{number}_i2d.fits", b"x" * 900, obs_id=f"jw{number}")
    basket = fill(Basket.objects.create(key="stranger"), archive)
    with pytest.raises(Problem, match="3 parts; 2 are the most") as caught:
        plan.freeze(basket, NOBODY, NOW, split=True)
    assert caught.value.status == 413
