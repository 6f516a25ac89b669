"""Lists of the files for other programs: an input file for aria2, the plain addresses, and a table as CSV."""

import csv
import io
import re
from collections.abc import Iterable, Iterator

from retrieval.manifest import visible
from retrieval.scripts.entry import Emitter, Entry, Header

COLUMNS = ("path", "uri", "url", "size", "sha256", "access")

_BROKEN_LINE = re.compile(r"[\x00-\x1f\x7f]")
_FORMULA = re.compile(r"[=+\-@\t\r\n\x00]")


def aria2(header: Header, entries: Iterable[Entry]) -> Iterator[str]:
    """An input file for ``aria2c -i``: names and SHA-256, but never a token.

    An option stands on a line of its own, so a name with a control character is shown with ``_`` in its place.
    """
    yield from (f"# {line}\n" for line in _aria2_says(header))
    for entry in entries:
        yield f"{_one_line(entry.url)}\n  out={header.name}/{_one_line(entry.path)}\n"
        if entry.sha256:
            yield f"  checksum=sha-256={entry.sha256}\n"


def urls(_header: Header, entries: Iterable[Entry]) -> Iterator[str]:
    """One address a line, and nothing else."""
    return (f"{_one_line(entry.url)}\n" for entry in entries)


def table(_header: Header, entries: Iterable[Entry]) -> Iterator[str]:
    """CSV (RFC 4180) in UTF-8 with a header line; no cell is taken for a formula by a spreadsheet."""
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    for entry in entries:
        texts = (entry.path, entry.uri, entry.url)
        size = "" if entry.size is None else entry.size
        rows.writerow([*map(_harmless, texts), size, entry.sha256, _harmless(entry.access)])
        yield written.getvalue()
        written.seek(0)
        written.truncate()
    yield written.getvalue()


def _aria2_says(header: Header) -> Iterator[str]:
    yield f"{visible(header.name)}: {header.files} files, {header.bytes} bytes, from {visible(header.source)}."
    yield f"aria2c --input-file={visible(header.name)}.aria2 --continue=true --auto-file-renaming=false"
    yield "       --max-concurrent-downloads=4 --allow-overwrite=true --check-integrity=true"
    if header.unknown_sizes:
        yield f"The sizes of {header.unknown_sizes} files are not known."
    if not header.protected:
        return
    page = f" (from {visible(header.token_page)})" if header.token_page else ""
    yield f"{header.protected} files need a token{page}. Keep it off the command line, where others can read it:"
    yield "write the line   header=Authorization: token YOUR_TOKEN   into a file that only you can read (chmod 600)"
    yield "and add --conf-path=FILE. aria2 sends it to every server of this list, also after a redirect, so take the"
    yield "bash, PowerShell or Python script where that matters: they send it to the archive alone."


def _one_line(text: str) -> str:
    return _BROKEN_LINE.sub("_", text)


def _harmless(text: str) -> str:
    """A cell that begins like a formula gets an apostrophe before it (OWASP, CSV injection)."""
    return f"'{text}" if _FORMULA.match(text) else text


ARIA2 = Emitter("aria2", "aria2", "text/plain; charset=utf-8", aria2)
URLS = Emitter("Addresses", "txt", "text/plain; charset=utf-8", urls)
CSV = Emitter("CSV table", "csv", "text/csv; charset=utf-8", table)
