"""What happens while bytes leave: cuts, vanished clients, ended rights, memory, connections. With the real server."""

import io
import os
import time
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from portal.models import Grant, Program
from retrieval import accounting, plan
from retrieval.models import Outcome, Phase, Retrieval
from retrieval.transfer import SECONDS_BETWEEN_ENTRIES
from tests.downloads import MB, begin, curl, fetch, freeze, is_cut, settled
from tests.small_archive import SmallArchive, law, path_of
from tests.web_server import WebServer, serving, signed_in, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def site(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    with serving(tmp_path_factory.mktemp("site")) as server:
        yield server


@pytest.fixture
def archive(tmp_path: Path) -> SmallArchive:
    return SmallArchive(tmp_path)


@pytest.fixture
def cookie(alice: User) -> str:
    return signed_in(alice)


def connections_of_others() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def test_a_file_that_is_truncated_in_mid_stream_cuts_the_connection(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str
) -> None:
    archive.file("jw1_cal.fits", os.urandom(MB + 5))
    large = archive.sparse("jw1_uncal.fits", 300 * MB)
    archive.file("jw1_x1d.fits")
    retrieval = freeze(archive, alice)
    answer, opened = begin(site, retrieval, cookie)
    os.truncate(path_of(large), 100)
    assert is_cut(answer)
    opened.close()
    settled(retrieval, Phase.ERROR)
    assert "JWST/jw1/jw1_uncal.fits" in retrieval.message
    assert "100 bytes in the archive instead of 314,572,800" in retrieval.message
    assert (retrieval.delivered, retrieval.failed, retrieval.skipped) == (1, 1, 1)
    answer, data = fetch(site, retrieval, cookie)
    assert answer.status == 200
    with zipfile.ZipFile(io.BytesIO(data)) as whole:
        assert whole.testzip() is None
        assert [name for name in whole.namelist() if "MANIFEST" not in name and "SUMS" not in name] == [
            "JWST/jw1/jw1_cal.fits",
            "JWST/jw1/jw1_x1d.fits",
        ]
    settled(retrieval, Phase.COMPLETED)
    assert (retrieval.delivered, retrieval.failed) == (2, 1)


def test_after_a_cut_a_client_that_cannot_know_gets_no_second_half(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str, tmp_path: Path
) -> None:
    large = archive.sparse("jw1_uncal.fits", 100 * MB)
    archive.file("jw1_x1d.fits", os.urandom(3 * MB))
    retrieval = freeze(archive, alice)
    answer, opened = begin(site, retrieval, cookie)
    os.truncate(path_of(large), 100)
    assert is_cut(answer)
    opened.close()
    settled(retrieval, Phase.ERROR)
    part = tmp_path / "part.zip"
    part.write_bytes(b"P" * MB)
    assert curl(site, retrieval, cookie, "-C", "-", "-o", str(part)) == 33


def test_curl_says_that_a_cut_transfer_is_incomplete(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str, tmp_path: Path
) -> None:
    product = archive.file("jw1_uncal.fits", b"\0" * (5 * MB))
    path = path_of(product)
    when = path.stat()
    path.write_bytes(b"\0" * (5 * MB - 1) + b"1")
    os.utime(path, ns=(when.st_atime_ns, when.st_mtime_ns))
    retrieval = freeze(archive, alice)
    assert curl(site, retrieval, cookie, "-o", str(tmp_path / "cut.zip")) in {18, 56}
    settled(retrieval, Phase.ERROR)
    assert "CRC-32" in retrieval.message
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(tmp_path / "cut.zip")


def test_a_right_that_ends_in_mid_stream_cuts_the_connection(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str
) -> None:
    archive.sparse("jw1_uncal.fits", 60 * MB)
    archive.exclusive("jw1_x1d.fits")
    program = Program.objects.create(obs_collection="JWST", proposal_id="1234")
    grant = Grant.objects.create(program=program, user=alice)
    retrieval = freeze(archive, alice)
    answer, opened = begin(site, retrieval, cookie)
    grant.delete()
    assert is_cut(answer)
    opened.close()
    settled(retrieval, Phase.ERROR)
    assert "JWST/jw1/jw1_x1d.fits" in retrieval.message
    assert (retrieval.skipped, retrieval.denied) == (1, 1)
    assert retrieval.files.get(outcome=Outcome.DENIED).public_on is not None


def test_a_cancelled_retrieval_is_cut(site: WebServer, archive: SmallArchive, alice: User, cookie: str) -> None:
    archive.sparse("jw1_uncal.fits", 400 * MB)
    retrieval = freeze(archive, alice)
    answer, opened = begin(site, retrieval, cookie)
    accounting.cancel(retrieval, timezone.now())
    time.sleep(SECONDS_BETWEEN_ENTRIES)
    assert is_cut(answer)
    opened.close()
    settled(retrieval, Phase.ABORTED)
    assert retrieval.skipped == 1
    answer, data = fetch(site, retrieval, cookie)
    assert answer.status == 409
    assert "was cancelled" in data.decode()


def test_a_client_that_vanishes_frees_the_file_and_the_transfer_can_be_taken_up_again(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str, tmp_path: Path
) -> None:
    large = archive.sparse("jw1_uncal.fits", 200 * MB)
    archive.file("jw1_x1d.fits")
    retrieval = freeze(archive, alice)
    answer, opened = begin(site, retrieval, cookie)
    assert str(path_of(large)) in site.open_files()
    answer.close()
    opened.close()
    until(lambda: str(path_of(large)) not in site.open_files(), "the file is closed")
    until(lambda: Retrieval.objects.get().bytes_sent > 0, "what was sent is written down")
    law(retrieval)
    assert retrieval.phase == Phase.EXECUTING
    assert accounting.broken_off(timezone.now() + timedelta(minutes=2)) == 1
    settled(retrieval, Phase.ERROR)
    assert "broke off" in retrieval.message
    assert retrieval.skipped == 2
    part = tmp_path / "part.zip"
    whole = curl(site, retrieval, cookie, "-r", f"0-{MB - 1}", "-o", str(part))
    assert whole == 0
    assert curl(site, retrieval, cookie, "-C", "-", "-o", str(part)) == 0
    settled(retrieval, Phase.COMPLETED)
    assert (retrieval.delivered, retrieval.message) == (2, "")


def test_a_client_that_vanishes_shortly_before_the_end_completes_nothing(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str
) -> None:
    archive.sparse("jw1_uncal.fits", 30 * MB)
    old = freeze(archive, alice)
    for _ in range(10):
        retrieval = plan.again(old, alice, timezone.now())
        answer, opened = begin(site, retrieval, cookie)
        assert len(answer.read(22 * MB)) == 22 * MB
        opened.close()
        until(lambda: not any("uncal" in path for path in site.open_files()), "the file is closed")
        until(lambda: Retrieval.objects.latest("created").bytes_sent > 0, "what was sent is written down")
        retrieval.refresh_from_db()
        assert retrieval.phase == Phase.EXECUTING


def test_a_download_that_waits_holds_no_database_connection(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str
) -> None:
    archive.sparse("jw1_uncal.fits", 100 * MB)
    retrieval = freeze(archive, alice)
    _, opened = begin(site, retrieval, cookie)
    until(lambda: connections_of_others() == 0, "no connection but ours is open")
    opened.close()


def test_memory_stays_flat_while_two_gigabytes_are_sent(
    site: WebServer, archive: SmallArchive, alice: User, cookie: str
) -> None:
    archive.sparse("jw1_uncal.fits", 2_000_000_000)
    retrieval = freeze(archive, alice)
    before = site.peak_memory()
    assert curl(site, retrieval, cookie, "-o", "/dev/null") == 0
    assert site.peak_memory() - before < 200_000_000
    settled(retrieval, Phase.COMPLETED)
