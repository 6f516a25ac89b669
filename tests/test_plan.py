"""Freezing a selection: every file gets one row, one path and one outcome, and the numbers always add up."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from pytest_django import Settings

from basket.models import Basket
from portal.errors import Problem
from portal.models import Grant, Product, Program, StoredFile
from retrieval import plan
from retrieval.models import Outcome, Phase, Retrieval, RetrievalFile
from tests.small_archive import NOW, SmallArchive, fill, law, path_of, undone

pytestmark = pytest.mark.django_db

NOBODY = AnonymousUser()


@pytest.fixture
def archive(tmp_path: Path) -> SmallArchive:
    return SmallArchive(tmp_path)


@pytest.fixture
def basket(db: None) -> Basket:
    return Basket.objects.create(key="stranger")


def freeze(basket: Basket, user: User | AnonymousUser = NOBODY, now: datetime = NOW, **options: Any) -> Retrieval:
    return plan.freeze(basket, user, now, key="stranger", **options)


def only(retrieval: Retrieval) -> RetrievalFile:
    return retrieval.files.get()


def test_the_selected_files_are_frozen_with_their_place_and_what_was_measured(
    archive: SmallArchive, basket: Basket
) -> None:
    product = archive.file("jw1_i2d.fits", b"SIMPLE  = T")
    retrieval = freeze(fill(basket, archive))
    file = only(retrieval)
    stored = StoredFile.objects.get()
    assert (file.path, file.uri) == ("JWST/jw1/jw1_i2d.fits", product.dataURI)
    assert (file.source, file.size, file.mtime_ns) == (stored.path, 11, stored.mtime_ns)
    assert (file.crc32, file.sha256) == (stored.crc32, stored.sha256)
    assert (file.outcome, file.reason, file.access) == ("pending", "", "PUBLIC")
    assert retrieval.phase == Phase.QUEUED
    assert retrieval.name == "MAST_2026-11-25T120000"
    assert retrieval.bytes == 11
    assert retrieval.length is not None
    assert retrieval.length > 11
    assert retrieval.etag.startswith('"')
    law(retrieval)


def test_files_keep_the_order_of_the_basket_and_have_paths_of_their_own(
    archive: SmallArchive, basket: Basket
) -> None:
    archive.file("b_i2d.fits", obs_id="jw2")
    archive.file("B_I2D.fits", obs_id="jw2")
    archive.file("a_i2d.fits", obs_id="jw1")
    retrieval = freeze(fill(basket, archive))
    listed = list(retrieval.files.order_by("position").values_list("position", "path"))
    assert [position for position, _ in listed] == [0, 1, 2]
    paths = [path for _, path in listed]
    assert paths[2] == "JWST/jw1/a_i2d.fits"
    assert [path.lower() for path in paths[:2]] == ["jwst/jw2/b_i2d.fits", "jwst/jw2/b_i2d (2).fits"]


def test_in_a_flat_layout_no_file_takes_the_name_of_a_manifest(archive: SmallArchive, basket: Basket) -> None:
    archive.file("manifest.html")
    archive.file("jw1_i2d.fits")
    retrieval = freeze(fill(basket, archive), layout="flat")
    assert set(retrieval.files.values_list("path", flat=True)) == {"manifest (2).html", "jw1_i2d.fits"}


def test_exclusive_files_are_denied_with_the_day_of_their_release(archive: SmallArchive, basket: Basket) -> None:
    archive.exclusive("jw1_cal.fits")
    archive.file("jw1_i2d.fits")
    retrieval = freeze(fill(basket, archive))
    denied = retrieval.files.get(outcome=Outcome.DENIED)
    assert "2027-03-01" in denied.reason
    assert denied.public_on == datetime(2027, 3, 1, tzinfo=UTC).date()
    assert denied.source == ""
    law(retrieval)


def test_a_grant_opens_exclusive_files(archive: SmallArchive, basket: Basket, alice: User) -> None:
    archive.exclusive("jw1_cal.fits")
    program = Program.objects.create(obs_collection="JWST", proposal_id="1234")
    Grant.objects.create(program=program, user=alice)
    retrieval = freeze(fill(basket, archive), alice)
    assert only(retrieval).outcome == Outcome.PENDING
    assert retrieval.owner == alice


def test_the_moment_decides_at_the_second_of_the_release(archive: SmallArchive, basket: Basket) -> None:
    archive.exclusive("jw1_cal.fits", until=NOW + timedelta(seconds=1))
    fill(basket, archive)
    assert only(freeze(basket)).outcome == Outcome.DENIED
    assert only(freeze(basket, now=NOW + timedelta(seconds=2))).outcome == Outcome.PENDING


def test_a_file_without_bytes_fails_and_says_so(archive: SmallArchive, basket: Basket) -> None:
    archive.listing("jw1_cal.fits", 100)
    archive.file("jw1_i2d.fits")
    failed = freeze(fill(basket, archive)).files.get(outcome=Outcome.FAILED)
    assert failed.reason == "The archive has no bytes for this file."
    assert failed.size == 100


def test_a_file_that_vanished_from_disk_fails(archive: SmallArchive, basket: Basket) -> None:
    path_of(archive.file("jw1_i2d.fits")).unlink()
    assert only(freeze(fill(basket, archive))).reason == "The archive has no bytes for this file."


def test_a_size_that_is_not_the_catalogues_names_both(archive: SmallArchive, basket: Basket) -> None:
    product = archive.file("jw1_i2d.fits", b"x" * 2345)
    Product.objects.filter(pk=product.pk).update(size=9_876_543)
    file = only(freeze(fill(basket, archive)))
    assert file.outcome == Outcome.FAILED
    assert "2,345 bytes on disk" in file.reason
    assert "9,876,543 in the archive's catalogue" in file.reason


def test_where_the_catalogue_tells_no_size_the_measured_one_is_the_promise(
    archive: SmallArchive, basket: Basket
) -> None:
    product = archive.file("jw1_i2d.fits", b"x" * 2345)
    Product.objects.update(size=None)
    assert only(freeze(fill(basket, archive))).outcome == Outcome.PENDING
    path_of(product).write_bytes(b"x" * 99)
    assert "99 bytes on disk, but 2,345" in only(freeze(basket)).reason


def test_something_in_the_place_of_a_file_fails(archive: SmallArchive, basket: Basket) -> None:
    path = path_of(archive.file("jw1_i2d.fits"))
    path.unlink()
    path.mkdir()
    size = path.stat().st_size
    Product.objects.update(size=size)
    assert only(freeze(fill(basket, archive))).reason == "This file cannot be read by the archive's server."


def test_a_file_written_again_is_to_be_measured_again(archive: SmallArchive, basket: Basket) -> None:
    path = path_of(archive.file("jw1_i2d.fits"))
    os.utime(path, ns=(1, 1))
    retrieval = freeze(fill(basket, archive))
    assert (only(retrieval).outcome, only(retrieval).crc32, only(retrieval).sha256) == ("pending", None, "")
    assert (retrieval.phase, retrieval.length) == (Phase.QUEUED, None)


def test_when_nothing_can_be_delivered_it_ends_in_error_and_every_file_says_why(
    archive: SmallArchive, basket: Basket
) -> None:
    archive.exclusive("jw1_cal.fits")
    archive.listing("jw1_i2d.fits", 5)
    retrieval = freeze(fill(basket, archive))
    assert retrieval.phase == Phase.ERROR
    assert retrieval.message == "None of the files can be delivered; the list says why for each."
    assert (retrieval.denied, retrieval.failed, retrieval.length) == (1, 1, None)
    law(retrieval)


def test_nothing_selected_is_told_with_what_to_do(basket: Basket) -> None:
    with pytest.raises(Problem, match="Tick the files you want") as caught:
        freeze(basket)
    assert caught.value.status == 422
    assert not Retrieval.objects.exists()


def test_a_basket_that_was_never_stored_has_nothing_selected() -> None:
    with pytest.raises(Problem, match="Tick the files you want"):
        freeze(Basket())


@pytest.mark.parametrize("method", ["tgz", "batch", ""])
def test_a_method_that_does_not_exist_yet_is_refused_with_those_that_do(basket: Basket, method: str) -> None:
    with pytest.raises(
        Problem, match=rf"method={method} is not available here. Available: zip, tar, tar.gz"
    ) as caught:
        freeze(basket, method=method)
    assert (caught.value.status, caught.value.field) == (422, "method")


def test_an_unknown_layout_is_refused(basket: Basket) -> None:
    with pytest.raises(Problem, match="layout=heap") as caught:
        freeze(basket, layout="heap")
    assert (caught.value.status, caught.value.field) == (422, "layout")


def test_above_the_stream_limit_the_refusal_names_both_sizes_and_keeps_nothing(
    archive: SmallArchive, basket: Basket, settings: Settings
) -> None:
    settings.STREAM_LIMIT_BYTES = 10_000
    archive.file("jw1_i2d.fits", b"x" * 6000)
    archive.file("jw1_cal.fits", b"x" * 5500)
    with pytest.raises(Problem, match=r"11\.5 kB.*10\.0 kB.*2 parts by observation.*select fewer") as caught:
        freeze(fill(basket, archive))
    assert caught.value.status == 413
    assert not Retrieval.objects.exists()


def test_denied_bytes_do_not_count_against_the_stream_limit(
    archive: SmallArchive, basket: Basket, settings: Settings
) -> None:
    settings.STREAM_LIMIT_BYTES = 6000
    archive.file("jw1_i2d.fits", b"x" * 6000)
    archive.exclusive("jw1_cal.fits", b"x" * 5500)
    assert freeze(fill(basket, archive)).bytes == 6000


def test_duplicates_are_reported_apart(archive: SmallArchive, basket: Basket) -> None:
    product = archive.file("gs.fits", obs_id="jw1")
    archive.file("jw2_i2d.fits", obs_id="jw2")
    archive.observation("jw2").memberships.create(product=product, obsID="77", obs_id="jw1")
    retrieval = freeze(fill(basket, archive))
    assert (retrieval.requested, retrieval.duplicates) == (2, 1)


def test_recommended_products_of_one_observation_need_no_basket(archive: SmallArchive) -> None:
    archive.file("jw1_i2d.fits", productGroupDescription="Minimum Recommended Products")
    archive.file("jw1_uncal.fits")
    retrieval = plan.freeze_recommended(archive.observation("jw1"), NOBODY, NOW, key="stranger")
    assert only(retrieval).path == "JWST/jw1/jw1_i2d.fits"
    assert retrieval.length is not None
    law(retrieval)


def test_an_observation_without_recommended_products_says_what_to_do(archive: SmallArchive) -> None:
    archive.file("jw1_uncal.fits")
    with pytest.raises(Problem, match="Add it to the basket"):
        plan.freeze_recommended(archive.observation("jw1"), NOBODY, NOW)


def test_again_freezes_the_same_files_as_the_archive_has_them_now(archive: SmallArchive, basket: Basket) -> None:
    released = archive.exclusive("jw1_cal.fits")
    archive.file("jw1_i2d.fits")
    archive.file("jw1_x1d.fits")
    old = freeze(fill(basket, archive))
    Product.objects.filter(pk=released.pk).update(dataRights="PUBLIC")
    Product.objects.filter(productFilename="jw1_x1d.fits").delete()
    new = plan.again(old, NOBODY, NOW)
    assert set(new.files.values_list("path", "outcome", "reason")) == {
        ("JWST/jw1/jw1_cal.fits", "pending", ""),
        ("JWST/jw1/jw1_i2d.fits", "pending", ""),
        ("JWST/jw1/jw1_x1d.fits", "failed", "The archive no longer lists this file."),
    }
    law(new)


def test_a_retry_takes_the_failed_files_only(archive: SmallArchive, basket: Basket, tmp_path: Path) -> None:
    archive.file("jw1_i2d.fits")
    missing = archive.listing("jw1_cal.fits", 4)
    old = freeze(fill(basket, archive))
    (tmp_path / "found").write_bytes(b"DATA")
    archive.store(missing, tmp_path / "found", b"DATA")
    new = plan.again(old, NOBODY, NOW, missing_only=True)
    assert (only(new).path, only(new).outcome) == ("JWST/jw1/jw1_cal.fits", "pending")
    with pytest.raises(Problem, match="nothing to retry") as caught:
        plan.again(new, NOBODY, NOW, missing_only=True)
    assert caught.value.status == 409


FATES = ["fine", "unmeasured", "exclusive", "restricted", "missing", "vanished", "resized", "empty"]


def make(archive: SmallArchive, number: int, fate: str) -> None:
    name = f"file{number}.fits"
    if fate == "exclusive":
        archive.exclusive(name)
    elif fate == "missing":
        archive.listing(name, 10)
    else:
        rights = "RESTRICTED" if fate == "restricted" else "PUBLIC"
        data = b"" if fate == "empty" else b"SIMPLE"
        product = archive.file(name, data, measured=fate != "unmeasured", dataRights=rights)
        if fate == "vanished":
            path_of(product).unlink()
        elif fate == "resized":
            path_of(product).write_bytes(b"OTHER SIZE")


EXPECTED = {
    "exclusive": "denied",
    "restricted": "denied",
    "missing": "failed",
    "vanished": "failed",
    "resized": "failed",
}


@hypothesis(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fates=st.lists(st.sampled_from(FATES), min_size=1, max_size=12))
def test_whatever_becomes_of_the_files_the_numbers_add_up(tmp_path: Path, fates: list[str]) -> None:
    with undone():
        archive = SmallArchive(tmp_path)
        for number, fate in enumerate(fates):
            make(archive, number, fate)
        retrieval = freeze(fill(Basket.objects.create(key="stranger"), archive))
        found = dict(retrieval.files.values_list("path", "outcome"))
        assert found == {
            f"JWST/jw1/file{number}.fits": EXPECTED.get(fate, "pending") for number, fate in enumerate(fates)
        }
        assert (retrieval.phase == Phase.ERROR) == ("pending" not in found.values())
        assert (retrieval.length is None) == ("unmeasured" in fates or "pending" not in found.values())
        law(retrieval)
