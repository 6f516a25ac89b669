"""What people ask of a download script on its command line, and what it answers."""

import re
from pathlib import Path

import pytest

from tests.hostile_server import Reply, Served
from tests.script_runs import NAME, SPOKEN, Language
from tests.script_scenarios import Case
from tests.script_stage import FILES, TOKEN, exclusive, on_terminal, slow, staged
from tests.tools import files_below

each_language = pytest.mark.parametrize("language", SPOKEN, ids=str)
OPTIONS = ("--help", "--dry-run", "--dest", "-j", "--only", "--verify", "--new", "--continue", "--token-file")
WRONG = (
    ["--nonsense"],
    ["-x"],
    ["-j", "0"],
    ["-j", "65"],
    ["-j", "many"],
    ["-j"],
    ["--dest"],
    ["--tries", "none"],
    ["--timeout", "-1"],
    ["a word"],
    ["--token-file", "not there"],
)


@each_language
def test_everything_arrives_and_the_folder_says_so(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, FILES) as stage:
        done = stage.run()
    assert (done.code, done.tree) == (0, stage.files)
    assert done.law == {"requested": 6, "delivered": 6, "denied": 0, "failed": 0, "skipped": 0, "pending": 0}
    assert done.manifest["complete"] is True
    assert [path.name for path in stage.place.work.iterdir()] == [NAME]


@each_language
def test_help_tells_every_option_and_does_nothing(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, FILES) as stage:
        done = stage.run("--help")
        assert sum(stage.asked().values()) == 0
    assert (done.code, done.tree) == (0, {})
    assert [option for option in OPTIONS if option not in done.said] == []
    assert "MAST_API_TOKEN" in done.said


@each_language
def test_wrong_words_are_refused(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, exclusive(1)) as stage:
        for words in WRONG:
            done = stage.run(*words)
            assert (done.code, done.tree, bool(done.warned)) == (2, {}, True), words
        assert sum(stage.asked().values()) == 0


@each_language
def test_a_dry_run_tells_and_touches_nothing(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, [*FILES, *exclusive(1)]) as stage:
        done = stage.run("--dry-run")
        assert stage.server.log == []
    assert (done.code, list(stage.place.work.iterdir())) == (0, [])
    assert "7" in done.said


@each_language
def test_only_what_fits_is_requested(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, FILES) as stage:
        some = stage.run("--only", "*file_[12]*", "--only", "TEST/file_4/data.fits")
        assert (some.code, some.law["requested"], some.law["delivered"]) == (0, 3, 3)
        assert "selected 3 of 6" in some.said + some.warned
        assert {*some.tree} == {FILES[number].path for number in (1, 2, 4)}
        assert (some.manifest["complete"], len(some.rows)) == (True, 3)
        assert sum(stage.asked().values()) == 3
        rest = stage.run("-j1")
        assert (rest.code, rest.tree) == (0, stage.files)
        assert [name for name, count in stage.asked().items() if count] == ["file 0", "file 3", "file 5"]


@each_language
def test_verify_finds_and_replaces_what_has_changed(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, FILES) as stage:
        stage.run()
        stage.asked()
        spoilt = stage.place.folder / FILES[2].path
        spoilt.write_bytes(spoilt.read_bytes()[::-1])
        assert stage.run().code == 0
        assert sum(stage.asked().values()) == 0
        done = stage.run("--verify")
        assert (done.code, done.tree) == (0, stage.files)
        assert [name for name, count in stage.asked().items() if count] == ["file 2"]


@each_language
def test_a_new_folder_when_asked_for(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, FILES) as stage:
        codes = [stage.run(*words).code for words in ([], ["--new"], ["--continue"], ["--new"])]
        assert codes == [0, 0, 0, 0]
        assert set(stage.asked().values()) == {3}
        for name in ("", "-1", "-2"):
            there = files_below(stage.place.work / f"{NAME}{name}")
            assert stage.files.items() <= there.items()
    assert len([*stage.place.work.iterdir()]) == 3


@each_language
@pytest.mark.parametrize("name", ["-rf", " a b ", "$(id)'\"*", "line\nline", "星 é"])
def test_any_folder_will_do(language: Language, tmp_path: Path, name: str) -> None:
    with staged(language, tmp_path, FILES[:2]) as stage:
        (stage.place.work / name).mkdir()
        done = stage.run("--dest", name)
        assert done.code == 0, done.warned
        assert stage.files.items() <= files_below(stage.place.work / name / NAME).items()
    assert [path.name for path in stage.place.work.iterdir()] == [name]


@each_language
def test_a_folder_that_cannot_be_is_refused_at_once(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, FILES[:2]) as stage:
        (stage.place.work / "file").write_text("mine")
        for name in ("file", "file/below", "/proc/nothing"):
            assert stage.run("--dest", name).code == 2, name
        assert sum(stage.asked().values()) == 0


@each_language
def test_connections_are_kept_and_no_more_than_asked_for(language: Language, tmp_path: Path) -> None:
    cases = [Case(f"file {number}", then=Reply(delay=0.02)) for number in range(40)]
    with staged(language, tmp_path, cases) as stage:
        assert stage.run("-j", "1").code == 0
        assert (stage.server.most_at_once, stage.server.connections <= 10) == (1, True)
        stage.server.forget()
        assert stage.run("--new", "-j3").code == 0
        assert (stage.server.most_at_once, stage.server.connections <= 20) == (3, True)


@each_language
def test_an_empty_plan_is_complete(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, []) as stage:
        done = stage.run()
    assert (done.code, done.tree, done.law["requested"]) == (0, {}, 0)
    assert (done.manifest["complete"], done.manifest["files"]) == (True, [])


@each_language
def test_tries_are_as_many_as_asked_for(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, [Case("broken", then=Reply(500, b""), outcome="failed")]) as stage:
        for tries in (1, 3):
            assert stage.run("--tries", str(tries)).code == 1
            assert stage.asked() == {"broken": tries}


@each_language
def test_on_a_terminal_it_asks_whether_to_continue(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, FILES[:2]) as stage:
        (stage.place.folder / "TEST").mkdir(parents=True)
        for answer, folders in (("C\n", 1), ("N\n", 2), ("\n", 2)):
            code, shown = on_terminal(stage, answers=[(r"\(N\)ew.*\Z", answer)])
            assert code == 0, shown
            assert "requested 2 = delivered 2" in shown
            assert len([*stage.place.work.iterdir()]) == folders
        assert set(stage.asked().values()) == {2}


@each_language
def test_on_a_terminal_a_token_is_asked_for_and_not_shown(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, exclusive(2)) as stage:
        answers = [(r"oken[^\n]*: \Z", "a-wrong-one\n"), (r"oken[^\n]*: \Z", f"{TOKEN}\n")]
        code, shown = on_terminal(stage, answers=answers)
        assert code == 0, shown
        assert stage.files.items() <= files_below(stage.place.folder).items()
    assert (TOKEN in shown, "a-wrong-one" in shown) == (False, False)


@each_language
def test_a_script_that_was_cut_off_does_nothing(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, FILES) as stage:
        whole = stage.script.read_bytes()
        ends = [place.start() for place in re.finditer(rb"\n", whole)]
        for end in [*ends[:: max(len(ends) // 12, 1)], len(whole) // 3, len(whole) - 3]:
            stage.script.write_bytes(whole[:end])
            done = stage.run()
            assert stage.server.log == [], f"cut off after {end} of {len(whole)} bytes"
            assert done.tree == {}
            assert done.code != 0 or end < 500, f"cut off after {end} of {len(whole)} bytes"


@each_language
def test_what_left_the_archive_meanwhile_is_told(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, [*FILES[:2], *slow(1)]) as stage:
        stage.server.files[FILES[0].uri] = Served(b"", then=Reply(410, b""))
        done = stage.run()
    assert (done.code, done.law["failed"], done.law["delivered"]) == (1, 1, 2)
    assert FILES[0].path in done.said + done.warned
    assert "410" in done.rows[FILES[0].path]["reason"]
