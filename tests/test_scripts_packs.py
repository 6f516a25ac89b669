"""Small files that travel together: what is right in a pack is kept, and everything else is fetched alone."""

import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from retrieval.scripts.entry import PACK_BYTES, PACK_FILES
from tests.hostile_server import HostileServer, Reply, Served, error, pack
from tests.script_runs import SPOKEN, Language
from tests.script_scenarios import UNSUMMED, UNTOLD, Case, noise
from tests.script_stage import FILES, TOKEN, Stage, exclusive, staged

each_language = pytest.mark.parametrize("language", SPOKEN, ids=str)
Members = dict[str, bytes]
LARGE = Case("large", data=noise("large", 5_000_000))
"""More than what is packed."""


def linked(members: Members) -> Reply:
    """Links where files should be: written through, they would change what lies elsewhere."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for number, (kind, target) in enumerate([(tarfile.SYMTYPE, "/tmp"), (tarfile.LNKTYPE, "../../script")]):
            info = tarfile.TarInfo(str(number))
            info.type, info.linkname = kind, target
            tar.addfile(info)
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return Reply(body=written.getvalue(), type="application/x-tar")


BAD_PACKS: dict[str, Callable[[Members], Reply]] = {
    "one is missing": lambda members: pack({name: members[name] for name in members if name != "1"}),
    "none is there": lambda _: pack({}),
    "wrong bytes": lambda members: pack(members | {"1": members["1"][::-1]}),
    "wrong length": lambda members: pack(members | {"1": members["1"] + b"x"}),
    "all too long": lambda members: pack({name: data + b"x" for name, data in members.items()}),
    "two are exchanged": lambda members: pack(members | {"1": members["2"], "2": members["1"]}),
    "cut off": lambda members: replace(pack(members), stop=150_000, ending="close"),
    "reset": lambda members: replace(pack(members), stop=150_000, ending="reset"),
    "names that climb out": lambda members: pack(members | {"../../../evil": b"evil", "/tmp/evil": b"evil"}),
    "names of the folder": lambda members: pack(members | {"MANIFEST.json": b"evil", ".parts/0.part": b"evil"}),
    "links": linked,
    "a page": lambda _: error(200),
    "no tar": lambda _: Reply(body=noise("no tar"), type="application/x-tar"),
    "nothing": lambda _: Reply(body=b"", type="application/x-tar"),
    "not packed here": lambda _: error(404),
    "too much": lambda _: error(413),
    "an error": lambda _: error(500),
    "no right": lambda _: error(401),
}


@contextmanager
def packing(language: Language, root: Path, cases: list[Case]) -> Iterator[Stage]:
    """A server that packs, at the address that the header tells."""
    with staged(language, root, cases) as stage:
        told = replace(stage.header, pack=f"{stage.server.url}/pack")
        stage.script.write_text(language.script(told, stage.entries))
        yield stage


def packed(server: HostileServer) -> list[tuple[str, ...]]:
    """The packs that were asked for."""
    return [one.packed for one in server.log if one.method == "POST"]


@each_language
def test_small_files_travel_together_and_large_ones_alone(language: Language, tmp_path: Path) -> None:
    cases = [*FILES, LARGE, Case("of unknown size", **UNTOLD), Case("empty", data=b"")]
    with packing(language, tmp_path, cases) as stage:
        done = stage.run()
        asked = [uri for uris in packed(stage.server) for uri in uris]
        alone = {name for name, count in stage.asked().items() if count}
        assert (done.code, done.tree) == (0, stage.files), done.warned
        assert alone >= {"large", "of unknown size"}
        assert {case.name for case in cases if case.uri in asked} | alone == {case.name for case in cases}
        assert {case.uri for case in FILES} <= {*asked}
        assert stage.run().code == 0
        assert stage.server.log == []


@each_language
@pytest.mark.parametrize("spoil", BAD_PACKS.values(), ids=list(BAD_PACKS))
def test_a_bad_pack_costs_time_and_nothing_else(
    language: Language, tmp_path: Path, spoil: Callable[[Members], Reply]
) -> None:
    cases = [*FILES[:4], Case("without checksum", **UNSUMMED)]
    with packing(language, tmp_path, cases) as stage:
        stage.server.packs = [spoil]
        before = stage.script.read_bytes()
        done = stage.run()
        assert stage.script.read_bytes() == before
    assert (done.code, done.tree) == (0, stage.files), done.warned
    assert [path.name for path in stage.place.work.iterdir()] == [stage.place.folder.name]
    assert not (tmp_path / "evil").exists()


@each_language
def test_a_pack_leaves_out_what_may_not_be_had(language: Language, tmp_path: Path) -> None:
    gone, denied = Case("gone", outcome="failed"), exclusive(1)[0]
    with packing(language, tmp_path, [*FILES, gone, denied]) as stage:
        del stage.server.files[gone.uri]
        done = stage.run()
    assert (done.code, done.law["delivered"], done.law["failed"], done.law["denied"]) == (1, 6, 1, 1)
    assert "404" in done.rows[gone.path]["reason"]


@each_language
def test_the_token_goes_with_a_pack_that_needs_it_and_nowhere_else(language: Language, tmp_path: Path) -> None:
    with packing(language, tmp_path, [*exclusive(3), *FILES]) as stage:
        stage.place.environment["MAST_API_TOKEN"] = TOKEN
        done = stage.run()
        assert (done.code, done.tree) == (0, stage.files)
        assert TOKEN not in done.everything
        for one in stage.server.log:
            if one.token and one.target != "/whoami":
                assert any("exclusive" in uri for uri in (*one.packed, one.uri))


@each_language
def test_a_pack_is_not_asked_of_another_archive(language: Language, tmp_path: Path) -> None:
    away = [Case(f"away {number}", url="{neighbour}{itself}") for number in range(3)]
    with packing(language, tmp_path, [*away, *FILES]) as stage:
        assert stage.run().code == 0
        assert {case.uri for case in away} & {uri for uris in packed(stage.server) for uri in uris} == set()


@each_language
def test_a_pack_is_not_too_large(language: Language, tmp_path: Path) -> None:
    listed = [Case(f"listed {number}", told_size=4_000_000, outcome="failed") for number in range(20)]
    with packing(language, tmp_path, listed) as stage:
        assert stage.run("-j", "1", "--tries", "1").code == 1
        assert packed(stage.server)
        assert max(map(len, packed(stage.server))) * 4_000_000 <= PACK_BYTES


@each_language
def test_a_pack_holds_a_thousand_files_at_most(language: Language, tmp_path: Path) -> None:
    cases = [Case(f"tiny {number}", data=b"%d" % number) for number in range(1_100)]
    with packing(language, tmp_path, cases) as stage:
        done = stage.run()
        assert (done.code, done.tree) == (0, stage.files)
        assert len(packed(stage.server)) >= 2
        assert max(map(len, packed(stage.server))) <= PACK_FILES
        assert sum(stage.asked().values()) == 0
        stage.server.files[cases[7].uri] = Served(b"changed")
        assert stage.run("--new", "--only", "*tiny_7/*").code == 1
