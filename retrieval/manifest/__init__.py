"""What a delivery says of itself: MANIFEST.HTML, MANIFEST.json and SHA256SUMS at its root.

They are its last members, written when it is laid out: all bytes are known to be there by then, and a transfer
that fails later is cut before it comes to the manifests. So a manifest that arrives tells the truth.

MANIFEST.HTML has the shape of MAST's (title, "Manifest for File", "Total Files", one table that begins with URI,
File, Access, Status, Logged In User) and is safe to open from disk: it runs nothing, fetches nothing and shows
characters that hide or reorder text as escapes. SHA256SUMS is what GNU ``sha256sum -c`` reads.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from retrieval.manifest.documents import (
    COLUMNS,
    HTML_NAME,
    JSON_NAME,
    NAMES,
    SHA256_NAME,
    Document,
    Html,
    Json,
    Sums,
    visible,
)
from retrieval.manifest.outcomes import OUTCOMES, FileOutcome, Part, Summary, sentences, status

__all__ = [
    "COLUMNS",
    "HTML_NAME",
    "JSON_NAME",
    "NAMES",
    "OUTCOMES",
    "SHA256_NAME",
    "FileOutcome",
    "Part",
    "Sink",
    "Summary",
    "Writer",
    "html",
    "html_lines",
    "json_bytes",
    "json_lines",
    "sentences",
    "sha256sums",
    "sha256sums_lines",
    "status",
    "visible",
]


def html(summary: Summary, files: Iterable[FileOutcome]) -> bytes:
    """Return MANIFEST.HTML in UTF-8; raise ValueError if the files are not those that the summary counts."""
    return b"".join(html_lines(summary, files))


def json_bytes(summary: Summary, files: Iterable[FileOutcome]) -> bytes:
    """Return MANIFEST.json in ASCII; raise ValueError if the files are not those that the summary counts."""
    return b"".join(json_lines(summary, files))


def sha256sums(files: Iterable[FileOutcome]) -> bytes:
    """Return SHA256SUMS for the delivered files whose sha256 is known; MANIFEST.json counts those left out."""
    return b"".join(sha256sums_lines(files))


def html_lines(summary: Summary, files: Iterable[FileOutcome]) -> Iterator[bytes]:
    """Yield MANIFEST.HTML line by line, for a delivery whose manifest should not be held in memory."""
    return _lines(Html(summary), summary, files)


def json_lines(summary: Summary, files: Iterable[FileOutcome]) -> Iterator[bytes]:
    """Yield MANIFEST.json line by line, one file a line."""
    return _lines(Json(summary), summary, files)


def sha256sums_lines(files: Iterable[FileOutcome]) -> Iterator[bytes]:
    r"""Yield SHA256SUMS line by line; names with ``\``, LF or CR are escaped as by GNU coreutils since 9.0."""
    return map(Sums().row, files)


class Sink(Protocol):
    """Where a manifest is written."""

    def write(self, data: bytes, /) -> object:
        """Take some more bytes."""


class Writer:
    """Writes the three manifests side by side while the files pass by once, into sinks in the order of NAMES."""

    def __init__(self, summary: Summary, sinks: Sequence[Sink]) -> None:
        self._documents: list[tuple[Document, Sink]] = list(
            zip((Html(summary), Json(summary), Sums()), sinks, strict=True)
        )
        self._count = _Count(summary)
        for document, sink in self._documents:
            sink.write(document.head())

    def add(self, file: FileOutcome) -> None:
        """One more file."""
        self._count.add(file)
        for document, sink in self._documents:
            sink.write(document.row(file))

    def finish(self) -> None:
        """Write the ends. Raises ValueError if the files were not those that the summary counts."""
        self._count.check()
        for document, sink in self._documents:
            sink.write(document.end())


class _Count:
    def __init__(self, summary: Summary) -> None:
        self._summary = summary
        self._counts = dict.fromkeys(OUTCOMES, 0)

    def add(self, file: FileOutcome) -> None:
        self._counts[file.outcome] += 1

    def check(self) -> None:
        summary, counts = self._summary, self._counts
        wrong = [one for one in OUTCOMES if counts[one] != getattr(summary, one)]
        if wrong:
            told = ", ".join(f"{getattr(summary, one)} {one} counted, {counts[one]} listed" for one in wrong)
            raise ValueError(f"{summary.name}: the list of files is not the one that was counted: {told}")


def _lines(document: Document, summary: Summary, files: Iterable[FileOutcome]) -> Iterator[bytes]:
    count = _Count(summary)
    yield document.head()
    for file in files:
        count.add(file)
        yield document.row(file)
    count.check()
    yield document.end()
