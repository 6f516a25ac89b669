"""The text of the bash script: what may stand in its list, what its shells and judges say of it, and that it streams.

What it does when it runs is the matter of the tests of scripts on a hostile server.
"""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.scripts.bash import LINES_AT_ONCE, MOST_PREFIXES, coded, lines
from retrieval.scripts.entry import Entry, Header
from tests.tools import tool

CREATED = datetime(2026, 11, 25, 3, 24, 59, tzinfo=UTC)
SITE = "http://archive.example:8000"
HEADER = Header(
    "MAST_2026-11-25T032459", CREATED, (SITE,), f"{SITE}/whoami", "alice", 1, 1000, 0, 0, 0,
    source="Skybasket 0.1.0",
)  # fmt: skip
ENTRY = Entry(f"{SITE}/file?uri=mast:J/1.fits", "mast:J/1.fits", "J/1/1.fits", 1000, "0" * 64)


def text(*entries: Entry, header: Header = HEADER) -> str:
    return "".join(lines(replace(header, files=len(entries)), entries))


def listed(script: str) -> list[str]:
    return script.partition("\n#LIST\n")[2].splitlines()


def told(script: str) -> list[str]:
    """The words of the first file."""
    return next(line for line in listed(script) if line.startswith("#F ")).split(" ")


@pytest.mark.parametrize("shell", ["bash", "dash", "busybox sh"])
def test_shells_take_every_line_of_it(tmp_path: Path, shell: str) -> None:
    script = tmp_path / "script"
    script.write_text(text(ENTRY, replace(ENTRY, path="J/`id`/$(id)", uri="mast:'\";\n|&")))
    name, *options = shell.split()
    done = subprocess.run([tool(name), *options, "-n", script], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("dialect", ["sh", "bash", "dash"])
def test_shellcheck_is_content(tmp_path: Path, dialect: str) -> None:
    script = tmp_path / "script"
    script.write_text(text(ENTRY, replace(ENTRY, path="J/`id`/$(id)", uri="mast:'\";\n|&")))
    done = subprocess.run([tool("shellcheck"), "-s", dialect, script], capture_output=True, text=True, check=False)
    assert done.stdout == ""


@given(st.text())
def test_a_word_of_the_list_holds_nothing_that_a_shell_or_a_terminal_obeys(anything: str) -> None:
    word = coded(anything)
    assert re.fullmatch(r"(?:[A-Za-z0-9._/+,=@%:~()^!;-]|\\0[0-3][0-7]{2}|[^\x00-\xa0])+", word)
    assert word.isprintable()
    back = re.sub(rb"\\0([0-3][0-7]{2})", lambda found: bytes([int(found[1], 8)]), word.encode())
    assert back == anything.encode(errors="surrogatepass") or (word, anything) == ("-", "")


def test_the_list_is_comments_and_ends_with_its_number_of_files() -> None:
    hostile = replace(ENTRY, path="J/a b/\n#E 1\n", uri="\n#F x", access="\n")
    rows = listed(text(ENTRY, hostile))
    assert all(re.match(r"#[HUFE] ", row) for row in rows)
    assert rows[-1] == "#E 2"
    assert sum(row.startswith("#F ") for row in rows) == 2


def test_what_the_header_says_cannot_leave_its_line() -> None:
    script = text(ENTRY, header=replace(HEADER, user="bob\nid`id`", source="Sky\n$(id)", token_page="\n`id`"))
    assert "`id`" not in script
    assert "$(id)" not in script
    assert r"#H user bob\0012id\0140id\0140" in script


def test_a_file_is_told_with_all_that_is_known_of_it() -> None:
    entry = replace(ENTRY, protected=True, public_on=date(2027, 3, 1), access="EXCLUSIVE_ACCESS")
    row = told(text(entry))
    assert row == [
        "#F",
        "p",
        "1000",
        "0" * 64,
        "2027-03-01",
        "0",
        "=",
        "J/1/1.fits",
        "mast:J/1.fits",
        entry.access,
    ]
    row = told(text(replace(ENTRY, size=None, sha256="", access="")))
    assert row == ["#F", "-", "-", "-", "-", "0", "=", "J/1/1.fits", "mast:J/1.fits", "-"]


@pytest.mark.parametrize("uri", ["mast:J/1.fits", "mast:J/a b&c.fits", "mast:J/é.fits", "=", "-", "mast:J/x?a=b"])
@pytest.mark.parametrize("base", [f"{SITE}/file?uri=", f"{SITE}/", "https://[::1]:80/a?b="])
def test_a_url_is_put_together_again(uri: str, base: str) -> None:
    for url in (base + quote(uri, safe=":/"), base + "elsewhere", base + "-", base + "=", base):
        script = text(replace(ENTRY, url=url, uri=uri))
        prefixes = dict(line.split(" ")[1:] for line in listed(script) if line.startswith("#U "))
        _, _, _, _, _, number, rest, _, word, _ = told(script)
        prefix = prefixes[number].replace("-", "") if prefixes[number] == "-" else prefixes[number]
        assert prefix + {"=": word, "-": ""}.get(rest, rest) == url


def test_a_plan_of_many_places_does_not_keep_them_all() -> None:
    scattered = [replace(ENTRY, url=f"{SITE}/{number}/1", uri=str(number)) for number in range(MOST_PREFIXES + 50)]
    rows = listed(text(*scattered))
    assert sum(row.startswith("#U ") for row in rows) <= MOST_PREFIXES + 2
    assert sum(row.startswith("#F ") for row in rows) == len(scattered)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x", "J/../../x", "J/./x", "J//x", "J/", "", ".", "..", "J/x\0y", "J/.."]
)
def test_a_path_out_of_the_folder_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="leaves the folder"):
        text(replace(ENTRY, path=path))


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://x/y", "http://x/a b", 'http://x/"', "http://x/\\", "http://user@x/", "//x/y",
        "http://x/\n", "http://x/é", "", "http://", "https:///x",
    ],
)  # fmt: skip
def test_what_is_no_plain_url_is_refused(url: str) -> None:
    for wrong in ({"origins": (url,)}, {"pack": url or "-"}, {"token_check": url or "-"}):
        with pytest.raises(ValueError, match="is not an absolute"):
            text(ENTRY, header=replace(HEADER, **wrong))
    with pytest.raises(ValueError, match="is not an absolute"):
        text(replace(ENTRY, url=url))


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "..", "a\n", "a`id`"])
def test_the_name_of_the_folder_is_a_plain_one(name: str) -> None:
    with pytest.raises(ValueError, match="is not a plain name"):
        text(ENTRY, header=replace(HEADER, name=name))


def test_what_is_no_checksum_is_refused() -> None:
    with pytest.raises(ValueError, match="not 64 lower-case"):
        text(replace(ENTRY, sha256="F" * 64))


def test_it_is_written_as_its_entries_come() -> None:
    read = 0

    def endless() -> Iterator[Entry]:
        nonlocal read
        while True:
            read += 1
            yield ENTRY

    pieces = lines(HEADER, endless())
    for _ in range(6):
        next(pieces)
    assert 0 < read <= 6 * LINES_AT_ONCE
