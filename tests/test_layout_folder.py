"""Kept layouts: made again whenever they are not there or not right, removed when nobody needs them."""

import os
import threading
import time
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connections

from basket.models import Basket
from retrieval import bundle, history, plan, tasks
from retrieval.fetching import batches
from retrieval.layout import folder
from retrieval.models import Retrieval
from tests.small_archive import NOW, SmallArchive, fill


@pytest.fixture
def retrieval(db: None, tmp_path: Path) -> Retrieval:
    archive = SmallArchive(tmp_path)
    for number in range(4):
        archive.file(f"file{number}.fits", b"x" * 1000)
    archive.exclusive("jw1_cal.fits")
    basket = fill(Basket.objects.create(key="stranger"), archive)
    return plan.freeze(basket, AnonymousUser(), NOW, key="stranger")


@pytest.fixture(autouse=True)
def empty_folder() -> None:
    for path in folder.folder().iterdir():
        path.unlink()


def kept(retrieval: Retrieval) -> Path:
    return folder.place(retrieval.pk, retrieval.etag)


def content(retrieval: Retrieval) -> bytes:
    laid_out = bundle.load(retrieval)
    reader = laid_out.reader()
    data = b"".join(map(reader.read, batches(laid_out.plan.segments())))
    reader.close()
    return data


def age(path: Path, seconds: float) -> None:
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


def test_it_is_laid_out_once_and_read_from_then_on(retrieval: Retrieval, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [path.name for path in folder.folder().iterdir()] == [kept(retrieval).name]
    assert folder.folder().stat().st_mode & 0o077 == 0
    monkeypatch.setattr(bundle, "lay_out", None)
    assert len(content(retrieval)) == retrieval.length


@pytest.mark.parametrize("damage", [b"", b"nothing", None])
def test_what_is_not_there_or_not_right_is_made_again_from_the_rows(
    retrieval: Retrieval, damage: bytes | None
) -> None:
    before = content(retrieval)
    if damage is None:
        kept(retrieval).unlink()
    else:
        kept(retrieval).write_bytes(damage)
    assert content(retrieval) == before
    assert kept(retrieval).stat().st_size > 500


@pytest.mark.django_db(transaction=True)
def test_of_several_that_come_at_once_one_lays_it_out(
    retrieval: Retrieval, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(retrieval).unlink()
    laid: list[bool] = []
    alive = bundle.lay_out

    def lay_out(retrieval: Retrieval) -> bundle.Bundle:
        laid.append(True)
        time.sleep(0.3)
        return alive(retrieval)

    monkeypatch.setattr(bundle, "lay_out", lay_out)

    def ask() -> None:
        bundle.load(retrieval)
        connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(laid) == 1


def test_the_layout_of_a_retrieval_that_is_no_more_is_removed_after_a_while(retrieval: Retrieval) -> None:
    path = kept(retrieval)
    retrieval.delete()
    assert folder.sweep(history.etags) == 0
    age(path, folder.GRACE_SECONDS + 1)
    tasks.sweep_layouts()
    assert not path.exists()


def test_an_earlier_layout_and_what_a_crash_left_are_removed_and_the_present_one_stays(
    retrieval: Retrieval,
) -> None:
    present = kept(retrieval)
    leavings = [
        present.with_name(f"{retrieval.pk}.{'0' * 40}.layout"),
        present.with_name(".part-0123456789abcdef"),
        present.with_name(f"{retrieval.pk}.lock"),
    ]
    for path in leavings:
        path.write_bytes(b"")
        age(path, folder.GRACE_SECONDS + 1)
    age(present, folder.GRACE_SECONDS + 1)
    assert folder.sweep(history.etags) == 3
    assert list(folder.folder().iterdir()) == [present]


def test_a_layout_that_nobody_reads_is_removed_and_one_that_is_read_stays(retrieval: Retrieval) -> None:
    age(kept(retrieval), folder.KEPT_SECONDS + 1)
    bundle.load(retrieval)
    assert folder.sweep(history.etags) == 0
    age(kept(retrieval), folder.KEPT_SECONDS + 1)
    assert folder.sweep(history.etags) == 1
    assert len(content(retrieval)) == retrieval.length
