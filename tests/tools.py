"""Programs of the system that judge what we write: the unzippers, and how each is asked."""

import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.conftest import not_found

ENVIRONMENT = os.environ | {"LC_ALL": "C.UTF-8"}


def tool(name: str) -> str:
    """The path of a program; without it the test is skipped by name (or fails, with REQUIRE_ALL=1)."""
    return shutil.which(name) or not_found(name)


def ask(name: str, *arguments: str | Path, cwd: Path | None = None, stdin: Path | None = None) -> str:
    """Run a program in UTF-8, fail with its words unless it ends with 0, and return what it says."""
    command = [tool(name), *map(str, arguments)]
    with Path(stdin or os.devnull).open("rb") as source:
        done = subprocess.run(command, cwd=cwd, stdin=source, env=ENVIRONMENT, capture_output=True, check=False)
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, f"{command}: {done.returncode}\n{said}{done.stderr.decode(errors='replace')}"
    return said


def python_extract(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)


EXTRACTORS: dict[str, Callable[[Path, Path], object]] = {
    "python": python_extract,
    "unzip": lambda archive, folder: ask("unzip", "-q", archive, "-d", folder),
    "7z": lambda archive, folder: ask("7z", "x", "-bd", f"-o{folder}", archive),
    "bsdtar": lambda archive, folder: ask("bsdtar", "-xf", archive, "-C", folder),
    "bsdtar from a pipe": lambda archive, folder: ask("bsdtar", "-xf", "-", "-C", folder, stdin=archive),
    "jar": lambda archive, folder: ask("jar", "-J-Dsun.jnu.encoding=UTF-8", "xf", archive, cwd=folder),
    "jar from a pipe": lambda archive, folder: ask("jar", "x", cwd=folder, stdin=archive),
}
"""Each writes the files of a zip below a folder; from a pipe the local headers count, else the directory."""


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file of a folder tree, by its path with ``/``."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
