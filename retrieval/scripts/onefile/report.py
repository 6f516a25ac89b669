"""What really happened: MANIFEST.HTML, MANIFEST.json and SHA256SUMS in the folder, and the last words."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timezone
from typing import NamedTuple

from retrieval.scripts.onefile.paths import HTML_NAME, JSON_NAME, PARTS_FOLDER, SUMS_NAME, Unsafe, long_path, place
from retrieval.scripts.onefile.plan import Entry, Plan
from retrieval.scripts.onefile.state import HERE, NOT_ASKED, OUTCOMES, State
from retrieval.scripts.onefile.words import Console, shown_files, visible

KINDS = ("delivered", "denied", "failed", "skipped")
COLUMNS = ("URI", "File", "Access", "Status", "Logged In User", "Size (bytes)", "SHA-256")

_BORDER = "border-width:5px; border-style:solid; border-collapse:collapse;"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_SUMS_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r"})


class Row(NamedTuple):
    """One file of the manifests."""

    entry: Entry
    outcome: str
    reason: str
    size: int | None
    sha256: str


class Report:
    """Reads the plan once more for each manifest, so that a million files need no memory."""

    def __init__(self, plan: Plan, state: State, folder: str) -> None:
        self._plan = plan
        self._state = state
        self._folder = folder
        self._created = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._name = os.path.basename(folder)
        all_asked = state.requested == plan.header.files
        self._duplicates = plan.header.duplicates if all_asked else 0

    def rows(self) -> Iterator[Row]:
        """The files that were asked for, in the plan's order."""
        for entry in self._plan.entries():
            code = self._state.codes[entry.number]
            if code != NOT_ASKED:
                size, sha256 = self._state.measure(entry.number)
                size = size if entry.size is None else entry.size
                reason = self._state.reason(entry.number)
                yield Row(entry, OUTCOMES.get(code, "skipped"), reason, size, entry.sha256 or sha256)

    def write(self) -> None:
        """Write the manifests, each all at once. Raises OSError."""
        for name, lines in (
            (HTML_NAME, self.html_lines()),
            (JSON_NAME, self.json_lines()),
            (SUMS_NAME, self.sums_lines()),
        ):
            unfinished = long_path(os.path.join(self._folder, PARTS_FOLDER, f"{name}.new"))
            with open(unfinished, "w", encoding="utf-8", newline="\n") as opened:
                opened.writelines(lines)
            os.replace(unfinished, long_path(os.path.join(self._folder, name)))

    def html_lines(self) -> Iterator[str]:
        """MANIFEST.HTML in the shape of MAST's; it runs nothing and fetches nothing."""
        yield self._head()
        user = _shown(self._plan.header.user)
        for row in self.rows():
            size = "" if row.size is None else str(row.size)
            shown = map(_shown, (row.entry.uri, row.entry.path, row.entry.access, _status(row)))
            cells = [*shown, user, size, row.sha256]
            yield "            <tr>\n" + "".join(f"                <td>{one}</td>\n" for one in cells)
            yield "            </tr>\n"
        yield "        </table>\n    </body>\n</html>\n"

    def json_lines(self) -> Iterator[str]:
        """MANIFEST.json, one file a line."""
        state = self._state
        head = {"name": self._name, "created": self._created, "user": self._plan.header.user}
        counts = {"requested": state.requested, **{kind: state.total(kind) for kind in KINDS}}
        counts.update(pending=0, duplicates=self._duplicates)
        yield json.dumps({**head, "complete": state.complete, "counts": counts})[:-1] + ', "files": ['
        listed, separator = 0, "\n"
        for row in self.rows():
            listed += _is_summed(row)
            yield separator + json.dumps(_json_row(row))
            separator = ",\n"
        sums = {"file": SUMS_NAME, "listed": listed, "left_out": state.total("delivered") - listed}
        yield f'\n], "sha256sums": {json.dumps(sums)}}}\n'

    def sums_lines(self) -> Iterator[str]:
        """SHA256SUMS as ``sha256sum -c`` reads it."""
        for row in self.rows():
            if _is_summed(row):
                name = row.entry.path.translate(_SUMS_ESCAPES)
                mark = "" if name == row.entry.path else "\\"
                yield f"{mark}{row.sha256}  {name}\n"

    def law(self) -> str:
        """Requested = delivered + denied + failed + skipped."""
        parts = " + ".join(f"{kind} {self._state.total(kind)}" for kind in KINDS)
        return f"requested {self._state.requested} = {parts}"

    def say(self, console: Console, where: str) -> None:
        """The law, what is missing and why, and where the manifests lie."""
        state = self._state
        console.result(self.law())
        if state.counts[HERE]:
            were = "was" if state.counts[HERE] == 1 else "were"
            console.result(f"{state.counts[HERE]} of them {were} already here")
        if not state.complete:
            for row in self.rows():
                if row.outcome != "delivered":
                    console.result(f"{row.outcome:<9} {row.entry.path}: {row.reason}{_until(row)}")
        console.result(where)

    def _head(self) -> str:
        name = _shown(self._name)
        said = "\n".join(f"        <p>{_shown(sentence)}</p>" for sentence in self._sentences())
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
        <h3>Total Files: {self._state.requested}</h3>
{said}
        <p>Created {self._created}. Checksums to run: sha256sum -c {SUMS_NAME}</p>
        <table cellspacing="0" cellpadding="4" rules="all" style="{_BORDER}">
            <tr>
{header}
            </tr>
"""

    def _sentences(self) -> list[str]:
        state = self._state
        requested, missing = state.requested, state.requested - state.total("delivered")
        said = [
            f"Complete: all {shown_files(requested)} requested are here."
            if state.complete
            else f"NOT COMPLETE: {missing} of {shown_files(requested)} requested "
            f"{'is' if missing == 1 else 'are'} not here; the Status column says why."
        ]
        parts = " + ".join(f"{state.total(kind)} {kind}" for kind in KINDS)
        said.append(f"{shown_files(requested)} requested = {parts}.")
        if self._duplicates:
            were = "was" if self._duplicates == 1 else "were"
            said.append(f"{self._duplicates} listed more than once {were} counted once.")
        return said


def remembered(folder: str, entries: Iterable[Entry], state: State) -> None:
    """Take over what the last run measured of files that the plan does not know whole and that are still here."""
    lines = _rows_of_last_run(folder)
    known = next(lines, None)
    for entry in entries:
        if known is None:
            return
        if known.get("path") != entry.path:
            continue
        sha256, size = known.get("sha256"), known.get("size")
        here = state.codes[entry.number] == HERE and not (entry.sha256 and entry.size is not None)
        if here and isinstance(size, int) and isinstance(sha256, str) and len(sha256) == 64:
            with suppress(ValueError, OSError, Unsafe):
                if os.stat(place(folder, entry.path)).st_size == size:
                    state.measured(entry.number, size, sha256)
        known = next(lines, None)


def _rows_of_last_run(folder: str) -> Iterator[dict[str, object]]:
    with suppress(OSError), open(long_path(os.path.join(folder, JSON_NAME)), encoding="utf-8") as lines:
        for line in lines:
            if line.startswith('{"uri"'):
                with suppress(ValueError):
                    yield json.loads(line.rstrip().rstrip(","))


def _is_summed(row: Row) -> bool:
    return row.outcome == "delivered" and row.sha256 != ""


def _json_row(row: Row) -> dict[str, object]:
    return {
        "uri": row.entry.uri,
        "path": row.entry.path,
        "size": row.size,
        "sha256": row.sha256 or None,
        "access": row.entry.access,
        "outcome": row.outcome,
        "reason": row.reason,
        "public_on": row.entry.public_on or None,
    }


def _until(row: Row) -> str:
    return (
        f" It becomes public on {row.entry.public_on}." if row.outcome == "denied" and row.entry.public_on else ""
    )


def _status(row: Row) -> str:
    reason = f": {row.reason}" if row.reason else ""
    if row.outcome == "delivered":
        return "OK"
    if row.outcome == "denied":
        public = f" (becomes public on {row.entry.public_on})" if row.entry.public_on else ""
        return f"Not Authorized{public}{reason}"
    return f"{row.outcome.capitalize()}{reason}"


def _shown(text: str) -> str:
    return html.escape(visible(text))
