"""The demo command and its builder: the promised size, the same bytes every time, complete or made again."""

import hashlib
import io
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import OutputWrapper

from portal.archives.base import Product
from portal.demo import build
from portal.management.commands.demo import SHARE
from portal.management.commands.demo import Counter as ProgressCounter
from portal.models import Membership, Observation, StoredFile
from portal.models import Product as Listed
from tests.demo_archive import DemoArchive, demo_archive, rows


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> DemoArchive:
    """The small archive."""
    return demo_archive(tmp_path_factory)


def test_the_archive_is_small_and_of_about_the_promised_size(archive: DemoArchive) -> None:
    assert archive.built.size < 150_000_000
    assert 40 <= len(archive.observations) <= 60
    assert archive.built.observations == len(archive.observations)
    assert archive.built.rows == len(archive.products)
    assert archive.built.files == len({row.dataURI for row in archive.products})
    assert Counter(seen.obs_collection for seen in archive.observations).keys() == {"JWST", "HST", "TESS"}


def test_a_second_build_in_another_process_gives_the_same_bytes(archive: DemoArchive, tmp_path: Path) -> None:
    program = (
        "import sys, pathlib, django; django.setup()\n"
        "from portal.demo import build\n"
        "build.small(pathlib.Path(sys.argv[1]))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "1234", "TZ": "Pacific/Apia"}
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "again")], check=True, env=environment)
    assert digests(tmp_path / "again") == digests(archive.directory)


def digests(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_a_directory_is_complete_or_made_again(tmp_path: Path) -> None:
    place, part = tmp_path / "demo-seed", tmp_path / "demo-seed.part"
    part.mkdir()
    (part / "left-over").write_text("from a build that was interrupted")
    first = build.rehearsal(place)
    assert not first.reused
    assert not part.exists()
    assert not (place / "left-over").exists()
    assert build.rehearsal(place).reused
    (place / build.PRODUCTS).write_text("damaged")
    assert build.complete(place) is None
    assert not build.rehearsal(place).reused
    assert len(rows(place / build.PRODUCTS, Product)) == 407


def test_progress_is_sparse_in_a_log_and_one_line_on_a_terminal() -> None:
    log, screen = io.StringIO(), Terminal()
    for out in (log, screen):
        counter = ProgressCounter(OutputWrapper(out))
        for done in range(1, 1001):
            counter("Files", done, 1000)
    assert len(log.getvalue().splitlines()) == SHARE
    assert screen.getvalue().count("\n") == 1
    assert screen.getvalue().count("\r") == 1000


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.django_db
def test_the_command_loads_both_archives_and_changes_nothing_the_second_time(
    archive: DemoArchive, settings: Any
) -> None:
    settings.SKYBASKET_HOME = archive.directory.parent
    call_command("demo", scale="seed", stdout=io.StringIO())
    files = len({row.dataURI for row in archive.products})
    assert Observation.objects.count() == len(archive.observations) + 2
    assert Listed.objects.count() == files + 407
    assert Membership.objects.count() == len(archive.products) + 407
    assert StoredFile.objects.filter(crc32__isnull=False).count() == files
    versions = dict(Observation.objects.values_list("obsid", "products_version"))
    call_command("demo", scale="seed", stdout=io.StringIO())
    assert dict(Observation.objects.values_list("obsid", "products_version")) == versions
    assert Listed.objects.count() == files + 407
