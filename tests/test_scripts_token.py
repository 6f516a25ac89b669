"""Where a download script takes the token from, what it does when the token dies, and who never sees it."""

import os
from pathlib import Path

import pytest

from tests.hostile_names import Canary
from tests.hostile_server import Served, error
from tests.script_runs import SPOKEN, Language
from tests.script_scenarios import Case, cut
from tests.script_stage import FILES, TOKEN, exclusive, staged

each_language = pytest.mark.parametrize("language", SPOKEN, ids=str)
each_archive = pytest.mark.parametrize("polite", [False, True], ids=["401 for a dead token", "200 as at MAST"])
CASES = [*exclusive(3), *FILES[:2]]


@each_language
def test_a_token_from_the_environment(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, CASES) as stage:
        stage.place.environment["MAST_API_TOKEN"] = TOKEN
        done = stage.run()
        first = stage.server.log[0]
    assert (done.code, done.tree) == (0, stage.files)
    assert (first.target, first.token) == ("/whoami", TOKEN)


@each_language
def test_a_token_from_a_file_that_only_its_owner_reads(language: Language, tmp_path: Path) -> None:
    secret = tmp_path / "my token"
    secret.write_text(f"{TOKEN}\n")
    with staged(language, tmp_path, CASES) as stage:
        for mode, code in ((0o644, 2), (0o660, 2), (0o604, 2), (0o600, 0), (0o400, 0)):
            secret.chmod(mode)
            assert stage.run("--token-file", str(secret)).code == code, oct(mode)
            assert (sum(stage.asked().values()) == 0) == (code == 2 or mode == 0o400)
        stage.place.environment["MAST_API_TOKEN_FILE"] = str(secret)
        assert stage.run("--new").code == 0
        secret.write_text("")
        assert stage.run("--new").code == 2


@each_language
def test_without_a_token_what_is_public_arrives(language: Language, tmp_path: Path) -> None:
    public_by_now = Case("exclusive when the script was made", protected=True)
    with staged(language, tmp_path, [*CASES, public_by_now]) as stage:
        stage.server.files[public_by_now.uri].needs_token = False
        done = stage.run()
        asked = stage.asked()
    assert (done.code, done.law["delivered"], done.law["denied"]) == (1, 3, 3)
    assert {*done.tree} == {case.path for case in (*FILES[:2], public_by_now)}
    assert set(asked.values()) == {1}


@each_language
@each_archive
def test_a_dead_token_stops_the_script_before_the_first_byte(
    language: Language, tmp_path: Path, polite: bool
) -> None:
    with staged(language, tmp_path, CASES) as stage:
        stage.server.polite = polite
        stage.place.environment["MAST_API_TOKEN"] = "an-old-one"
        done = stage.run()
        assert (done.code, sum(stage.asked().values()), done.tree) == (2, 0, {})
    assert "oken" in done.warned
    assert "an-old-one" not in done.everything


@each_language
@each_archive
def test_a_token_that_dies_on_the_way(language: Language, tmp_path: Path, polite: bool) -> None:
    cases = [*exclusive(8), *FILES[:4]]
    with staged(language, tmp_path, cases) as stage:
        stage.server.polite, stage.server.lifetime = polite, 4
        stage.place.environment["MAST_API_TOKEN"] = TOKEN
        done = stage.run("-j", "1")
        asked = stage.asked()
        assert (done.code, done.law["delivered"], done.law["denied"]) == (1, 3 + 4, 5)
        assert [asked[f"exclusive {number}"] for number in range(8)] == [1, 1, 1, 1, 0, 0, 0, 0]
        stage.server.lifetime = None
        done = stage.run("-j", "1")
        assert (done.code, done.tree) == (0, stage.files)
        assert sum(stage.asked().values()) == 5


@each_language
def test_a_token_that_dies_in_the_middle_of_a_file(language: Language, tmp_path: Path) -> None:
    cases = [Case("exclusive", (cut(), error(401)), protected=True), *FILES[:1]]
    with staged(language, tmp_path, cases) as stage:
        stage.place.environment["MAST_API_TOKEN"] = TOKEN
        done = stage.run()
        assert (done.code, done.law["denied"], {*done.tree} & {case.path for case in cases}) == (
            1,
            1,
            {FILES[0].path},
        )
        done = stage.run()
        assert (done.code, done.tree) == (0, stage.files)
        assert stage.server.requests(cases[0].uri)[-1].status == 206


@each_language
def test_a_check_that_cannot_be_made_is_no_dead_token(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, CASES) as stage:
        stage.server.whoami = [error(503), error(500)]
        stage.place.environment["MAST_API_TOKEN"] = TOKEN
        assert stage.run().code == 0


@each_language
def test_the_token_goes_to_no_other_place(language: Language, tmp_path: Path) -> None:
    other = Case("elsewhere", url="{other}{itself}", protected=True)
    neighbour = Case("next door", url="{neighbour}{itself}", protected=True)
    with staged(language, tmp_path, [*CASES, other, neighbour]) as stage:
        stage.place.environment["MAST_API_TOKEN"] = TOKEN
        assert stage.run().code == 0
        assert len(stage.other.log) == 2
        assert [one for one in stage.other.log if one.token] == []
        assert {one.uri for one in stage.server.log if one.token} == {"", *(case.uri for case in exclusive(3))}


@each_language
@pytest.mark.parametrize(
    "token",
    [
        "$(canary)",
        "`canary`",
        '";canary;"',
        "';canary;'",
        "x\nX-Evil: yes",
        "x\r\nX-Evil: yes",
        '"\nurl = "x',
        "\\",
        "a b",
        "é",
    ],
)
def test_a_token_is_a_word_and_nothing_else(language: Language, tmp_path: Path, token: str) -> None:
    canary = Canary(tmp_path)
    with staged(language, tmp_path, CASES) as stage:
        path = f"{canary.folder}:{os.environ['PATH']}"
        stage.place.environment |= {"MAST_API_TOKEN": token, "PATH": path}
        stage.server.tokens = {token}
        done = stage.run()
        headers = {name for one in stage.server.log for name in one.headers}
    assert canary.fell == ""
    assert "x-evil" not in headers
    assert done.code == 2 or (done.code == 0 and token.isascii() and token.isprintable())
    assert token not in done.everything or token in {"\\", "a b"}


@each_language
def test_nobody_needs_a_token_for_public_files(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, FILES[:2]) as stage:
        stage.place.environment["MAST_API_TOKEN"] = TOKEN
        assert stage.run().code == 0
        assert [one for one in stage.server.log if one.token or one.target == "/whoami"] == []


@each_language
def test_a_netrc_and_a_curlrc_change_nothing(language: Language, tmp_path: Path) -> None:
    with staged(language, tmp_path, [*FILES[:2], Case("401", then=error(401), outcome="denied")]) as stage:
        (stage.place.home / ".netrc").write_text("default login me password secret\n")
        (stage.place.home / ".curlrc").write_text(
            'compressed\nuser = "me:secret"\noutput = "stolen"\nlocation-trusted\n'
        )
        for file in stage.place.home.iterdir():
            file.chmod(0o600)
        stage.server.files[FILES[0].uri] = Served(FILES[0].bytes)
        done = stage.run()
        assert (done.code, done.law["delivered"], done.law["denied"]) == (1, 2, 1)
        assert [one for one in stage.server.log if "authorization" in one.headers] == []
        assert [one for one in stage.server.log if "gzip" in one.headers.get("accept-encoding", "")] == []
