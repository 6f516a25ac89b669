"""Where layouts are kept: below SKYBASKET_HOME, one file for each retrieval and ETag, thrown away when unused.

Whoever does not find one lays the bundle out again; of several that come at once, one does.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings

from retrieval.layout.reading import Layout

KEPT_SECONDS = 7 * 86_400
"""A layout that nobody has read for so long is removed."""

GRACE_SECONDS = 3600
"""A layout may be older than the transaction that tells its name."""

_SUFFIX = ".layout"
_LOCK = ".lock"


def folder() -> Path:
    """The folder, made when it is not there."""
    path = settings.SKYBASKET_HOME / "layouts"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def place(key: str, etag: str) -> Path:
    """Where the layout of that retrieval with that (quoted) ETag is."""
    return folder() / _name(key, etag)


def find(key: str, etag: str) -> Layout | None:
    """The layout, opened; None where there is none, or none that this version can read."""
    if not etag:
        return None
    path = place(key, etag)
    try:
        layout = Layout(path)
    except (OSError, ValueError):
        return None
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > 86_400:
            os.utime(path)
    return layout


@contextmanager
def alone(key: str) -> Iterator[None]:
    """Nobody else on this machine lays out that retrieval at the same time."""
    with (folder() / f"{key}{_LOCK}").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sweep(current: Callable[[Iterable[str]], dict[str, str]]) -> int:
    """Remove what is no layout (any more) of a retrieval, and what was not read for long. Returns how many.

    `current` gives the ETags of those of the retrievals that there are.
    """
    now = time.time()
    ages = {path: now - _touched(path, now) for path in folder().iterdir()}
    old = [path for path, age in ages.items() if age > GRACE_SECONDS]
    etags = current({path.name.partition(".")[0] for path in old if path.suffix == _SUFFIX})
    useless = [path for path in old if not _is_current(path, etags) or ages[path] > KEPT_SECONDS]
    for path in useless:
        path.unlink(missing_ok=True)
    return len(useless)


def _is_current(path: Path, etags: dict[str, str]) -> bool:
    key = path.name.partition(".")[0]
    return key in etags and path.name == _name(key, etags[key])


def _name(key: str, etag: str) -> str:
    return key + "." + etag.strip('"') + _SUFFIX


def _touched(path: Path, now: float) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return now
