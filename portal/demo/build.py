"""Build the demo archive in a directory: observations.ecsv, products.ecsv and, where there are bytes, files/.

A directory is complete or absent: it is built beside its place under a name ending in `.part` and renamed. One
that is complete and was made by this very code is kept as it is.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from portal.demo import seed, tables, tess
from portal.demo.fitsfile import encode
from portal.demo.hst import observe as hst_observe
from portal.demo.jwst import observe as jwst_observe
from portal.demo.model import Entry, Listed
from portal.demo.previews import previews
from portal.demo.sky.render import warmth

Progress = Callable[[int, int], None]
OBSERVATIONS, PRODUCTS, FILES, CONTENTS = "observations.ecsv", "products.ecsv", "files", "contents.json"


@dataclass(frozen=True, slots=True)
class Built:
    """What a directory holds. `size` in bytes; `reused` when it was there already."""

    directory: Path
    observations: int
    files: int
    rows: int
    size: int
    reused: bool


def silent(done: int, total: int) -> None:
    """Tell nobody."""
    del done, total


def fingerprint() -> str:
    """SHA-256 of the code that makes the archive."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for source in sorted([*here.rglob("*.py"), here.parent / "targets.py"]):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def complete(directory: Path) -> Built | None:
    """What the directory holds, if this code made it and no file is missing or of another size."""
    try:
        contents = json.loads((directory / CONTENTS).read_text(encoding="utf-8"))
        sizes = {name: (directory / name).stat().st_size for name in contents["sizes"]}
    except (OSError, ValueError, KeyError):
        return None
    if contents["code"] != fingerprint() or sizes != contents["sizes"]:
        return None
    return Built(
        directory, contents["observations"], contents["files"], contents["rows"], sum(sizes.values()), reused=True
    )


def small(directory: Path, progress: Progress = silent) -> Built:
    """About fifty observations of JWST, HST and TESS with all their bytes. `progress` hears (done, all)."""
    return complete(directory) or whole(directory, lambda part: fill(part, entries(), progress))


def rehearsal(directory: Path, progress: Progress = silent) -> Built:
    """The 407-file basket: two observations, rows only."""
    del progress
    return complete(directory) or whole(directory, fill_rehearsal)


def entries() -> list[Entry]:
    """Every observation of the small archive."""
    return [*jwst_observe.entries(), *hst_observe.entries(), *tess.entries()]


def whole(directory: Path, make: Callable[[Path], tuple[int, int, int]]) -> Built:
    """Make a directory in one piece. `make` fills it and returns numbers of observations, files and rows."""
    part = directory.with_name(directory.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    observations, files, rows = make(part)
    sizes = {
        path.relative_to(part).as_posix(): path.stat().st_size
        for path in sorted(part.rglob("*"))
        if path.is_file()
    }
    contents = {"code": fingerprint(), "observations": observations, "files": files, "rows": rows, "sizes": sizes}
    (part / CONTENTS).write_text(json.dumps(contents, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(directory, ignore_errors=True)
    part.rename(directory)
    return Built(directory, observations, files, rows, sum(sizes.values()), reused=False)


def fill(part: Path, archive: list[Entry], progress: Progress) -> tuple[int, int, int]:
    """Write every file once, under the first row that lists it, and then the tables with the true sizes."""
    first: dict[str, tuple[Entry, Listed]] = {}
    for entry in archive:
        for item in entry.listed:
            first.setdefault(item.file.name, (entry, item))
    sizes: dict[str, int] = {}
    for done, (entry, item) in enumerate(first.values(), start=1):
        folder = part / FILES / entry.observation.obs_collection / item.owner.obs_id
        folder.mkdir(parents=True, exist_ok=True)
        sizes |= write(folder, entry, item)
        progress(done, len(first))
    rows = [row for entry in archive for row in entry.rows(sizes)]
    tables.write([entry.observation for entry in archive], part / OBSERVATIONS)
    tables.write(rows, part / PRODUCTS)
    return len(archive), len(sizes), len(rows)


def write(folder: Path, entry: Entry, item: Listed) -> dict[str, int]:
    """Write a file and its previews; bytes by name."""
    content = item.file.make()
    made = {item.file.name: content if isinstance(content, bytes) else encode(content)}
    if item.file.previews:
        seen = entry.observation
        tint = warmth(((seen.em_min or 0) + (seen.em_max or 0)) / 2000)
        made |= zip(item.file.preview_names(), previews(content, item.file.previews, tint), strict=True)
    for name, data in made.items():
        (folder / name).write_bytes(data)
    return {name: len(data) for name, data in made.items()}


def fill_rehearsal(part: Path) -> tuple[int, int, int]:
    """The tables of the 407-file basket."""
    rows = seed.products()
    tables.write(seed.observations(), part / OBSERVATIONS)
    tables.write(rows, part / PRODUCTS)
    return len(seed.observations()), len({row.dataURI for row in rows}), len(rows)
