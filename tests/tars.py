"""Tars for tests: how they are planned, read by Python, unpacked and listed."""

import tarfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from retrieval.tarplan import TarPlan
from retrieval.virtual import Inline, Member
from tests.tools import ask
from tests.virtual_archives import Imagined

# Python 3.11 got the filter with 3.11.4; from 3.12 on it warns without.
SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


def planned(files: Mapping[str, bytes], tail: Mapping[str, bytes] | None = None) -> TarPlan:
    members = [Member(path, len(data), zlib.crc32(data)) for path, data in files.items()]
    return TarPlan(members, [Inline(path, data) for path, data in (tail or {}).items()])


def infos(plan: TarPlan) -> list[tarfile.TarInfo]:
    """What Python reads of an archive that is nowhere."""
    with tarfile.open(fileobj=Imagined(plan), mode="r:") as archive:
        return archive.getmembers()


def python_extract(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        tar.extractall(folder, **SAFELY)


def python_extract_from_a_pipe(archive: Path, folder: Path) -> None:
    with archive.open("rb") as pipe, tarfile.open(fileobj=pipe, mode="r|") as tar:
        tar.extractall(folder, **SAFELY)


EXTRACTORS: dict[str, Callable[[Path, Path], object]] = {
    "python": python_extract,
    "python from a pipe": python_extract_from_a_pipe,
    "tar": lambda archive, folder: ask("tar", "-xf", archive, "-C", folder),
    "tar from a pipe": lambda archive, folder: ask("tar", "-xf", "-", "-C", folder, stdin=archive),
    "bsdtar": lambda archive, folder: ask("bsdtar", "-xf", archive, "-C", folder),
    "bsdtar from a pipe": lambda archive, folder: ask("bsdtar", "-xf", "-", "-C", folder, stdin=archive),
    "7z": lambda archive, folder: ask("7z", "x", "-bd", f"-o{folder}", archive),
}
"""Each writes the files of a tar below a folder; from a pipe it cannot seek."""

LISTERS = [("tar", "-tf"), ("bsdtar", "-tf")]


def said(*command: str | Path, stdin: Path | None = None) -> str:
    """What a program says, warnings included."""
    return ask("sh", "-c", 'exec "$@" 2>&1', "sh", *command, stdin=stdin)
