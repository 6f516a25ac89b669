"""Download scripts with names that would run something if anything in a script were not quoted: nothing runs.

Half of the names go in as they are, half as `retrieval.paths` leaves them; each stands in path, folder and URI. With
``--campaign`` there are 10,000 of them.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from retrieval.paths import UniquePaths, delivery_path
from retrieval.scripts.entry import Entry
from tests.hostile_names import Canary, names
from tests.hostile_server import HostileServer, Served, error
from tests.script_runs import LANGUAGES, Done, Place, header
from tests.tools import ask


@dataclass
class Survived:
    """A script with hostile names that has been run."""

    place: Place
    files: dict[str, bytes]
    entries: list[Entry]
    missing: list[str]
    done: Done
    again: Done
    asked_again: int
    canary: Canary


def plan(count: int, server: HostileServer) -> dict[str, tuple[Entry, bytes]]:
    """So many entries and their bytes, by path; the server has all but every fiftieth."""
    found: dict[str, tuple[Entry, bytes]] = {}
    unique = UniquePaths()
    for number, name in enumerate(names(count, seed=5)):
        above = name[: number % 40] or "obs"
        raw = f"TEST/{above if above.strip('.') else 'obs'}/{name}"
        path = raw if number % 2 else unique.add(delivery_path("TEST", above, name))
        uri, data = f"mast:{number}/{name}", f"{number} {name}".encode()
        server.files[uri] = Served(data, then=error(404)) if number % 50 == 49 else Served(data)
        sha256 = hashlib.sha256(data).hexdigest() if number % 3 else ""
        found[path] = Entry(server.url_of(uri), uri, path, len(data), sha256), data
    return found


@pytest.fixture(scope="module", params=LANGUAGES, ids=str)
def survived(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, campaign: bool
) -> Iterator[Survived]:
    place = Place(tmp_path_factory.mktemp("names"))
    canary = Canary(place.root)
    place.environment = {"PATH": f"{canary.folder}:{os.environ['PATH']}"}
    with HostileServer() as server:
        planned = plan(10_000 if campaign else 300, server)
        entries = [entry for entry, _ in planned.values()]
        told = header(entries, server.url, user="$(canary)';canary;'", source="`canary`\n canary\n")
        script = place.save(request.param.script(told, entries))
        missing = [path for path, (entry, _) in planned.items() if server.files[entry.uri].then.status]
        files = {path: data for path, (_, data) in planned.items() if path not in missing}
        done = place.run(request.param, script, "-j", "16")
        server.forget()
        again = place.run(request.param, script, "-j", "16", "--verify")
        yield Survived(place, files, entries, missing, done, again, len(server.log), canary)


def told(text: str) -> str:
    r"""A name as it was before ``\u202e`` or ``\0342\0200\0256`` stood for what may not be shown."""
    text = re.sub(r"\\u([0-9a-f]{4})|\\U([0-9a-f]{8})", lambda found: chr(int(found[1] or found[2], 16)), text)
    return re.sub(r"(?:\\0[0-3][0-7]{2})+", _from_octal, text)


def _from_octal(found: re.Match[str]) -> str:
    codes = [int(code, 8) for code in found[0].split("\\0")[1:]]
    return bytes(codes).decode(errors="replace")


def test_nothing_is_executed(survived: Survived) -> None:
    assert survived.canary.fell == ""
    assert [path.name for path in survived.place.work.iterdir()] == [survived.place.folder.name]
    assert survived.place.left() == []


def test_all_files_are_right(survived: Survived) -> None:
    for done in (survived.done, survived.again):
        assert {path: data for path, data in done.tree.items() if not path.startswith(".parts/")} == survived.files
        assert (done.code, done.law["delivered"], done.law["failed"]) == (
            1,
            len(survived.files),
            len(survived.missing),
        )


def test_what_is_there_is_not_fetched_again(survived: Survived) -> None:
    assert survived.asked_again == len(survived.missing)


def test_the_manifests_name_every_file(survived: Survived) -> None:
    paths = [entry.path for entry in survived.entries]
    assert [row["path"] for row in survived.done.manifest["files"]] == paths
    assert [row["uri"] for row in survived.done.manifest["files"]] == [entry.uri for entry in survived.entries]
    for entry, cells in zip(survived.entries, survived.done.table[1:], strict=True):
        assert [told(cell) for cell in cells[:2]] == [told(entry.uri), told(entry.path)]
        assert [cell for cell in cells if not cell.isprintable()] == []


def test_sha256sum_finds_every_file_right(survived: Survived) -> None:
    said = ask("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=survived.place.folder)
    summed = [row for row in survived.again.manifest["files"] if row["sha256"] and row["outcome"] == "delivered"]
    assert len([line for line in said.splitlines() if line.endswith(": OK")]) == len(summed) > 0


def test_the_terminal_sees_printable_characters_only(survived: Survived) -> None:
    said = survived.done.said + survived.done.warned
    assert {one for one in said if not one.isprintable()} <= {"\n"}
    assert survived.missing
    untold = [path for path in survived.missing if told(Path(path).name) not in told(said)]
    assert not untold or "more: the manifests list them all." in said  # of hundreds the first ones
