"""The lists for other programs: aria2's input file, plain addresses, CSV."""

import csv
import io
import subprocess
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from retrieval.scripts import EMITTERS
from retrieval.scripts.entry import Entry
from tests.hostile_server import HostileServer, Served
from tests.script_runs import NAME, header
from tests.script_stage import FILES, TOKEN
from tests.tools import files_below, tool

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=cmd|' /C calc'!A0"]


def text(name: str, entries: list[Entry], **changes: object) -> str:
    return "".join(EMITTERS[name].lines(header(entries, "http://127.0.0.1:9", **changes), entries))


def entry(number: int = 0, **changes: object) -> Entry:
    told: dict[str, object] = {
        "url": f"http://x/{number}",
        "uri": f"mast:{number}",
        "path": f"A/o/{number}",
        "size": 5,
    }
    return Entry(**told | changes)  # type: ignore[arg-type]  # chosen by name


def test_addresses_are_one_a_line() -> None:
    assert text("urls", [entry(1), entry(2)]) == "http://x/1\nhttp://x/2\n"
    assert text("urls", []) == ""


def test_the_table_is_csv() -> None:
    rows = text("csv", [entry(1, sha256="ab" * 32, access="EXCLUSIVE_ACCESS"), entry(2, size=None)])
    assert rows == (
        "path,uri,url,size,sha256,access\r\n"
        f"A/o/1,mast:1,http://x/1,5,{'ab' * 32},EXCLUSIVE_ACCESS\r\n"
        "A/o/2,mast:2,http://x/2,,,PUBLIC\r\n"
    )


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_is_a_formula(formula: str) -> None:
    rows = list(
        csv.reader(io.StringIO(text("csv", [entry(uri=formula, path=formula, access=formula)]), newline=""))
    )
    assert [rows[1][column] for column in (0, 1, 5)] == [f"'{formula}"] * 3


@hypothesis(deadline=None)
@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_every_name_survives_the_table(told: list[tuple[str, str]]) -> None:
    rows = list(csv.reader(io.StringIO(text("csv", [entry(uri=u, path=p) for u, p in told]), newline="")))
    found = [(row[1].removeprefix("'"), row[0].removeprefix("'")) for row in rows[1:]]
    assert found == [(u.removeprefix("'"), p.removeprefix("'")) for u, p in told]


@hypothesis(deadline=None)
@given(st.text(), st.text())
def test_a_name_is_one_line_of_aria2(path: str, user: str) -> None:
    lines = text("aria2", [entry(path=path, sha256="ab" * 32)], source=user).removesuffix("\n").split("\n")
    plain = [line for line in lines if not line.startswith("#")]
    assert [line.strip().partition("=")[0] for line in plain] == ["http://x/0", "out", "checksum"]


def test_aria2_is_told_how_to_give_a_token_and_has_none() -> None:
    told = text("aria2", [entry(protected=True, public_on=date(2027, 3, 1))], token_page="https://mast/token")
    assert "Authorization: token YOUR_TOKEN" in told
    assert all(line.startswith("#") for line in told.splitlines() if "token" in line)
    assert "oken" not in text("aria2", [entry()])


def test_aria2_reads_the_list_and_checks_it(tmp_path: Path) -> None:
    aria2 = tool("aria2c")
    with HostileServer(tokens={TOKEN}) as server:
        for case in FILES[:3]:
            server.files[case.uri] = Served(case.bytes)
        entries = [case.entry(server) for case in FILES[:3]]
        path = tmp_path / "list.aria2"
        path.write_text("".join(EMITTERS["aria2"].lines(header(entries, server.url), entries)))
        words = [aria2, "--no-conf", f"--input-file={path}", "--check-integrity=true", "--continue=true"]
        subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
        assert files_below(tmp_path / NAME) == {case.path: case.bytes for case in FILES[:3]}
        server.files[FILES[0].uri] = Served(FILES[1].bytes)
        (tmp_path / NAME / FILES[0].path).unlink()
        assert subprocess.run(words, cwd=tmp_path, check=False, capture_output=True).returncode != 0
