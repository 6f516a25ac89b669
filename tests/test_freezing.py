"""Freezing in the background: the same rows as at once, past crashes, changes of the basket, and cancelling."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from pytest_django import Settings

from basket.cube import Ints
from basket.models import Basket
from basket.page import Filters
from basket.removal import clear
from basket.selection import select
from portal.models import Grant, Product, Program
from retrieval import accounting, claims, freezing, jobs, plan, selection
from retrieval.freezing import Freezer
from retrieval.models import Outcome, Phase, Retrieval, Selection
from tests.small_archive import NOW, SmallArchive, fill, law, undone
from tests.test_plan import FATES, make

pytestmark = pytest.mark.django_db

NOBODY = AnonymousUser()
COLUMNS = (
    "position",
    "uri",
    "path",
    "source",
    "size",
    "crc32",
    "sha256",
    "access",
    "public_on",
    "outcome",
    "reason",
)


@pytest.fixture
def archive(tmp_path: Path) -> SmallArchive:
    return SmallArchive(tmp_path)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is left to a worker, who looks at two files at a time."""
    monkeypatch.setattr(plan, "FEW", 0)
    monkeypatch.setattr(freezing, "CHUNK", 2)
    monkeypatch.setattr(jobs, "CHUNK", 2)


def begun(archive: SmallArchive, files: int = 7, user: User | AnonymousUser = NOBODY) -> Retrieval:
    for number in range(files):
        archive.file(f"file{number}.fits", b"x" * (number + 1))
    return freeze(archive, user)


def freeze(archive: SmallArchive, user: User | AnonymousUser = NOBODY) -> Retrieval:
    basket = fill(Basket.objects.create(key="stranger"), archive)
    return plan.freeze(basket, user, NOW, key="stranger")


def work(retrieval: Retrieval) -> None:
    """A worker, until there is nothing left to do."""
    while jobs.go_on(retrieval.pk):
        assert retrieval.pk in jobs.due(timezone.now())
    retrieval.refresh_from_db()


def rows(retrieval: Retrieval) -> list[tuple[object, ...]]:
    return list(retrieval.files.order_by("position").values_list(*COLUMNS))


def expire_lease() -> None:
    Retrieval.objects.update(lease=timezone.now() - timedelta(seconds=1))


def test_a_large_selection_is_written_down_and_told_before_any_file_is_looked_at(
    archive: SmallArchive, slow: None
) -> None:
    retrieval = begun(archive)
    assert (retrieval.phase, retrieval.requested, retrieval.pending, retrieval.bytes) == (Phase.PENDING, 7, 7, 28)
    assert not retrieval.files.exists()
    assert jobs.due(timezone.now()) == [retrieval.pk]
    assert not jobs.measure_little(retrieval)


def test_a_worker_looks_at_every_file_and_lays_the_bundle_out(archive: SmallArchive, slow: None) -> None:
    retrieval = begun(archive)
    assert jobs.freeze(retrieval.pk, seconds=0)
    retrieval.refresh_from_db()
    assert (retrieval.phase, retrieval.frozen, retrieval.files.count()) == (Phase.PENDING, 2, 2)
    work(retrieval)
    law(retrieval)
    assert (retrieval.phase, retrieval.frozen, retrieval.lease) == (Phase.QUEUED, 7, None)
    assert retrieval.length is not None
    assert not Selection.objects.exists()
    assert jobs.due(timezone.now()) == []
    assert not jobs.go_on(retrieval.pk)


@hypothesis(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fates=st.lists(st.sampled_from(FATES), min_size=1, max_size=12))
def test_in_the_background_the_rows_are_those_of_freezing_at_once(
    tmp_path: Path, slow: None, monkeypatch: pytest.MonkeyPatch, fates: list[str]
) -> None:
    with undone():
        archive = SmallArchive(tmp_path)
        for number, fate in enumerate(fates):
            make(archive, number, fate)
        shared = archive.file("shared.fits")
        archive.observation("jw2").memberships.create(product=shared, obsID="77", obs_id="jw1")
        basket = fill(Basket.objects.create(key="stranger"), archive)
        with monkeypatch.context() as patched:
            patched.setattr(plan, "FEW", 100)
            at_once = plan.freeze(basket, NOBODY, NOW)
            jobs.measure_little(at_once)
        slowly = plan.freeze(basket, NOBODY, NOW)
        while jobs.freeze(slowly.pk, seconds=0):
            pass
        work(slowly)
        for retrieval in (at_once, slowly):
            law(retrieval)
        assert rows(slowly) == rows(at_once)
        for name in ("phase", "requested", "denied", "failed", "duplicates", "bytes", "message"):
            assert getattr(slowly, name) == getattr(at_once, name), name


def test_what_becomes_of_the_basket_meanwhile_makes_no_difference(archive: SmallArchive, slow: None) -> None:
    retrieval = begun(archive)
    basket = Basket.objects.get()
    jobs.freeze(retrieval.pk, seconds=0)
    select(basket, "", Filters(mrp=False), value=False)
    clear(basket)
    basket.delete()
    work(retrieval)
    law(retrieval)
    assert (retrieval.requested, retrieval.pending) == (7, 7)


def test_files_are_judged_for_whoever_asked(archive: SmallArchive, slow: None, alice: User) -> None:
    archive.exclusive("jw1_cal.fits")
    program = Program.objects.create(obs_collection="JWST", proposal_id="1234")
    Grant.objects.create(program=program, user=alice)
    granted = begun(archive, 1, alice)
    assert granted.bytes == 7
    work(granted)
    assert (granted.denied, granted.pending) == (0, 2)
    Basket.objects.all().delete()
    stranger = freeze(archive)
    assert stranger.bytes == 1
    work(stranger)
    law(stranger)
    assert (stranger.denied, stranger.pending) == (1, 1)


class Killed(BaseException):
    """Stands for a worker that dies: nothing catches it."""


def dying(monkeypatch: pytest.MonkeyPatch, at: int) -> Callable[[], None]:
    """Let whoever freezes that file die over it; the answer lets them live again."""
    alive = Freezer.rows

    def rows(self: Freezer, keys: Ints) -> list[freezing.Row]:
        found = alive(self, keys)
        if any(row.position == at for row in found):
            raise Killed
        return found

    monkeypatch.setattr(Freezer, "rows", rows)
    return lambda: monkeypatch.setattr(Freezer, "rows", alive)


@pytest.mark.parametrize("at", [0, 3, 6])
def test_a_worker_that_dies_is_followed_by_another_who_goes_on(
    archive: SmallArchive, slow: None, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    retrieval = begun(archive)
    revive = dying(monkeypatch, at)
    with pytest.raises(Killed):
        jobs.go_on(retrieval.pk)
    retrieval.refresh_from_db()
    assert retrieval.frozen == retrieval.files.count() == at // 2 * 2
    assert jobs.due(timezone.now()) == []
    assert not jobs.freeze(retrieval.pk)
    revive()
    expire_lease()
    work(retrieval)
    law(retrieval)
    assert [row[0] for row in rows(retrieval)] == list(range(7))


def test_paths_stay_apart_however_often_a_worker_goes_on(archive: SmallArchive, slow: None) -> None:
    for number in range(9):
        archive.file(f"{number}.fits")
    for product in Product.objects.all():
        product.productFilename = "same.fits" if product.pk % 2 else "SAME.fits"
        product.save()
    retrieval = freeze(archive)
    while jobs.freeze(retrieval.pk, seconds=0):
        pass
    paths = [path.lower() for path in retrieval.files.values_list("path", flat=True)]
    assert len(set(paths)) == len(paths) == 9


def test_what_nobody_can_put_together_ends_in_error(
    archive: SmallArchive, slow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    retrieval = begun(archive)
    dying(monkeypatch, 0)
    for _ in range(claims.MOST_ATTEMPTS):
        with pytest.raises(Killed):
            jobs.go_on(retrieval.pk)
        expire_lease()
    jobs.go_on(retrieval.pk)
    retrieval.refresh_from_db()
    assert (retrieval.phase, retrieval.skipped, retrieval.pending) == (Phase.ERROR, 7, 0)
    assert "could not be put together" in retrieval.message


def test_cancelling_in_the_middle_counts_every_file_and_again_takes_them_all(
    archive: SmallArchive, slow: None
) -> None:
    retrieval = begun(archive)
    jobs.freeze(retrieval.pk, seconds=0)
    retrieval = accounting.cancel(retrieval, NOW)
    assert (retrieval.phase, retrieval.requested, retrieval.skipped, retrieval.pending) == (Phase.ABORTED, 7, 7, 0)
    assert not jobs.go_on(retrieval.pk)
    new = plan.again(retrieval, NOBODY, NOW)
    assert new.phase == Phase.PENDING
    work(new)
    law(new)
    assert (new.requested, new.pending) == (7, 7)


def test_a_worker_notices_that_it_was_cancelled(
    archive: SmallArchive, slow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    retrieval = begun(archive)
    alive = Freezer.rows

    def rows(self: Freezer, keys: Ints) -> list[freezing.Row]:
        if retrieval.files.count() == 4:
            accounting.cancel(retrieval, NOW)
        return alive(self, keys)

    monkeypatch.setattr(Freezer, "rows", rows)
    assert not jobs.go_on(retrieval.pk)
    retrieval.refresh_from_db()
    assert (retrieval.phase, retrieval.files.count(), retrieval.skipped) == (Phase.ABORTED, 4, 7)


def test_a_file_that_left_the_catalogue_meanwhile_fails_and_says_so(archive: SmallArchive, slow: None) -> None:
    retrieval = begun(archive)
    Product.objects.filter(productFilename="file3.fits").delete()
    work(retrieval)
    law(retrieval)
    failed = retrieval.files.get(outcome=Outcome.FAILED)
    assert failed.reason == "The archive no longer lists this file."
    assert retrieval.pending == 6


def test_a_file_that_left_the_catalogue_is_still_named_when_it_is_asked_for_again(
    archive: SmallArchive, slow: None
) -> None:
    old = begun(archive)
    work(old)
    Product.objects.filter(productFilename="file3.fits").delete()
    new = plan.again(old, NOBODY, NOW)
    work(new)
    failed = new.files.get(outcome=Outcome.FAILED)
    assert (failed.path, failed.uri) == ("JWST/jw1/file3.fits", "mast:JWST/product/file3.fits")


def test_sizes_that_the_catalogue_did_not_tell_may_be_too_much_in_the_end(
    archive: SmallArchive, slow: None, settings: Settings
) -> None:
    settings.STREAM_LIMIT_BYTES = 20
    for number in range(7):
        archive.file(f"file{number}.fits", b"x" * 5)
    Product.objects.update(size=None)
    retrieval = freeze(archive)
    assert retrieval.bytes == 0
    work(retrieval)
    law(retrieval)
    assert (retrieval.phase, retrieval.skipped) == (Phase.ERROR, 7)
    assert "hold 35 bytes; one download may hold at most 20 bytes" in retrieval.message


def test_when_nothing_can_be_had_it_ends_in_error(archive: SmallArchive, slow: None) -> None:
    archive.exclusive("jw1_cal.fits")
    archive.listing("jw1_i2d.fits", 5)
    retrieval = freeze(archive)
    work(retrieval)
    law(retrieval)
    assert (retrieval.phase, retrieval.denied, retrieval.failed, retrieval.length) == (Phase.ERROR, 1, 1, None)


@given(st.lists(st.integers(0, 2**62), max_size=50))
def test_keys_come_out_in_the_order_in_which_they_went_in(keys: list[int]) -> None:
    assert selection.unpack(selection.pack(np.array(keys, np.int64))).tolist() == keys


def test_keys_that_follow_each_other_take_next_to_no_room() -> None:
    assert len(selection.pack(np.arange(10**9, 10**9 + 1_000_000))) < 60_000
