"""The Python download script: one file for every Python since 3.9, in which the plan is data and never code.

How it behaves against a server is in tests/test_scripts_*.py, for all languages.
"""

import ast
import io
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from retrieval import manifest
from retrieval.scripts import onefile, python
from retrieval.scripts.entry import Entry
from retrieval.scripts.onefile import options, packs, parts, paths, plan, report, state, wire, words
from retrieval.scripts.onefile import rights as onefile_rights
from tests.hostile_server import DOWNLOAD
from tests.script_runs import NAME, Language, header
from tests.script_scenarios import Case
from tests.script_stage import FILES, TOKEN, exclusive, staged

PROGRAM = python.program()
SUM = "ab" * 32
HOSTILE = st.text(max_size=60) | st.sampled_from(
    [
        "'''",
        '"""',
        "\n#.1\n",
        "\\\nimport os",
        "\r#=",
        "$(id)",
        "`id`",
        "\u202e",
        "\x00",
        "\u2028",
        "-rf",
        "*",
        "\udc80",
    ]
)


def script(entries: Sequence[Entry], **changes: object) -> str:
    return "".join(python.lines(header(entries, "http://127.0.0.1:9", **changes), entries))


def read(tmp_path: Path, text: str) -> plan.Plan:
    path = tmp_path / "script.py"
    path.write_text(text, encoding="ascii")
    return plan.Plan(str(path))


def test_it_is_the_python_of_3_9() -> None:
    tree = ast.parse(PROGRAM, feature_version=(3, 9))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Match | ast.TryStar)]


def pythons() -> dict[str, str]:
    """Every Python here since 3.9, by its version: this one, those on the path, those of pyenv."""
    found = [sys.executable, *filter(None, (shutil.which(f"python3.{minor}") for minor in range(9, 20)))]
    found += map(str, Path(os.environ.get("PYENV_ROOT", "/not/there")).glob("versions/*/bin/python3"))
    asked = {}
    for path in found:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        version = tuple(map(int, re.findall(r"[0-9]+", done.stdout)[:2]))
        if version >= (3, 9):
            asked[".".join(map(str, version))] = path
    return asked


@pytest.mark.parametrize("path", pythons().values(), ids=pythons().keys())
def test_it_runs_in_every_python_that_is_here(path: str, tmp_path: Path) -> None:
    language = Language("python", "python", (path, "-W", "error"))
    with staged(language, tmp_path, [*FILES[:3], *exclusive(1)]) as stage:
        stage.place.environment["MAST_API_TOKEN"] = TOKEN
        done = stage.run()
    assert (done.code, done.tree) == (0, stage.files), done.warned


@hypothesis(deadline=None)
@given(st.tuples(HOSTILE, HOSTILE, HOSTILE, HOSTILE))
def test_nothing_of_the_plan_is_code(told: tuple[str, str, str, str]) -> None:
    uri, path, user, access = told
    entry = Entry(
        "http://127.0.0.1:9/x", uri, path, 5, SUM, protected=True, public_on=date(2027, 3, 1), access=access
    )
    text = script([entry], user=user, source=user, token_page=path)
    assert text.isascii()
    assert "\r" not in text
    assert text.startswith(PROGRAM)
    rest = text.removeprefix(PROGRAM)
    assert ast.parse(rest).body == []
    kinds = {token.type for token in tokenize.generate_tokens(io.StringIO(rest).readline)}
    assert kinds <= {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER}


@hypothesis(deadline=None)
@given(st.lists(st.tuples(HOSTILE, HOSTILE, st.none() | st.integers(0, 1 << 50)), max_size=5))
def test_what_is_read_is_what_was_written(tmp_path_factory: pytest.TempPathFactory, told: list) -> None:  # type: ignore[type-arg]  # Hypothesis
    entries = [Entry(f"http://x/{n}", uri, path, size) for n, (uri, path, size) in enumerate(told)]
    opened = read(tmp_path_factory.mktemp("read"), script(entries, duplicates=3))
    assert (opened.header.name, opened.header.files, opened.header.duplicates) == (NAME, len(told), 3)
    found = [(one.number, one.url, one.uri, one.path, one.size) for one in opened.entries()]
    assert found == [(n, one.url, one.uri, one.path, one.size) for n, one in enumerate(entries, start=1)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('#:["http://x/1"', '#:["http://x/1",1'),
        ('#:["http://x/1"', '#: ["'),
        ("#.2\n", ""),
        ('#:["http://x/0"', "# "),
    ],
)
def test_an_edited_list_is_refused(tmp_path: Path, old: str, new: str) -> None:
    text = script([Entry(f"http://x/{n}", "u", "a/b/c", 1) for n in range(2)])
    assert old in text
    with pytest.raises(plan.CannotStart, match=r"edited|cut off|lists 1 of 2"):
        list(read(tmp_path, text.replace(old, new)).entries())


def test_a_million_entries_stream(tmp_path: Path) -> None:
    asked = 0

    def entries() -> Iterator[Entry]:
        nonlocal asked
        for asked in range(1000):
            yield Entry(f"http://x/{asked}", "u", f"a/b/{asked}")

    pieces = python.lines(header([], "http://127.0.0.1:9", files=1000), entries())
    assert next(pieces) == PROGRAM
    assert [next(pieces) for _ in range(3)]
    assert asked < 5


def test_each_name_is_defined_once() -> None:
    assert set(onefile.PARTS) == {path.stem for path in Path(onefile.__file__).parent.glob("[a-z]*.py")}
    with pytest.raises(ValueError, match="two modules: twice"):
        python._check_names([ast.parse("def twice(): pass"), ast.parse("twice = 1")])


def outcomes() -> tuple[list[Entry], state.State]:
    entries = [
        Entry("http://x/0", "mast:A/<b>", "A/o/0.fits", 5, SUM),
        Entry("http://x/1", "mast:A/1", "A/o/\u202e1\\.fits", None),
        Entry("http://x/2", "mast:A/2", "A/o/2\n.fits", 7, "", protected=True, public_on=date(2027, 3, 1)),
        Entry("http://x/3", "mast:A/3", "A/o/3.fits", 7),
        Entry("http://x/4", "mast:A/4", "A/o/4.fits", 7),
    ]
    told = state.State(len(entries))
    for number, code in enumerate(
        (state.HERE, state.DELIVERED, state.DENIED, state.FAILED, state.SKIPPED), start=1
    ):
        told.record(number, state.PENDING)
        told.record(number, code, "" if code <= state.DELIVERED else f"why & {number}")
    told.measured(2, 9, "cd" * 32)
    return entries, told


def test_its_manifests_are_those_of_the_bundles(tmp_path: Path) -> None:
    entries, told = outcomes()
    opened = read(tmp_path, script(entries, duplicates=2, user="al'ice"))
    found = report.Report(opened, told, f"somewhere/{NAME}")
    moment = datetime.now(UTC)
    found._created = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    kinds = ["delivered", "delivered", "denied", "failed", "skipped"]
    files = [
        manifest.FileOutcome(
            one.uri, one.path, one.size, one.sha256, one.access, kind, told.reason(number), one.public_on
        )
        for number, (one, kind) in enumerate(zip(entries, kinds, strict=True), start=1)
    ]
    files[1] = manifest.FileOutcome("mast:A/1", entries[1].path, 9, "cd" * 32, "PUBLIC", "delivered")
    summary = manifest.Summary.of(files, name=NAME, created=moment, user="al'ice", duplicates=2)
    assert "".join(found.json_lines()).encode() == manifest.json_bytes(summary, files)
    assert "".join(found.html_lines()).encode() == manifest.html(summary, files)
    assert "".join(found.sums_lines()).encode() == manifest.sha256sums(files)
    assert found.law() == "requested 5 = delivered 2 + denied 1 + failed 1 + skipped 1"
    assert json.loads("".join(found.json_lines()))["counts"]["duplicates"] == 2


@hypothesis(deadline=None)
@given(HOSTILE)
def test_what_is_said_is_shown_as_in_the_manifests(text: str) -> None:
    assert words.visible(text) == manifest.visible(text)


def test_sizes_in_words() -> None:
    assert [words.shown_size(size) for size in (0, 999, 1000, 53_600_000, 999_960_000, 10**18)] == [
        "0 B", "999 B", "1.0 kB", "53.6 MB", "1.0 GB", "1000.0 PB",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "a//b", "../a", "a/../b", "a/./b", ".parts/1.part", "manifest.JSON/x"]
)
def test_no_path_leads_out_of_the_folder(path: str) -> None:
    with pytest.raises(paths.Unsafe):
        paths.place("folder", path)


@hypothesis(deadline=None)
@given(st.text(min_size=1, max_size=40))
def test_names_for_windows_are_kept_or_made_harmless(name: str) -> None:
    safe = paths.windows_name(name)
    assert not set(safe) & set('<>:"|?*\\')
    assert safe == safe.rstrip(". ")
    assert paths.windows_name(safe) == safe


def test_devices_of_windows_are_no_names() -> None:
    asked = ["CON", "nul.txt", "Lpt1.fits.gz", "com9 .x", "CONIN$", "console", "a.con"]
    assert [paths.windows_name(name) for name in asked] == [
        "_CON", "_nul.txt", "_Lpt1.fits.gz", "_com9 .x", "_CONIN$", "console", "a.con",
    ]  # fmt: skip


def test_patterns_match_the_whole_path_or_the_name() -> None:
    wanted = options.selector(["*_i2d.fits", "HST/*"])
    told = {"JWST/o/a_i2d.fits": True, "HST/o/x": True, "JWST/o/a_cal.fits": False, "a_i2d.fits.gz": False}
    assert {path: wanted(path) for path in told} == told


def test_the_token_goes_to_the_archive_alone() -> None:
    token = onefile_rights.Token("secret", ["https://mast.stsci.edu:443", "http://localhost:8000"], "")
    for url, goes in {
        "https://mast.stsci.edu/x": True,
        "https://MAST.stsci.edu:443/x": True,
        "http://mast.stsci.edu/x": False,
        "https://mast.stsci.edu.evil.org/x": False,
        "https://mast.stsci.edu@evil.org/x": False,
        "https://mast.stsci.edu:8443/x": False,
        "http://localhost:8000/x": True,
    }.items():
        assert bool(token(wire.origin_of(url))) == goes, url
    token.dead = True
    assert token(wire.origin_of("https://mast.stsci.edu/x")) == {}


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://x/y", "x", "http://", "http://[::1", "http://x:99999/"]
)
def test_only_http_is_spoken(url: str) -> None:
    with pytest.raises(wire.Failed):
        wire.origin_of(url)


def test_it_asks_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://me:p%40ss@proxy.example:3128")
    monkeypatch.setenv("https_proxy", "proxy.example:8080")
    monkeypatch.setenv("no_proxy", "archive.example")
    asked = wire.Wire(5)
    plain = asked._connection(wire.origin_of("http://x/"), asked._proxy(wire.origin_of("http://x/")))
    tunnel = asked._connection(wire.origin_of("https://x/"), asked._proxy(wire.origin_of("https://x/")))
    assert (plain.host, plain.port, tunnel.host, tunnel.port) == ("proxy.example", 3128, "proxy.example", 8080)
    assert wire._proxy_headers("http://me:p%40ss@x") == {"Proxy-Authorization": "Basic bWU6cEBzcw=="}
    assert asked._proxy(wire.origin_of("http://archive.example/")) == ""


def test_certificates_are_checked() -> None:
    context = wire.trusted()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@hypothesis(deadline=None)
@given(st.lists(st.integers(0, 5 << 20), max_size=40), st.booleans())
def test_packs_keep_their_bounds(sizes: list[int], public: bool) -> None:
    entries = [
        plan.Entry(n, "http://x:9/f", f"u{n}", f"a/b/{n}", size, "", not public, "", "PUBLIC")
        for n, size in enumerate(sizes, start=1)
    ]
    token = onefile_rights.Token("", [], "")
    found = list(packs.batches(iter(entries), "http://x:9/pack", token))
    assert sorted(one.number for batch in found for one in batch) == [one.number for one in entries]
    for batch in found:
        assert len(batch) == 1 or sum(one.size or 0 for one in batch) <= packs.PACK_BYTES
        assert len(batch) == 1 or all(public and (one.size or 0) <= packs.PACKED_BELOW for one in batch)


def test_a_part_is_renamed_with_its_folders_made(tmp_path: Path) -> None:
    (tmp_path / ".parts").mkdir()
    part = parts.Part(str(tmp_path), 7)
    part.begin('"tag"')
    Path(part.path).write_bytes(b"data")
    assert (part.size(), part.validator(), part.digest().hexdigest()) == (
        4, '"tag"', "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7",
    )  # fmt: skip
    part.move_to(str(tmp_path / "a/b/c"))
    assert (tmp_path / "a/b/c").read_bytes() == b"data"
    assert list((tmp_path / ".parts").iterdir()) == []


def test_a_full_disk_ends_the_run_and_says_so(tmp_path: Path) -> None:
    with staged(Language("python", "python", (sys.executable,)), tmp_path, FILES) as stage:
        folder = stage.place.folder / ".parts"
        folder.mkdir(parents=True)
        (folder / "1.part").symlink_to("/dev/full")
        text = stage.script.read_text().replace("part.begin(_validator(answer))", "pass")
        stage.script.write_text(text)
        done = stage.run("-j", "1")
    assert (done.code, done.law["skipped"]) == (1, 6), done.warned
    assert "The disk is full" in done.said


def test_it_goes_through_the_proxy(tmp_path: Path) -> None:
    with staged(Language("python", "python", (sys.executable,)), tmp_path, FILES[:3]) as stage:
        entries = [
            replace(one, url=one.url.replace(stage.server.url, "http://archive.invalid")) for one in stage.entries
        ]
        stage.place.save(script(entries))
        stage.place.environment |= {"http_proxy": stage.server.url, "no_proxy": "other.invalid"}
        done = stage.run()
        assert {one.target.partition("?")[0] for one in stage.server.log} == {f"http://archive.invalid{DOWNLOAD}"}
    assert (done.code, done.tree) == (0, stage.files), done.warned


def test_what_was_measured_once_is_remembered(tmp_path: Path) -> None:
    cases = [Case(f"unknown {number}", told_size=None, told_sha256=False) for number in range(3)]
    with staged(Language("python", "python", (sys.executable,)), tmp_path, cases) as stage:
        first = stage.run()
        (stage.place.folder / cases[1].path).write_bytes(b"another length")
        again = stage.run()
        assert again.rows[cases[0].path]["sha256"] == first.rows[cases[0].path]["sha256"]
        assert again.rows[cases[1].path]["sha256"] is None
        assert again.manifest["sha256sums"] == {"file": "SHA256SUMS", "listed": 2, "left_out": 1}
        verified = stage.run("--verify")
    assert verified.manifest["sha256sums"]["left_out"] == 0
