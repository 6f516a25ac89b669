"""The manifests tell the truth, in MAST's shape, and nothing in them runs, fetches, hides or reorders text."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import manifest
from retrieval.manifest import FileOutcome, Summary
from retrieval.zipplan import Inline, ZipPlan
from tests.tools import ask
from tests.virtual_archives import Imagined

CREATED = datetime(2026, 6, 26, 16, 50, 31, tzinfo=UTC)
NAME = "MAST_2026-06-26T1650"
SHA = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"


def delivered(path: str, sha256: str = SHA, **changes: str) -> FileOutcome:
    return FileOutcome(changes.get("uri", f"mast:{path}"), path, 5, sha256, "PUBLIC", "delivered")


FILES = [
    delivered("JWST/o/a.fits"),
    delivered("JWST/o/unmeasured.fits", sha256=""),
    FileOutcome("mast:b", "JWST/o/b.fits", 9, SHA, "EXCLUSIVE_ACCESS", "denied", public_on=date(2027, 3, 1)),
    FileOutcome("mast:c", "JWST/o/c.fits", None, "", "PUBLIC", "failed", "the archive has no such file"),
    FileOutcome("mast:d", "JWST/o/d.fits", 4, "", "PUBLIC", "skipped", "stopped by alice"),
]


def summed(files: list[FileOutcome], *, name: str = NAME, user: str = "alice", duplicates: int = 0) -> Summary:
    return Summary.of(files, name=name, created=CREATED, user=user, duplicates=duplicates)


class Reader(HTMLParser):
    """The text of each element, by tag, and every tag met."""

    def __init__(self, document: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(document.decode())

    def handle_starttag(self, tag: str, _attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.texts.append((tag, ""))

    def handle_data(self, data: str) -> None:
        if self.texts and data.strip():
            tag, text = self.texts[-1]
            self.texts[-1] = (tag, text + data)

    def all(self, tag: str) -> list[str]:
        return [text for found, text in self.texts if found == tag]

    def rows(self) -> list[list[str]]:
        cells = self.all("td")
        width = len(manifest.COLUMNS)
        return [cells[start : start + width] for start in range(0, len(cells), width)]


def test_the_html_has_masts_shape(shared: Path) -> None:
    ours = Reader(manifest.html(summed(FILES), FILES))
    theirs = Reader((shared / "data/samples/sample_MANIFEST.HTML").read_bytes())
    assert theirs.all("b") == ours.all("th")[:5] == ["URI", "File", "Access", "Status", "Logged In User"]
    assert theirs.all("title") == theirs.all("h2")[0].split(": ")[1:] == [NAME]
    assert ours.all("title") == [NAME]
    assert ours.all("h2") == theirs.all("h2") == [f"Manifest for File: {NAME}"]
    assert ours.all("h3") == ["Total Files: 5"]
    assert theirs.all("h3") == ["Total Files: 2"]
    assert ours.all("th")[5:] == ["Size (bytes)", "SHA-256"]


def test_the_rows_say_what_mast_would_say_and_why() -> None:
    rows = Reader(manifest.html(summed(FILES), FILES)).rows()
    assert rows[0] == ["mast:JWST/o/a.fits", "JWST/o/a.fits", "PUBLIC", "OK", "alice", "5", SHA]
    assert [row[3] for row in rows] == [
        "OK",
        "OK",
        "Not Authorized (becomes public on 2027-03-01)",
        "Failed: the archive has no such file",
        "Skipped: stopped by alice",
    ]
    assert [row[2] for row in rows][2] == "EXCLUSIVE_ACCESS"
    assert [row[5] for row in rows] == ["5", "5", "9", "", "4"]


def test_a_denied_file_that_never_becomes_public_says_why() -> None:
    file = FileOutcome("mast:x", "x", 1, "", "RESTRICTED", "denied", "restricted for good")
    assert manifest.status(file) == "Not Authorized: restricted for good"


@pytest.mark.parametrize(
    ("files", "duplicates", "sentences"),
    [
        (
            [],
            0,
            [
                "Complete: all 0 files requested are here.",
                "0 files requested = 0 delivered + 0 denied + 0 failed + 0 skipped.",
            ],
        ),
        (
            FILES[:1],
            1,
            [
                "Complete: all 1 file requested are here.",
                "1 file requested = 1 delivered + 0 denied + 0 failed + 0 skipped.",
                "1 listed more than once was counted once.",
            ],
        ),
        (
            FILES[1:3],
            0,
            [
                "NOT COMPLETE: 1 of 2 files requested is not here; the Status column says why.",
                "2 files requested = 1 delivered + 1 denied + 0 failed + 0 skipped.",
            ],
        ),
        (
            FILES,
            71,
            [
                "NOT COMPLETE: 3 of 5 files requested are not here; the Status column says why.",
                "5 files requested = 2 delivered + 1 denied + 1 failed + 1 skipped.",
                "71 listed more than once were counted once.",
            ],
        ),
    ],
)
def test_the_conservation_law_stands_in_words_above_the_table(
    files: list[FileOutcome], duplicates: int, sentences: list[str]
) -> None:
    summary = summed(files, duplicates=duplicates)
    document = manifest.html(summary, files)
    assert Reader(document).all("p")[:-1] == manifest.sentences(summary) == sentences
    assert document.index(b"requested = ") < document.index(b"<table")


def test_what_is_pending_is_told_only_while_there_is_some() -> None:
    pending = FileOutcome("mast:x", "x", 1, "", "PUBLIC", "pending")
    assert manifest.status(pending) == "Pending"
    assert "+ 1 pending." in manifest.sentences(summed([pending]))[1]
    assert "pending" not in manifest.sentences(summed(FILES))[1]


def test_the_json_holds_the_summary_and_every_file() -> None:
    summary = summed(FILES, duplicates=71)
    told = json.loads(manifest.json_bytes(summary, FILES))
    assert list(told) == ["name", "created", "user", "complete", "counts", "files", "sha256sums"]
    assert (told["name"], told["created"], told["user"]) == (NAME, "2026-06-26T16:50:31Z", "alice")
    assert told["complete"] is False
    assert told["counts"] == {
        "requested": 5, "delivered": 2, "denied": 1, "failed": 1, "skipped": 1, "pending": 0, "duplicates": 71,
    }  # fmt: skip
    assert told["files"][2] == {
        "uri": "mast:b", "path": "JWST/o/b.fits", "size": 9, "sha256": SHA, "access": "EXCLUSIVE_ACCESS",
        "outcome": "denied", "reason": "", "public_on": "2027-03-01",
    }  # fmt: skip
    assert told["files"][1]["sha256"] is None
    assert [file["path"] for file in told["files"]] == [file.path for file in FILES]
    assert told["sha256sums"] == {"file": "SHA256SUMS", "listed": 1, "left_out": 1}


def test_the_json_of_nothing_is_complete() -> None:
    told = json.loads(manifest.json_bytes(summed([]), []))
    assert told["complete"] is True
    assert told["files"] == []


OUTCOMES = st.lists(st.sampled_from(manifest.OUTCOMES), max_size=20)


@given(OUTCOMES, st.text(), st.text(st.characters()), st.text())
@settings(max_examples=300, deadline=None)
def test_counts_and_texts_survive_in_json_whatever_they_are(
    outcomes: list[str], uri: str, path: str, reason: str
) -> None:
    files = [FileOutcome(uri, path, 1, SHA, "PUBLIC", outcome, reason) for outcome in outcomes]
    document = manifest.json_bytes(summed(files, user=reason), files)
    assert document.isascii()
    told = json.loads(document)
    assert told["user"] == reason
    assert told["complete"] == all(outcome == "delivered" for outcome in outcomes)
    counts = told["counts"]
    assert counts["requested"] == sum(counts[outcome] for outcome in manifest.OUTCOMES) == len(outcomes)
    assert [(one["uri"], one["path"], one["outcome"], one["reason"]) for one in told["files"]] == [
        (uri, path, outcome, reason) for outcome in outcomes
    ]


@given(st.text(st.characters()), st.text(st.characters()))
@settings(max_examples=500, deadline=None)
def test_no_text_adds_a_tag_or_an_unseen_character_to_the_html(text: str, user: str) -> None:
    plain = [FileOutcome("u", "p", 1, SHA, "PUBLIC", "failed", "r")]
    hostile = [FileOutcome(text, text, 1, SHA, text, "failed", text)]
    document = manifest.html(summed(hostile, name=text, user=user), hostile)
    reader = Reader(document)
    assert reader.tags == Reader(manifest.html(summed(plain), plain)).tags
    assert all(one.isprintable() or one == "\n" for one in document.decode())
    if text.isprintable() and text.strip():
        assert reader.rows()[0][:3] == [text] * 3


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("jw0001_i2d.fits", "jw0001_i2d.fits"),
        ("Größe 星 🔭", "Größe 星 🔭"),
        ("a\u202egpj.exe", "a\\u202egpj.exe"),
        ("a\0\n\t\x85b", "a\\u0000\\u000a\\u0009\\u0085b"),
        ("a\u200b\u2066\ufeff\u2028", "a\\u200b\\u2066\\ufeff\\u2028"),
        ("\ud800\U000e0001", "\\ud800\\U000e0001"),
        ("no\u00a0break", "no\\u00a0break"),
    ],
)
def test_a_character_that_hides_or_reorders_text_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert manifest.visible(text) == shown


@pytest.mark.parametrize("write", [manifest.html, manifest.json_bytes])
@pytest.mark.parametrize("listed", [FILES[:-1], FILES[1:], [*FILES, FILES[0]], [*FILES[:-1], FILES[0]]])
def test_a_list_that_is_not_the_one_counted_is_refused(
    write: Callable[[Summary, list[FileOutcome]], bytes], listed: list[FileOutcome]
) -> None:
    with pytest.raises(ValueError, match=r"not the one that was counted: .* counted, . listed"):
        write(summed(FILES), listed)


def test_counts_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValueError, match="3 files requested, but 2 are accounted for"):
        Summary(NAME, CREATED, "alice", requested=3, delivered=1, failed=1)


def test_a_time_without_a_zone_is_refused_and_others_are_told_in_utc() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        Summary(NAME, datetime(2026, 6, 26), "alice", requested=0, delivered=0)  # noqa: DTZ001
    paris = CREATED.astimezone(timezone(timedelta(hours=2)))
    assert Summary(NAME, paris, "alice", requested=0, delivered=0).stamp == "2026-06-26T16:50:31Z"


@pytest.mark.parametrize("sha256", ["x" * 64, SHA.upper(), SHA[:-1], SHA + "0", f"{SHA}\n"])
def test_a_malformed_checksum_is_refused(sha256: str) -> None:
    with pytest.raises(ValueError, match="is not 64 lower-case hexadecimal digits"):
        delivered("x", sha256)


def test_an_unknown_outcome_is_refused() -> None:
    with pytest.raises(ValueError, match="'lost' is not one of delivered, denied"):
        FileOutcome("mast:x", "x", 1, "", "PUBLIC", "lost")


def test_sha256sums_lists_exactly_the_delivered_files_with_a_known_checksum() -> None:
    assert manifest.sha256sums(FILES) == f"{SHA}  JWST/o/a.fits\n".encode()
    assert manifest.sha256sums([]) == b""


def on_disk(folder: Path, names: list[str]) -> list[FileOutcome]:
    files = []
    for number, name in enumerate(names):
        data = f"{number}".encode()
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        files.append(delivered(name, hashlib.sha256(data).hexdigest()))
    return files


ODD_NAMES = [
    "JWST/o/plain.fits",
    "JWST/o/two words  ;v=1+2.fits",
    " JWST/ leading and trailing ",
    "HLSP/星_🔭_é/Größe.csv",
    "*star",
    "-dash",
    "#hash",
    "back\\slash",
    "\\n",
    "new\nline",
    "carriage\rreturn\r",
    "a\\\n\\b",
    "quote'\"`$(id)",
]


def test_sha256sum_accepts_the_list_and_checks_every_file(tmp_path: Path) -> None:
    files = on_disk(tmp_path, ODD_NAMES)
    (tmp_path / manifest.SHA256_NAME).write_bytes(manifest.sha256sums(files))
    said = ask("sha256sum", "-c", "--strict", manifest.SHA256_NAME, cwd=tmp_path)
    assert said.count(": OK\n") == len(ODD_NAMES)


def test_sha256sums_is_byte_for_byte_what_sha256sum_writes(tmp_path: Path) -> None:
    files = on_disk(tmp_path, ODD_NAMES)
    assert ask("sha256sum", "--", *ODD_NAMES, cwd=tmp_path).encode() == manifest.sha256sums(files)


def test_sha256sum_finds_a_changed_file(tmp_path: Path) -> None:
    files = on_disk(tmp_path, ODD_NAMES)
    (tmp_path / manifest.SHA256_NAME).write_bytes(manifest.sha256sums(files))
    (tmp_path / "back\\slash").write_bytes(b"other")
    with pytest.raises(AssertionError, match=r"slash: FAILED"):
        ask("sha256sum", "-c", "--strict", manifest.SHA256_NAME, cwd=tmp_path)


def test_the_manifests_are_the_last_members_of_a_zip() -> None:
    summary = summed(FILES)
    documents = [manifest.html(summary, FILES), manifest.json_bytes(summary, FILES), manifest.sha256sums(FILES)]
    tail = [Inline(name, data) for name, data in zip(manifest.NAMES, documents, strict=True)]
    with zipfile.ZipFile(Imagined(ZipPlan([], tail))) as opened:
        assert opened.namelist() == ["MANIFEST.HTML", "MANIFEST.json", "SHA256SUMS"]
        assert opened.testzip() is None
        assert json.loads(opened.read("MANIFEST.json"))["counts"]["delivered"] == 2


def test_lines_are_made_one_by_one_and_join_to_the_same_documents() -> None:
    summary = summed(FILES)
    assert b"".join(manifest.html_lines(summary, iter(FILES))) == manifest.html(summary, FILES)
    assert b"".join(manifest.json_lines(summary, iter(FILES))) == manifest.json_bytes(summary, FILES)
    asked: list[FileOutcome] = []

    def told() -> Iterator[FileOutcome]:
        for file in FILES:
            asked.append(file)
            yield file

    lines = manifest.json_lines(summary, told())
    next(lines)
    next(lines)
    assert asked == FILES[:1]


def test_side_by_side_they_are_what_each_is_alone() -> None:
    summary, sinks = summed(FILES), [io.BytesIO() for _ in manifest.NAMES]
    writer = manifest.Writer(summary, sinks)
    for file in FILES:
        writer.add(file)
    writer.finish()
    assert [sink.getvalue() for sink in sinks] == [
        manifest.html(summary, FILES),
        manifest.json_bytes(summary, FILES),
        manifest.sha256sums(FILES),
    ]


def test_a_list_that_is_not_the_one_counted_is_not_finished() -> None:
    writer = manifest.Writer(summed(FILES), [io.BytesIO() for _ in manifest.NAMES])
    with pytest.raises(ValueError, match="2 delivered counted, 0 listed"):
        writer.finish()


def test_a_part_says_which_it_is_and_what_the_others_hold() -> None:
    part = manifest.Part(2, 2, [["JWST/<b>", "JWST/jw2"], ["HST/h1"]])
    summary = Summary(NAME, CREATED, "alice", requested=1, delivered=1, part=part)
    shown = Reader(manifest.html(summary, FILES[:1]))
    assert "This is part 2 of 2; what the other parts hold stands below the list." in shown.all("p")
    assert shown.all("dt") == ["Part 1 of 2", "Part 2 of 2 (this one)"]
    assert shown.all("dd") == ["JWST/<b>", "JWST/jw2", "HST/h1"]
    told = json.loads(manifest.json_bytes(summary, FILES[:1]))
    assert told["part"] == {"number": 2, "of": 2, "observations": [["JWST/<b>", "JWST/jw2"], ["HST/h1"]]}
    assert "part" not in json.loads(manifest.json_bytes(summed(FILES), FILES))
