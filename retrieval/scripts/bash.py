r"""The bash script: a program that never changes (bash.sh), and after its last line the list of files as plain data.

The program reads the list from its own file, so that no name is ever code (each line is a comment, too), and a list of
a million files is never in the shell's memory. Each line is words with single spaces between them:

    #H key value                                                               what `Header` says
    #U number prefix                                                           the beginning of URLs to come
    #F flags size sha256 public_on prefix-number rest-of-URL path uri access   a file; rest ``=``: as uri
    #E count                                                                   the end: the list is whole

``-`` stands for what is not known. A word holds nothing but printable characters, without spaces, quotes and what
means something to a shell; each other byte is written ``\0ooo``, as ``printf %b`` reads it.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from retrieval.scripts.entry import Emitter, Entry, Header

PROGRAM = Path(__file__).with_suffix(".sh")
LINES_AT_ONCE = 500

MOST_PREFIXES = 1000

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:+-]*")
_PLAIN = re.compile(r"[A-Za-z0-9._/+,=@%:~()^!;-]+")
_URL = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+(?:/[!#$%&'()*+,./0-9:;=?@A-Z_a-z~-]*)?")
_SHA256 = re.compile(r"(?:[0-9a-f]{64})?")
_UNSAFE_PATH = re.compile(r"^/|\x00|(?:^|/)\.{0,2}(?:/|\Z)")


def lines(header: Header, entries: Iterable[Entry]) -> Iterator[str]:
    """Yield the script in pieces.

    Raises ValueError for a name that is no plain file name, a path that leaves the folder, and for what is no URL.
    """
    if not _NAME.fullmatch(header.name):
        raise ValueError(f"{header.name!r} is not a plain name for a folder")
    yield PROGRAM.read_text(encoding="utf-8").replace("@ABOUT@", _about(header), 1)
    yield "".join(f"#H {key} {coded(value)}\n" for key, value in _facts(header))
    prefixes: dict[str, int] = {}
    piece, count = list[str](), 0
    for count, entry in enumerate(entries, start=1):  # noqa: B007  # the last one is the number of files
        piece.append(_line(entry, prefixes))
        if len(piece) >= LINES_AT_ONCE:
            yield "".join(piece)
            piece.clear()
    yield "".join(piece) + f"#E {count}\n"


def coded(text: str) -> str:
    r"""Return the text as one word of the list: ``-`` for nothing, ``\0ooo`` for what is not plain."""
    if text == "-":
        return r"\0055"
    if _PLAIN.fullmatch(text):
        return text
    return "".join(map(_coded, text)) or "-"


def _coded(character: str) -> str:
    if _PLAIN.fullmatch(character) or (not character.isascii() and character.isprintable()):
        return character
    return "".join(f"\\0{byte:03o}" for byte in character.encode(errors="surrogatepass"))


def _about(header: Header) -> str:
    """Two lines for whoever opens the script; nothing in them can end a comment."""
    return (
        f" {header.name}: {header.files:,} files, {header.bytes:,} bytes"
        f"{f' and {header.unknown_sizes:,} files of unknown size' if header.unknown_sizes else ''}.\n"
        f"# Made by {_tame(header.source)} on {header.created:%Y-%m-%d %H:%M:%S} UTC."
    )


def _tame(source: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+ -]", "_", source)


def _facts(header: Header) -> Iterator[tuple[str, str]]:
    yield "name", header.name
    yield "source", _tame(header.source)
    yield "user", header.user
    yield "files", str(header.files)
    yield "duplicates", str(header.duplicates)
    for origin in header.origins:
        yield "origin", _checked(origin)
    if header.token_check:
        yield "token_check", _checked(header.token_check)
    if header.pack:
        yield "pack", _checked(header.pack)
    yield "token_page", header.token_page


def _line(entry: Entry, prefixes: dict[str, int]) -> str:
    if _UNSAFE_PATH.search(entry.path):
        raise ValueError(f"{entry.uri}: the path {entry.path!r} leaves the folder of the delivery")
    if not _SHA256.fullmatch(entry.sha256):
        raise ValueError(f"{entry.uri}: sha256 {entry.sha256!r} is not 64 lower-case hexadecimal digits")
    uri = coded(entry.uri)
    prefix, rest = _divided(_checked(entry.url), entry.uri, uri)
    if prefix not in prefixes and len(prefixes) > MOST_PREFIXES:
        prefix, rest = "-", entry.url
    known = prefixes.get(prefix)
    opening = ""
    if known is None:
        known = prefixes[prefix] = len(prefixes)
        opening = f"#U {known} {prefix}\n"
    size = "-" if entry.size is None else entry.size
    public_on = f"{entry.public_on:%Y-%m-%d}" if entry.public_on else "-"
    flags = "p" if entry.protected else "-"
    return (
        f"{opening}#F {flags} {size} {entry.sha256 or '-'} {public_on} {known} {rest} "
        f"{coded(entry.path)} {uri} {coded(entry.access)}\n"
    )


def _checked(url: str) -> str:
    if not _URL.fullmatch(url):
        raise ValueError(f"{url!r} is not an absolute, percent-encoded URL of http or https")
    return url


def _divided(url: str, uri: str, word: str) -> tuple[str, str]:
    """The part of a URL that many share, and the rest: ``=`` where it is the word that stands for the URI anyway."""
    if word == uri and url.endswith(uri):
        return url.removesuffix(uri) or "-", "="
    quoted = quote(uri, safe=":/")
    end = len(url) - len(quoted) if url.endswith(quoted) else url.rfind("/", len("https://")) + 1
    prefix, rest = url[:end], url[end:]
    return ("-", url) if rest in {"-", "="} else (prefix or "-", rest or "-")


EMITTER = Emitter("bash", "sh", "text/x-shellscript; charset=utf-8", lines, "bash {file}")
