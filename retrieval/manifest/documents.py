"""The three documents, each as a head, a row per file, and an end."""

import html as markup
import json
from typing import Protocol

from retrieval.manifest.outcomes import FileOutcome, Part, Summary, sentences, status

HTML_NAME = "MANIFEST.HTML"
JSON_NAME = "MANIFEST.json"
SHA256_NAME = "SHA256SUMS"
NAMES = (HTML_NAME, JSON_NAME, SHA256_NAME)
"""The three files, in the order in which they end a delivery; reserve them at its root."""

COLUMNS = ("URI", "File", "Access", "Status", "Logged In User", "Size (bytes)", "SHA-256")

_SUMS_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r"})
_BORDER = "border-width:5px; border-style:solid; border-collapse:collapse;"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


class Document(Protocol):
    """Says of each file what it has to say, in order; `end` comes last."""

    def head(self) -> bytes:
        """What stands before the first file."""

    def row(self, file: FileOutcome) -> bytes:
        """What is said of a file; may be nothing."""

    def end(self) -> bytes:
        """What stands after the last file."""


class Html:
    """MANIFEST.HTML, a table row per file."""

    def __init__(self, summary: Summary) -> None:
        self._summary = summary
        self._user = _shown(summary.user)

    def head(self) -> bytes:
        return _html_head(self._summary).encode()

    def row(self, file: FileOutcome) -> bytes:
        return _html_row(file, self._user).encode()

    def end(self) -> bytes:
        part = _html_part(self._summary.part) if self._summary.part else ""
        return f"        </table>\n{part}    </body>\n</html>\n".encode()


class Json:
    """MANIFEST.json, a line per file."""

    def __init__(self, summary: Summary) -> None:
        self._summary = summary
        self._listed = 0
        self._separator = "\n"

    def head(self) -> bytes:
        summary = self._summary
        head = {"name": summary.name, "created": summary.stamp, "user": summary.user, "complete": summary.complete}
        if summary.part:
            head["part"] = {
                "number": summary.part.number,
                "of": summary.part.of,
                "observations": [list(one) for one in summary.part.observations],
            }
        return f'{json.dumps(head | {"counts": summary.counts})[:-1]}, "files": ['.encode()

    def row(self, file: FileOutcome) -> bytes:
        self._listed += _is_summed(file)
        line = f"{self._separator}{json.dumps(_json_row(file))}".encode()
        self._separator = ",\n"
        return line

    def end(self) -> bytes:
        left_out = self._summary.delivered - self._listed
        sums = {"file": SHA256_NAME, "listed": self._listed, "left_out": left_out}
        return f'\n], "sha256sums": {json.dumps(sums)}}}\n'.encode()


class Sums:
    """SHA256SUMS, a line per delivered file whose sha256 is known."""

    def head(self) -> bytes:
        return b""

    def row(self, file: FileOutcome) -> bytes:
        if not _is_summed(file):
            return b""
        name = file.path.translate(_SUMS_ESCAPES)
        mark = "" if name == file.path else "\\"
        return f"{mark}{file.sha256}  {name}\n".encode()

    def end(self) -> bytes:
        return b""


def visible(text: str) -> str:
    r"""Return the text with each character that hides, breaks or reorders text as an escape such as ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escape(one) for one in text)


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


def _html_part(part: Part) -> str:
    lines = "\n".join(
        f"            <dt>Part {number} of {part.of}{' (this one)' if number == part.number else ''}</dt>\n"
        + "\n".join(f"            <dd>{_shown(name)}</dd>" for name in names)
        for number, names in enumerate(part.observations, start=1)
    )
    return f"        <h3>Observations by part</h3>\n        <dl>\n{lines}\n        </dl>\n"


def _shown(text: str) -> str:
    return markup.escape(visible(text))


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
