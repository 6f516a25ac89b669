"""The PowerShell script: a program that never changes (powershell.ps1), and behind it the plan in one block comment.

The program runs in Windows PowerShell 5.1 and PowerShell 7. It reads the plan from its own file, so PowerShell never
sees a name as code. A line of the plan is words with single spaces between them:

    H key word                                                                  what `Header` says
    U number prefix                                                             the beginning of URLs to come
    F flags size sha256 public_on prefix-number rest-of-URL path uri access     a file
    E count                                                                     the end: the list is whole

``-`` stands for nothing; a word that is not plain ASCII is ``=`` and the base64 of its UTF-8. So nothing in the plan
ends the comment (``#>``), and the script is ASCII, which Windows PowerShell reads right without a byte order mark.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from retrieval.scripts.entry import Emitter, Entry, Header

PROGRAM = Path(__file__).with_suffix(".ps1")
MOST_PREFIXES = 1000

_PLAIN = re.compile(r"[A-Za-z0-9._/:,@%~+?&;()!][A-Za-z0-9._/:,@%~+?&;()!=-]*")


def lines(header: Header, entries: Iterable[Entry]) -> Iterator[str]:
    """Yield the script, piece by piece."""
    about = f"{header.name}: {header.files} files, {header.bytes} bytes, from {header.source}"
    yield program().replace("@ABOUT@", re.sub(r"[^A-Za-z0-9 .,:_+-]", "_", about), 1)
    yield "<# PLAN\n" + "".join(f"H {key} {coded(value)}\n" for key, value in _facts(header))
    prefixes: dict[str, int] = {}
    count = 0
    for entry in entries:
        count += 1
        yield _line(entry, prefixes)
    yield f"E {count}\n#>\n"


@cache
def program() -> str:
    """The program part: ASCII, one statement after the other, the plan not yet behind it."""
    return PROGRAM.read_text(encoding="ascii").rstrip() + "\n"


def coded(text: str) -> str:
    """Return the text as one word of the plan."""
    if not text:
        return "-"
    if _PLAIN.fullmatch(text):
        return text
    return "=" + base64.b64encode(text.encode(errors="surrogatepass")).decode("ascii")


def _facts(header: Header) -> Iterator[tuple[str, str]]:
    yield "name", header.name
    yield "source", header.source
    yield "user", header.user
    yield "files", str(header.files)
    yield "protected", str(header.protected)
    yield "duplicates", str(header.duplicates)
    yield "token_check", header.token_check or ""
    yield "token_page", header.token_page
    yield "pack", header.pack or ""
    for origin in header.origins:
        yield "origin", origin


def _line(entry: Entry, prefixes: dict[str, int]) -> str:
    prefix, rest = _divided(entry.url)
    opening = ""
    if prefix not in prefixes:
        if len(prefixes) >= MOST_PREFIXES:
            prefix, rest = "", entry.url
        if prefix not in prefixes:
            prefixes[prefix] = len(prefixes)
            opening = f"U {prefixes[prefix]} {coded(prefix)}\n"
    size = "-" if entry.size is None else str(entry.size)
    public_on = entry.public_on.isoformat() if entry.public_on else ""
    words = (entry.sha256, public_on, str(prefixes[prefix]), rest, entry.path, entry.uri, entry.access)
    return f"{opening}F {'p' if entry.protected else '-'} {size} {' '.join(map(coded, words))}\n"


def _divided(url: str) -> tuple[str, str]:
    """A part that many addresses share, and the rest: divided behind the last ``=``, or else the last ``/``."""
    place = max(url.rfind("="), url.rfind("/") if "=" not in url else -1) + 1
    return url[:place], url[place:]


EMITTER = Emitter("PowerShell", "ps1", "text/plain; charset=utf-8", lines)
