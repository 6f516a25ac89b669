"""The PowerShell download script: it parses, keeps to what Windows PowerShell 5.1 knows, and its plan is data.

How it behaves against a server is in tests/test_scripts_*.py, where a PowerShell is found.
"""

import base64
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import pytest
import tree_sitter_powershell
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from tree_sitter import Language as Grammar
from tree_sitter import Node, Parser

from retrieval.scripts import powershell
from retrieval.scripts.entry import Entry
from tests.script_runs import header

PROGRAM = powershell.program()
PARSER = Parser(Grammar(tree_sitter_powershell.language()))
HOSTILE = st.text(max_size=60) | st.sampled_from(
    [
        "#>",
        "'@",
        '"@',
        "\n'@\n",
        "$(calc)",
        "`n",
        "; calc",
        "\u2019; calc",
        "\u201c",
        "\r\n#>\r\ncalc",
        "-",
        "=",
        "\u202e",
        "CON",
    ]
)
SHELLS = [found for found in ("pwsh", "powershell.exe") if shutil.which(found)]


def script(entries: Sequence[Entry], **changes: object) -> str:
    return "".join(powershell.lines(header(entries, "http://127.0.0.1:9", **changes), entries))


def nodes(node: Node, kind: str) -> Iterator[Node]:
    if node.type == kind:
        yield node
    for child in node.children:
        yield from nodes(child, kind)


def text_of(node: Node) -> str:
    return (node.text or b"").decode()


def functions() -> dict[str, Node]:
    """Every function of the program by its name."""
    tree = PARSER.parse(PROGRAM.encode())
    return {text_of(next(nodes(one, "function_name"))): one for one in nodes(tree.root_node, "function_statement")}


def decoded(word: str) -> str:
    if word.startswith("="):
        return base64.b64decode(word[1:], validate=True).decode(errors="surrogatepass")
    return "" if word == "-" else word


def test_it_parses() -> None:
    entries = [Entry("http://x/", "u", f"a/b/{number}") for number in range(3)]
    tree = PARSER.parse(script(entries).encode())
    assert not tree.root_node.has_error
    assert len(functions()) > 50


@hypothesis(deadline=None)
@given(st.tuples(HOSTILE, HOSTILE, HOSTILE, HOSTILE))
def test_nothing_of_the_plan_is_code(told: tuple[str, str, str, str]) -> None:
    uri, path, user, page = told
    entry = Entry(
        "http://x/?a=" + "%20", uri, path, 5, "ab" * 32, protected=True, public_on=date(2027, 3, 1), access=user
    )
    text = script([entry], user=user, source=uri, token_page=page)
    assert text.isascii()
    about, _, rest = text.partition("\n")
    assert re.fullmatch(r"# [A-Za-z0-9 .,:_+-]*", about)
    code, mark, plan = rest.partition("<# PLAN\n")
    assert (code, mark) == (PROGRAM.partition("\n")[2], "<# PLAN\n")
    assert plan.endswith("\n#>\n")
    assert re.fullmatch(r"[A-Za-z0-9._/:,@%~+?&;()!= \n-]*", plan.removesuffix("#>\n"))


@hypothesis(deadline=None)
@given(HOSTILE, HOSTILE, st.none() | st.integers(0, 1 << 50), st.booleans())
def test_what_is_written_can_be_read(uri: str, path: str, size: int | None, protected: bool) -> None:
    url = f"https://mast.stsci.edu/file?uri={len(uri)}"
    plan = script([Entry(url, uri, path, size, "", protected)]).partition("<# PLAN\n")[2].splitlines()
    prefixes = {line.split(" ")[1]: decoded(line.split(" ")[2]) for line in plan if line.startswith("U ")}
    (words,) = [line.split(" ")[1:] for line in plan if line.startswith("F ")]
    assert words[0] == ("p" if protected else "-")
    assert words[1] == ("-" if size is None else str(size))
    assert [decoded(word) for word in words[2:4]] == ["", ""]
    assert prefixes[words[4]] + decoded(words[5]) == url
    assert [decoded(word) for word in words[6:]] == [path, uri, "PUBLIC"]
    assert plan[-2:] == ["E 1", "#>"]


def test_prefixes_are_shared_and_bounded() -> None:
    many = [Entry(f"http://x/{n}/?uri={m}", "u", "a/b/c") for n in range(1200) for m in range(2)]
    plan = script(many).partition("<# PLAN\n")[2]
    assert powershell.MOST_PREFIXES < plan.count("\nU ") <= powershell.MOST_PREFIXES + 1
    assert plan.count("\nF ") == len(many)


@pytest.mark.parametrize(
    "newer",
    [
        r"\?\?",
        r"\?\.",
        r"\?\[",
        r"&&|\|\|",
        r"(?m)^\s*\|",
        r"-Parallel\b",
        r"-AsHashtable\b",
        r"\s\?\s[^:\n]+\s:\s",
        r"`u\{",
        r"\bclean\b\s*\{",
        r"[^\x00-\x7f]",
        r'@"',
        r"Invoke-Expression|\biex\b|Add-Type\s+-TypeDefinition",
        r"-Path\b(?!\w)",
    ],
)
def test_it_keeps_to_windows_powershell(newer: str) -> None:
    code = re.sub(r"(?s)@'.*?\n'@|'[^'\n]*'|#[^\n]*", "''", PROGRAM)
    assert re.findall(newer, code) == []


def test_workers_have_every_function_that_they_call() -> None:
    listed = re.search(r"(?s)\$WorkerFunctions = (.*?)\n\$", PROGRAM)
    assert listed
    workers = set(re.findall(r"'([\w-]+)'", listed[1]))
    known = functions()
    assert workers <= known.keys()
    for name in workers:
        called = {text_of(one) for one in nodes(known[name], "command_name")}
        assert called <= workers, f"{name} calls {called - workers}"


def test_every_function_is_called() -> None:
    for name in functions():
        assert len(re.findall(rf"(?<![\w-]){name}(?![\w-])", PROGRAM)) > 1, name


@pytest.mark.parametrize("shell", SHELLS)
def test_the_real_parser_finds_no_error(shell: str, tmp_path: Path) -> None:
    path = tmp_path / "script.ps1"
    path.write_text(script([Entry("http://x/", "u", "a/b/c")]), encoding="ascii")
    command = (
        "$errors = $null; $tokens = $null; [void] [Management.Automation.Language.Parser]::ParseFile("
        f"'{path}', [ref] $tokens, [ref] $errors); $errors.Count; ($tokens | Where-Object Kind -eq Comment).Count"
    )
    done = subprocess.run([shell, "-NoProfile", "-Command", command], capture_output=True, text=True, check=True)
    errors, comments = map(int, done.stdout.split())
    assert (errors, comments > 20) == (0, True)
