"""Download scripts, run against a server that does everything wrong: one run meets all cases, file by file.

First the server misbehaves, then it is honest and the same script is run again, then once more.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from retrieval.manifest import COLUMNS, SHA256_NAME, visible
from retrieval.scripts.entry import Entry
from tests.hostile_server import HostileServer, Request
from tests.script_runs import (
    LANGUAGES,
    NAME,
    Done,
    Language,
    Place,
    header,
    recording,
    survivors,
    watching,
)
from tests.script_scenarios import CASES, Case, mend, serve

TOKEN = "0123456789abcdef0123456789abcdef-the-token"
STATUS = {"delivered": "OK", "denied": "Not Authorized", "failed": "Failed", "skipped": "Skipped"}
each_run = pytest.mark.parametrize("number", [0, 1, 2], ids=["first run", "second run", "third run"])


@dataclass
class Met:
    """A script that has met all cases.

    `runs` are its three runs, `asked` the requests of each by URI, `others` those that reached another server;
    `seen` is every command line that somebody else could have read, `logs` the servers' access logs.
    """

    script: str
    entries: list[Entry]
    runs: list[Done] = field(default_factory=list)
    asked: list[dict[str, list[Request]]] = field(default_factory=list)
    others: list[Request] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    most_at_once: int = 0


@pytest.fixture(scope="module", params=LANGUAGES, ids=str)
def met(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Met]:
    place = Place(tmp_path_factory.mktemp("met"))
    place.environment = {"MAST_API_TOKEN": TOKEN} | recording(place.root)
    with HostileServer(tokens={TOKEN}) as server, HostileServer() as other:
        by_name = other.url.replace("127.0.0.1", "localhost")
        server.places = {"other": by_name, "neighbour": other.url, "closed": closed_address()}
        yield meet(request.param, place, server, other)


def closed_address() -> str:
    """An address of this machine at which nobody listens."""
    with HostileServer() as gone:
        return gone.url


def meet(language: Language, place: Place, server: HostileServer, other: HostileServer) -> Met:
    entries = serve(server, CASES, other)
    met = Met(language.script(header(entries, server.url), entries), entries)
    script = place.save(met.script)
    for case in CASES:
        if case.found is not None:
            path = place.folder / case.path
            path.parent.mkdir(parents=True)
            path.write_bytes(case.found)
    for _ in range(3):
        with watching(TOKEN) as watched:
            process = place.start(language, script, "-j", "8", "--timeout", "2")
            met.runs.append(place.finish(process))
        met.running += survivors(process.pid).values()
        assert len(watched.seen) > 1
        met.seen += watched.shown
        met.asked.append({case.uri: server.requests(case.uri) for case in CASES})
        met.logs += [one.line for one in (*server.log, *other.log)]
        met.others += other.log
        met.most_at_once = max(met.most_at_once, server.most_at_once)
        server.forget()
        other.forget()
        mend(server, CASES)
    met.seen.append((place.root / "calls").read_text(errors="replace"))
    met.left = place.left()
    return met


def outcome(done: Done, case: Case) -> str:
    """What the manifest says of the file, if the tree says the same."""
    told = str(done.rows[case.path]["outcome"])
    assert done.tree.get(case.path) == (case.bytes if told == "delivered" else None), done.rows[case.path]
    return told


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_file_ends_as_it_must(met: Met, case: Case) -> None:
    first, second, third = met.runs
    asked = met.asked[0][case.uri]
    told = [(one.status, one.start, one.sent) for one in asked]
    assert outcome(first, case) == case.outcome, (first.rows[case.path]["reason"], told)
    assert re.search(case.says, first.rows[case.path]["reason"])
    assert case.asked[0] <= len(asked) <= case.asked[1], told
    if case.resumed:
        assert sum(one.sent for one in asked) <= len(case.bytes) * 1.02, told
    if case.pause:
        assert all(after.at - before.at >= case.pause for before, after in pairwise(asked))
    assert (outcome(second, case), outcome(third, case)) == (case.mended, case.mended)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_was_delivered_is_not_asked_for_again(met: Met, case: Case) -> None:
    again, at_last = (len(asked[case.uri]) for asked in met.asked[1:])
    assert (again > 0) == (case.outcome != "delivered" and not case.url)
    assert (at_last > 0) == (case.mended != "delivered" and not case.url)
    assert any(one.uri == case.uri for one in met.others) == case.elsewhere


@each_run
def test_the_law_the_tree_and_the_exit_code_agree(met: Met, number: int) -> None:
    done = met.runs[number]
    told = [case.mended if number else case.outcome for case in CASES]
    assert done.law == {name: told.count(name) for name in STATUS} | {"requested": len(CASES), "pending": 0}
    assert done.code == 1
    delivered = {case.path for case, end in zip(CASES, told, strict=True) if end == "delivered"}
    assert {path for path in done.tree if not path.startswith(".parts/")} == delivered
    files = [case.bytes for case in CASES]
    parts = {path: data for path, data in done.tree.items() if path.endswith(".part")}
    assert [path for path, data in parts.items() if not any(file.startswith(data) for file in files)] == []


@each_run
def test_the_manifests_tell_the_truth(met: Met, number: int) -> None:
    done = met.runs[number]
    assert (done.manifest["name"], done.manifest["complete"]) == (NAME, False)
    assert done.manifest["counts"] | {"pending": 0} == done.law | {"duplicates": 0}
    assert [*done.rows] == [entry.path for entry in met.entries]
    for entry, cells in zip(met.entries, done.table[1:], strict=True):
        row = done.rows[entry.path]
        assert (row["uri"], row["access"]) == (entry.uri, entry.access)
        assert cells[:3] == [visible(entry.uri), visible(entry.path), entry.access]
        assert cells[3].startswith(STATUS[row["outcome"]])
        if row["outcome"] == "delivered":
            data = done.tree[entry.path]
            assert row["size"] in {len(data), entry.size}
            assert row["sha256"] in {hashlib.sha256(data).hexdigest(), None}
    assert done.table[0] == list(COLUMNS)
    summed = {
        path: row["sha256"] for path, row in done.rows.items() if row["outcome"] == "delivered" and row["sha256"]
    }
    assert done.sums == summed
    counts = {"file": SHA256_NAME, "listed": len(summed), "left_out": done.law["delivered"] - len(summed)}
    assert done.manifest["sha256sums"] == counts


def test_the_token_is_seen_nowhere_but_at_the_archive(met: Met) -> None:
    assert TOKEN not in met.script
    assert [words for words in met.seen if TOKEN in words] == []
    assert [done.code for done in met.runs if TOKEN in done.everything] == []
    assert [line for line in met.logs if TOKEN in line] == []
    assert [one.line for one in met.others if one.token] == []
    protected = {entry.uri for entry in met.entries if entry.protected}
    requests = [one for asked in met.asked for requests in asked.values() for one in requests]
    assert {one.uri for one in requests if one.token} <= protected


def test_nothing_is_left_beside_the_folder_and_nothing_runs(met: Met) -> None:
    assert (met.left, met.running) == ([], [])


def test_no_more_files_at_once_than_asked_for(met: Met) -> None:
    assert 2 <= met.most_at_once <= 8
