"""What a delivery says of itself: MANIFEST.HTML, MANIFEST.json and SHA256SUMS at its root.

They are its last members, written when it is laid out: all bytes are known to be there by then, and a transfer
that fails later is cut before it comes to the manifests. So a manifest that arrives tells the truth.

MANIFEST.HTML has the shape of MAST's (title, "Manifest for File", "Total Files", one table that begins with URI,
File, Access, Status, Logged In User) and is safe to open from disk: it runs nothing, fetches nothing and shows
characters that hide or reorder text as escapes. SHA256SUMS is what GNU ``sha256sum -c`` reads.
"""

import html as markup
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime

OUTCOMES = ("delivered", "denied", "failed", "skipped", "pending")

HTML_NAME = "MANIFEST.HTML"
JSON_NAME = "MANIFEST.json"
SHA256_NAME = "SHA256SUMS"
NAMES = (HTML_NAME, JSON_NAME, SHA256_NAME)
"""The three files, in the order in which they end a delivery; reserve them at its root."""

COLUMNS = ("URI", "File", "Access", "Status", "Logged In User", "Size (bytes)", "SHA-256")

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SUMS_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r"})
_BORDER = "border-width:5px; border-style:solid; border-collapse:collapse;"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """One requested file: `path` inside the delivery, `size` in bytes, `access` as MAST's dataRights.

    `sha256` is 64 lower-case hexadecimal digits, or empty where it was never measured; `public_on` is the day on
    which a denied file becomes public. Raises ValueError for an unknown outcome and a malformed sha256.
    """

    uri: str
    path: str
    size: int | None
    sha256: str
    access: str
    outcome: str
    reason: str = ""
    public_on: date | None = None

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"{self.uri}: outcome {self.outcome!r} is not one of {', '.join(OUTCOMES)}")
        if self.sha256 and not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"{self.uri}: sha256 {self.sha256!r} is not 64 lower-case hexadecimal digits")


@dataclass(frozen=True, slots=True)
class Summary:
    """The delivery as a whole: `name` is ``MAST_<UTC stamp>``, `created` has a time zone, counts are of files.

    `duplicates` were removed before `requested` was counted. Raises ValueError if the conservation law does not
    hold: requested = delivered + denied + failed + skipped + pending.
    """

    name: str
    created: datetime
    user: str
    requested: int
    delivered: int
    denied: int = 0
    failed: int = 0
    skipped: int = 0
    pending: int = 0
    duplicates: int = 0

    def __post_init__(self) -> None:
        total = sum(getattr(self, outcome) for outcome in OUTCOMES)
        if self.requested != total:
            raise ValueError(f"{self.name}: {self.requested} files requested, but {total} are accounted for")
        if self.created.tzinfo is None:
            raise ValueError(f"{self.name}: created {self.created} has no time zone")

    @classmethod
    def of(
        cls, files: Iterable[FileOutcome], *, name: str, created: datetime, user: str, duplicates: int = 0
    ) -> "Summary":
        """Count the files of a delivery."""
        counts = Counter(file.outcome for file in files)
        by_outcome = {outcome: counts[outcome] for outcome in OUTCOMES}
        return cls(name, created, user, requested=counts.total(), duplicates=duplicates, **by_outcome)

    @property
    def complete(self) -> bool:
        """True if every requested file is in the delivery."""
        return self.delivered == self.requested

    @property
    def counts(self) -> dict[str, int]:
        """The numbers by name, as in MANIFEST.json and the API."""
        numbers = [one.name for one in fields(self) if one.name not in {"name", "created", "user"}]
        return {number: getattr(self, number) for number in numbers}

    @property
    def stamp(self) -> str:
        """`created` as ISO 8601 in UTC, to the second."""
        return self.created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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
    yield _html_head(summary).encode()
    user = _shown(summary.user)
    for file in _checked(summary, files):
        yield _html_row(file, user).encode()
    yield b"        </table>\n    </body>\n</html>\n"


def json_lines(summary: Summary, files: Iterable[FileOutcome]) -> Iterator[bytes]:
    """Yield MANIFEST.json line by line, one file a line."""
    head = {"name": summary.name, "created": summary.stamp, "user": summary.user, "complete": summary.complete}
    yield f'{json.dumps(head | {"counts": summary.counts})[:-1]}, "files": ['.encode()
    listed = 0
    separator = "\n"
    for file in _checked(summary, files):
        listed += _is_summed(file)
        yield f"{separator}{json.dumps(_json_row(file))}".encode()
        separator = ",\n"
    sums = {"file": SHA256_NAME, "listed": listed, "left_out": summary.delivered - listed}
    yield f'\n], "sha256sums": {json.dumps(sums)}}}\n'.encode()


def sha256sums_lines(files: Iterable[FileOutcome]) -> Iterator[bytes]:
    r"""Yield SHA256SUMS line by line; names with ``\``, LF or CR are escaped as by GNU coreutils since 9.0."""
    for file in files:
        if _is_summed(file):
            name = file.path.translate(_SUMS_ESCAPES)
            mark = "" if name == file.path else "\\"
            yield f"{mark}{file.sha256}  {name}\n".encode()


def visible(text: str) -> str:
    r"""Return the text with each character that hides, breaks or reorders text as an escape such as ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escape(one) for one in text)


def status(file: FileOutcome) -> str:
    """Return what the Status column says: MAST's "OK" and "Not Authorized", and our own for the rest."""
    reason = f": {file.reason}" if file.reason else ""
    match file.outcome:
        case "delivered":
            return "OK"
        case "denied":
            public = f" (becomes public on {file.public_on:%Y-%m-%d})" if file.public_on else ""
            return f"Not Authorized{public}{reason}"
        case other:
            return f"{other.capitalize()}{reason}"


def sentences(summary: Summary) -> list[str]:
    """Return the delivery in words: whether it is complete, the conservation law, the duplicates."""
    missing = summary.requested - summary.delivered
    said = [
        f"Complete: all {_files(summary.requested)} requested are here."
        if summary.complete
        else f"NOT COMPLETE: {missing} of {_files(summary.requested)} requested "
        f"{'is' if missing == 1 else 'are'} not here; the Status column says why."
    ]
    parts = [f"{getattr(summary, one)} {one}" for one in OUTCOMES if one != "pending" or summary.pending]
    said.append(f"{_files(summary.requested)} requested = {' + '.join(parts)}.")
    if summary.duplicates:
        were = "was" if summary.duplicates == 1 else "were"
        said.append(f"{summary.duplicates} listed more than once {were} counted once.")
    return said


def _checked(summary: Summary, files: Iterable[FileOutcome]) -> Iterator[FileOutcome]:
    counts = dict.fromkeys(OUTCOMES, 0)
    for file in files:
        counts[file.outcome] += 1
        yield file
    wrong = [one for one in OUTCOMES if counts[one] != getattr(summary, one)]
    if wrong:
        told = ", ".join(f"{getattr(summary, one)} {one} counted, {counts[one]} listed" for one in wrong)
        raise ValueError(f"{summary.name}: the list of files is not the one that was counted: {told}")


def _is_summed(file: FileOutcome) -> bool:
    return file.outcome == "delivered" and file.sha256 != ""


def _json_row(file: FileOutcome) -> dict[str, str | int | None]:
    return {
        "uri": file.uri,
        "path": file.path,
        "size": file.size,
        "sha256": file.sha256 or None,
        "access": file.access,
        "outcome": file.outcome,
        "reason": file.reason,
        "public_on": file.public_on.isoformat() if file.public_on else None,
    }


def _html_head(summary: Summary) -> str:
    name = _shown(summary.name)
    said = "\n".join(f"        <p>{_shown(sentence)}</p>" for sentence in sentences(summary))
    header = "\n".join(f'                <th scope="col">{column}</th>' for column in COLUMNS)
    return f"""<!DOCTYPE html>
<html lang="en">
    <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="{_POLICY}">
        <meta name="referrer" content="no-referrer">
        <meta name="color-scheme" content="light dark">
        <title>{name}</title>
        <style>
            body {{ font-family: system-ui, sans-serif }}
            td {{ overflow-wrap: anywhere; unicode-bidi: isolate }}
            td:nth-child(6) {{ text-align: right }}
            td:nth-child(7) {{ font-family: monospace }}
        </style>
    </head>
    <body>
        <h2>Manifest for File: {name}</h2>
        <h3>Total Files: {summary.requested}</h3>
{said}
        <p>Created {summary.stamp}. Checksums to run: sha256sum -c {SHA256_NAME}</p>
        <table cellspacing="0" cellpadding="4" rules="all" style="{_BORDER}">
            <tr>
{header}
            </tr>
"""


def _html_row(file: FileOutcome, user: str) -> str:
    cells = (file.uri, file.path, file.access, status(file))
    shown = [*map(_shown, cells), user, "" if file.size is None else str(file.size), file.sha256]
    return (
        "            <tr>\n"
        + "".join(f"                <td>{one}</td>\n" for one in shown)
        + "            </tr>\n"
    )


def _shown(text: str) -> str:
    return markup.escape(visible(text))


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _files(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"
