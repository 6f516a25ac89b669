"""Random bundles in every unpacker: the short form of `bench archives`."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval.benchmarks import unpackers
from retrieval.benchmarks.archives import Content, bundle, opened
from retrieval.tarplan import TarPlan
from retrieval.zipplan import ZipPlan
from tests.conftest import not_found

SOME = range(2, 14)
"""Numbers of bundles that have neither 65,535 members nor a file beyond 4 GiB: those are the long form's."""


@pytest.fixture(scope="module")
def java(tmp_path_factory: pytest.TempPathFactory) -> Iterator[unpackers.Java]:
    if not shutil.which("java"):
        not_found("java")
    machine = unpackers.Java(tmp_path_factory.mktemp("java"))
    yield machine
    machine.close()


def test_every_unpacker_brings_every_file_of_a_random_zip_out_right(java: unpackers.Java, tmp_path: Path) -> None:
    missing = set(unpackers.ZIP) - set(unpackers.found(list(unpackers.ZIP)))
    if missing:
        not_found(", ".join(missing))
    for number in SOME:
        contents = bundle(random.Random(number), number)
        assert set(opened(ZipPlan, contents, {**unpackers.ZIP, "java": java}, tmp_path).values()) == {0}, number


def test_every_unpacker_brings_every_file_of_a_random_tar_out_right(tmp_path: Path) -> None:
    missing = set(unpackers.TAR) - set(unpackers.found(list(unpackers.TAR)))
    if missing:
        not_found(", ".join(missing))
    for number in SOME:
        contents = bundle(random.Random(number), number)
        assert set(opened(TarPlan, contents, unpackers.TAR, tmp_path).values()) == {0}, number


def test_a_file_that_comes_out_otherwise_is_counted(tmp_path: Path) -> None:
    contents = {"JWST/jw1/a.fits": Content(b"abc", 3), "JWST/jw1/b.fits": Content(b"", 0)}

    def forgetful(archive: Path, folder: Path) -> None:
        unpackers.python_zip(archive, folder)
        (folder / "JWST/jw1/a.fits").write_bytes(b"abd")
        (folder / "JWST/jw1/b.fits").rename(folder / "c.fits")

    assert opened(ZipPlan, contents, {"forgetful": forgetful}, tmp_path) == {"forgetful": 3}
