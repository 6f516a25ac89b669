"""Reading what is not measured yet: by one worker at a time, in slices, past crashes, past files that kill."""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connections
from django.utils import timezone

from basket.models import Basket
from portal.archives.base import StoredBytes
from portal.archives.local import measure as read_whole
from portal.celery import app
from portal.models import Product, StoredFile
from retrieval import accounting, jobs, plan, tasks
from retrieval.models import Outcome, Phase, Retrieval
from tests.conftest import CHECKOUT
from tests.small_archive import SmallArchive, fill, law, path_of
from tests.web_server import environment, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def archive(tmp_path: Path) -> SmallArchive:
    return SmallArchive(tmp_path)


def freeze(archive: SmallArchive) -> Retrieval:
    basket = fill(Basket.objects.create(key="stranger"), archive)
    return plan.freeze(basket, AnonymousUser(), timezone.now(), key="stranger")


def unmeasured(archive: SmallArchive, count: int = 3) -> Retrieval:
    for number in range(count):
        archive.file(f"file{number}.fits", b"x" * (number + 1), measured=False)
    retrieval = freeze(archive)
    assert (retrieval.phase, retrieval.length) == (Phase.QUEUED, None)
    return retrieval


def expire_lease() -> None:
    Retrieval.objects.update(lease=timezone.now() - timedelta(seconds=1))


def ready(retrieval: Retrieval) -> None:
    law(retrieval)
    assert retrieval.phase == Phase.QUEUED
    assert retrieval.length is not None
    assert retrieval.etag
    assert (retrieval.lease, retrieval.attempts) == (None, 0)


def test_a_little_is_read_at_once_and_remembered_for_the_next_time(archive: SmallArchive) -> None:
    retrieval = unmeasured(archive)
    assert jobs.measure_little(retrieval)
    ready(retrieval)
    for file in retrieval.files.all():
        stored = StoredFile.objects.get(product=file.product_id)
        found = read_whole(file.source)
        assert (file.crc32, file.sha256) == (found.crc32, found.sha256) == (stored.crc32, stored.sha256)
    again = plan.again(retrieval, AnonymousUser(), timezone.now())
    assert again.length == retrieval.length


def test_much_is_left_to_a_worker(archive: SmallArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LITTLE_BYTES", 5)
    retrieval = unmeasured(archive)
    assert not jobs.measure_little(retrieval)
    assert retrieval.files.filter(crc32=None).count() == 3
    assert jobs.due(timezone.now()) == [retrieval.pk]


def test_what_needs_no_reading_is_left_alone(archive: SmallArchive) -> None:
    archive.file("jw1_i2d.fits")
    retrieval = freeze(archive)
    assert jobs.measure_little(retrieval)
    assert not jobs.measure(retrieval.pk)
    retrieval.refresh_from_db()
    assert retrieval.epoch == 0
    assert not jobs.measure("nothing-of-that-name")


def test_a_slice_that_is_over_gives_the_rest_back(archive: SmallArchive) -> None:
    retrieval = unmeasured(archive)
    for left in (2, 1):
        assert jobs.measure(retrieval.pk, seconds=0)
        assert retrieval.files.filter(crc32=None).count() == left
        assert jobs.due(timezone.now()) == [retrieval.pk]
    assert not jobs.measure(retrieval.pk, seconds=0)
    ready(retrieval)
    assert jobs.due(timezone.now()) == []


def test_a_file_that_cannot_be_read_fails_alone(archive: SmallArchive) -> None:
    retrieval = unmeasured(archive)
    path = path_of(Product.objects.get(productFilename="file1.fits"))
    path.unlink()
    assert not jobs.measure(retrieval.pk)
    ready(retrieval)
    failed = retrieval.files.get(outcome=Outcome.FAILED)
    assert (failed.path, failed.reason) == ("JWST/jw1/file1.fits", "The archive has no bytes for this file.")


def test_a_file_that_grew_since_it_was_asked_for_fails_with_both_sizes(archive: SmallArchive) -> None:
    retrieval = unmeasured(archive)
    path_of(Product.objects.get(productFilename="file1.fits")).write_bytes(b"x" * 1234)
    assert not jobs.measure(retrieval.pk)
    assert (
        retrieval.files.get(outcome=Outcome.FAILED).reason
        == "This file has 1,234 bytes in the archive instead of 2."
    )


def test_when_no_file_can_be_read_it_ends_in_error(archive: SmallArchive) -> None:
    retrieval = unmeasured(archive, 1)
    path_of(Product.objects.get()).unlink()
    assert not jobs.measure(retrieval.pk)
    law(retrieval)
    assert (retrieval.phase, retrieval.failed, retrieval.length) == (Phase.ERROR, 1, None)


@contextmanager
def while_reading(monkeypatch: pytest.MonkeyPatch, name: str, happens: Callable[[], None]) -> Iterator[None]:
    """Let something happen just before the file of that name is read."""

    def read(path: str, advance: Callable[[int], None] | None = None) -> StoredBytes:
        if path.endswith(name):
            happens()
        return read_whole(path, advance)

    with monkeypatch.context() as patched:
        patched.setattr(jobs, "read_whole", read)
        yield


def test_a_worker_that_lost_its_lease_writes_nothing_more(
    archive: SmallArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    retrieval = unmeasured(archive)
    taken: list[bool] = []

    def takeover() -> None:
        if not taken:
            taken.append(True)
            expire_lease()
            assert not jobs.measure(retrieval.pk)
            ready(retrieval)
            retrieval.files.update(sha256="f" * 64)

    with while_reading(monkeypatch, "file1.fits", takeover):
        assert not jobs.measure(retrieval.pk)
    ready(retrieval)
    assert set(retrieval.files.values_list("sha256", flat=True)) == {"f" * 64}


def test_cancelling_stops_the_reading(archive: SmallArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    retrieval = unmeasured(archive)
    with while_reading(monkeypatch, "file1.fits", lambda: cancel_once(retrieval)):
        assert not jobs.measure(retrieval.pk)
    law(retrieval)
    assert (retrieval.phase, retrieval.skipped) == (Phase.ABORTED, 3)
    assert not retrieval.files.exclude(sha256="").exists()
    assert jobs.due(timezone.now()) == []


def cancel_once(retrieval: Retrieval) -> None:
    accounting.cancel(retrieval, timezone.now())


class Killed(BaseException):
    """Stands for a worker that dies: nothing catches it."""


def die() -> None:
    raise Killed


def test_a_worker_that_dies_is_followed_by_another(archive: SmallArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    retrieval = unmeasured(archive)
    with while_reading(monkeypatch, "file1.fits", die), pytest.raises(Killed):
        jobs.measure(retrieval.pk)
    assert jobs.due(timezone.now()) == []
    assert not jobs.measure(retrieval.pk)
    expire_lease()
    assert jobs.due(timezone.now()) == [retrieval.pk]
    assert not jobs.measure(retrieval.pk)
    ready(retrieval)
    assert retrieval.failed == 0


def test_a_file_that_kills_every_worker_is_set_aside_and_the_others_are_delivered(
    archive: SmallArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    retrieval = unmeasured(archive)
    deaths = 0
    with while_reading(monkeypatch, "file1.fits", die):
        while True:
            try:
                assert not jobs.measure(retrieval.pk)
                break
            except Killed:
                deaths += 1
                assert deaths < 20
                expire_lease()
    ready(retrieval)
    failed = retrieval.files.get(outcome=Outcome.FAILED)
    assert failed.path == "JWST/jw1/file1.fits"
    assert "stopped the reader" in failed.reason
    assert retrieval.pending == 2


def test_many_messages_at_once_read_every_file_once(
    archive: SmallArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    retrieval = unmeasured(archive, 20)
    reads: list[str] = []

    def read(path: str, advance: Callable[[int], None] | None = None) -> StoredBytes:
        reads.append(path)
        return read_whole(path, advance)

    monkeypatch.setattr(jobs, "read_whole", read)

    def one() -> None:
        jobs.measure(retrieval.pk)
        connections.close_all()

    threads = [threading.Thread(target=one) for _ in range(7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ready(retrieval)
    assert len(reads) == len(set(reads)) == 20


def test_the_lease_is_renewed_while_a_large_file_is_read(
    archive: SmallArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.sparse("large.fits", 40 << 20, measured=False)
    retrieval = freeze(archive)
    monkeypatch.setattr(jobs, "LEASE", timedelta(0))
    leases: list[object] = []

    def read(path: str, advance: Callable[[int], None] | None = None) -> StoredBytes:
        assert advance is not None

        def watched(count: int) -> None:
            advance(count)
            leases.append(Retrieval.objects.get().lease)

        return read_whole(path, watched)

    monkeypatch.setattr(jobs, "read_whole", read)
    assert not jobs.measure(retrieval.pk)
    assert len(set(leases)) == len(leases) > 1
    ready(retrieval)


def test_without_a_broker_ringing_says_so_and_nothing_is_lost(
    archive: SmallArchive, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(jobs, "LITTLE_BYTES", 0)
    retrieval = unmeasured(archive)
    program = (
        "import django; django.setup(); from portal.celery import app; from retrieval import tasks; "
        f"tasks.ring({retrieval.pk!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=CHECKOUT, env=environment() | {"REDIS_URL": "redis://127.0.0.1:1/0"}, capture_output=True, check=True,
    )  # fmt: skip
    assert b"the tick will find it" in done.stderr
    assert jobs.due(timezone.now()) == [retrieval.pk]


def test_nobody_waits_for_a_broker_that_never_answers(
    archive: SmallArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    retrieval = unmeasured(archive)
    program = (
        "import django; django.setup(); from retrieval import jobs, tasks; from retrieval.models import Retrieval; "
        f"jobs.LITTLE_BYTES = 0; tasks.start(Retrieval.objects.get(pk={retrieval.pk!r})); print('answered')"
    )
    with socket.create_server(("127.0.0.1", 0)) as silent:
        broker = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=CHECKOUT, env=environment() | {"REDIS_URL": broker}, capture_output=True, check=True, timeout=60,
        )  # fmt: skip
    assert done.stdout == b"answered\n"
    assert jobs.due(timezone.now()) == [retrieval.pk]


def test_a_real_worker_reads_what_is_rung_for_and_what_only_the_tick_finds(
    archive: SmallArchive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(jobs, "LITTLE_BYTES", 0)
    rung = unmeasured(archive)
    tasks.start(rung)
    command = [sys.executable, "-m", "celery", "-q", "-A", "portal.celery", "worker", "-Q", "celery,bundling"]
    options = ["-c", "1", "-l", "WARNING", "--without-mingle", "--without-gossip", "--without-heartbeat"]
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen([*command, *options], cwd=CHECKOUT, env=environment(), stdout=log, stderr=log)
    try:
        until(lambda: Retrieval.objects.get(pk=rung.pk).length is not None, "the worker has read it")
        StoredFile.objects.update(crc32=None)
        silent = plan.again(rung, AnonymousUser(), timezone.now())
        assert silent.length is None
        app.send_task("retrieval.tasks.tick")
        until(lambda: Retrieval.objects.get(pk=silent.pk).length is not None, "the tick has found it")
        ready(silent)
    finally:
        worker.terminate()
        worker.wait(30)


def test_the_tick_ends_transfers_that_nobody_sends(archive: SmallArchive) -> None:
    archive.file("jw1_i2d.fits")
    retrieval = freeze(archive)
    assert accounting.begin(retrieval, retrieval.etag, timezone.now())
    tasks.tick()
    law(retrieval)
    assert retrieval.phase == Phase.EXECUTING
    expire_lease()
    tasks.tick()
    law(retrieval)
    assert (retrieval.phase, retrieval.skipped) == (Phase.ERROR, 1)
