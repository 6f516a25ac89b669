"""What befalls a download script from outside: signals, full disks, things in its way, a server that goes away."""

import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import not_found
from tests.hostile_server import Reply, Served
from tests.script_runs import NAME, QUICK, Done, Language, survivors
from tests.script_scenarios import UNTOLD, Case, noise
from tests.script_stage import FILES, SLOWLY, Stage, slow, staged
from tests.tools import files_below

each_language = pytest.mark.parametrize("language", QUICK, ids=str)
SHELLS = [language for language in QUICK if language.emitter == "bash"]


def whole(stage: Stage, done: Done) -> bool:
    """Everything is there and said to be."""
    return done.code == 0 and done.tree == stage.files and done.manifest["complete"] is True


@each_language
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_a_word(language: Language, tmp_path: Path, number: int, code: int) -> None:
    with staged(language, tmp_path, [*FILES, *slow(4)]) as stage:
        process = stage.place.start(language, stage.script, "-j", "4")
        while not any(one.uri.startswith("mast:TEST/product/slow") and one.sent for one in stage.server.log):
            time.sleep(0.01)
        # Ctrl-C reaches the whole group, `kill` the script alone.
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        done = stage.place.finish(process, time.monotonic())
        assert (done.code, survivors(process.pid)) == (code, {}), done.warned
        assert done.seconds < 20
        assert done.law["requested"] == 10
        assert done.manifest["complete"] is False
        named = {path: data for path, data in done.tree.items() if not path.startswith(".parts/")}
        assert named.items() <= stage.files.items()
        stage.server.forget()
        assert whole(stage, stage.run())
        assert [case.name for case in stage.cases if case.path in named and stage.server.requests(case.uri)] == []


@each_language
def test_a_file_that_the_disk_refuses_fails_alone(language: Language, tmp_path: Path) -> None:
    large = Case("too large", data=noise("large", 3_000_000))
    with staged(language, tmp_path, [*FILES[:3], large, *FILES[3:]]) as stage:
        limit = 1_000_000
        done = stage.run(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        assert (done.code, done.law["delivered"], done.law["failed"]) == (1, 6, 1), done.warned
        assert done.rows[large.path]["outcome"] == "failed"
        assert whole(stage, stage.run())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "none", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        not_found("the right to mount a tmpfs")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@each_language
def test_a_full_disk_loses_nothing_and_is_told(language: Language, tmp_path: Path, small_disk: Path) -> None:
    # Of unknown size: nobody can see it coming.
    large = Case("too large", data=noise("large", 4_000_000), **UNTOLD)
    with staged(language, tmp_path, [*FILES[:3], large, *FILES[3:]]) as stage:
        (stage.place.work / NAME).symlink_to(small_disk / NAME)
        (small_disk / NAME).mkdir()
        done = stage.run()
        assert (done.code, done.rows[large.path]["outcome"]) == (1, "skipped" if done.law["skipped"] else "failed")
        assert done.manifest["complete"] is False
        assert done.law["delivered"] == len(done.tree.keys() & stage.files.keys())
        assert all(done.tree[path] == stage.files[path] for path in done.tree.keys() & stage.files.keys())
        assert "disk" in done.said + done.warned
        assert [line for line in done.warned.splitlines() if "awk" in line or "printf" in line] == []
        subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
        stage.server.forget()
        again = stage.run()
        assert whole(stage, again), again.warned
        assert [path for path in done.tree if path in stage.files and stage.server.requests(uri_of(path))] == []


def uri_of(path: str) -> str:
    """The URI of the case that lands there."""
    return path.replace("TEST/", "mast:TEST/product/", 1)


@each_language
def test_what_stands_in_the_way_stops_one_file_only(language: Language, tmp_path: Path) -> None:
    blocked = Case("blocked", **UNTOLD)
    with staged(language, tmp_path, [blocked, *FILES[1:]]) as stage:
        (stage.place.folder / blocked.path).mkdir(parents=True)
        (stage.place.folder / FILES[1].path).parent.write_text("a file where a folder should be")
        precious = stage.place.work / "precious"
        precious.write_text("mine")
        (stage.place.folder / FILES[2].path).parent.mkdir()
        (stage.place.folder / FILES[2].path).symlink_to(precious)
        done = stage.run()
        assert (done.code, done.law["delivered"], done.law["failed"]) == (1, 4, 2), done.warned
        assert {path for path, row in done.rows.items() if row["outcome"] == "failed"} == {
            blocked.path,
            FILES[1].path,
        }
        assert done.tree[FILES[2].path] == FILES[2].bytes
        assert precious.read_text() == "mine"
        (stage.place.folder / blocked.path).rmdir()
        (stage.place.folder / FILES[1].path).parent.unlink()
        assert whole(stage, stage.run())


@each_language
def test_a_server_that_goes_away(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, [*FILES, *slow(6)]) as stage:
        process = stage.place.start(language, stage.script, "-j", "2")
        while len(stage.server.log) < 7:
            time.sleep(0.01)
        stage.server.__exit__()
        done = stage.place.finish(process, time.monotonic())
        assert (done.code, done.law["delivered"] >= 4, done.law["failed"] >= 4) == (1, True, True), done.warned
        assert done.seconds < 60


@each_language
def test_two_at_once_in_one_folder_do_no_harm(language: Language, tmp_path: Path) -> None:
    cases = [*FILES, *slow(3), Case("slow, nothing known", then=SLOWLY, told_size=None, told_sha256=False)]
    with staged(language, tmp_path, cases) as stage:
        both = [stage.place.start(language, stage.script) for _ in range(2)]
        codes = [stage.place.finish(process).code for process in both]
        assert 0 in codes
        assert set(codes) <= {0, 1, 2}
        done = stage.run()
        assert whole(stage, done), (codes, done.warned)


@each_language
@pytest.mark.parametrize(
    "variables",
    [
        {"LC_ALL": "C", "LANG": "C"},
        {"LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kolkata"},
        {"CDPATH": "/tmp:/", "POSIXLY_CORRECT": "1", "GREP_OPTIONS": "-v", "TAPE": "x", "IFS": "0123"},
        {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "PYTHONOPTIMIZE": "2", "PYTHONHASHSEED": "1"},
        {"TMPDIR": "/not/there"},
        {"HOME": "/not/there"},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_the_surroundings_do_not_matter(language: Language, tmp_path: Path, variables: dict[str, str]) -> None:
    named = Case("星 é ß", file="Größe 星.fits")
    with staged(language, tmp_path, [*FILES[:2], named]) as stage:
        stage.place.environment |= variables
        done = stage.run()
        assert whole(stage, done), done.warned


@each_language
def test_a_strict_umask_is_kept(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, FILES[:2]) as stage:
        assert stage.run(umask=0o077).code == 0
        modes = {path.stat().st_mode & 0o077 for path in stage.place.folder.rglob("*")}
    assert modes == {0}


@each_language
def test_it_runs_from_anywhere_by_any_name(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, FILES[:2]) as stage:
        odd = stage.place.work / "-n $(id) 'x'"
        odd.write_bytes(stage.script.read_bytes())
        process = stage.place.start(language, "./-n $(id) 'x'")
        done = stage.place.finish(process)
        odd.unlink()
    assert whole(stage, done), done.warned


@pytest.mark.parametrize("language", SHELLS, ids=str)
def test_without_curl_it_says_so_at_once(language: Language, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for folder in ("/bin", "/usr/bin"):
        for program in Path(folder).iterdir():
            if not program.name.startswith(("curl", "wget")) and not (programs / program.name).exists():
                (programs / program.name).symlink_to(program)
    with staged(language, tmp_path, FILES[:2]) as stage:
        stage.place.environment["PATH"] = str(programs)
        done = stage.run()
        assert (done.code, stage.server.log) == (2, [])
    assert "curl" in done.warned


@each_language
def test_files_of_the_user_in_the_folder_stay(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, FILES[:2]) as stage:
        stage.place.folder.mkdir()
        (stage.place.folder / "notes.txt").write_text("mine")
        (stage.place.folder / "MANIFEST.json").write_text("not JSON at all")
        done = stage.run()
    assert done.code == 0
    assert done.tree == stage.files | {"notes.txt": b"mine"}
    assert files_below(stage.place.work).keys() >= {"MAST_2026-11-25T120000Z/notes.txt"}


@each_language
def test_a_redirected_page_of_a_login_is_no_file(language: Language, tmp_path: Path) -> None:
    away = Case(
        "login", then=Reply(302, b"", headers=(("Location", "/login"),)), told_size=None, told_sha256=False
    )
    with staged(language, tmp_path, [away, *FILES[:1]]) as stage:
        stage.server.files[""] = Served(b"<html>Please sign in</html>", then=Reply(type="text/html"))
        done = stage.run()
    assert (done.code, done.law["failed"], {*done.tree} & {away.path}) == (1, 1, set())
