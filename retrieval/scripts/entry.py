r"""What every download script is made of: a header, and one entry per file. Knows no Django.

An emitter turns (header, entries) into text, piece by piece; `entries` may be a million and are read once, in order.
The executable ones (bash, powershell, python) behave alike; docs/scripts.md tells it to their users.

Command line
    ``--dest DIR``       the folder `Header.name` is made in DIR (default: here), the files in
                         ``DIR/MAST_<stamp>/<MISSION>/<obs_id>/<file>``
    ``-j N``             files at the same time, 1 to 64 (default 4); also ``--jobs N``
    ``--only PATTERN``   files whose path or name matches the shell pattern (``*``, ``?``, ``[…]``; ``*`` crosses
                         ``/``; repeatable, any of them). The rest is not requested by that run: it says
                         ``selected 12 of 407``, and its manifests speak of the 12
    ``--verify``         reads files that lie there already and fetches anew those with another SHA-256; without
                         it a file of the right size is taken as right
    ``--dry-run``        says what would be done, sends and writes nothing; exit 0
    ``--new``            a new folder (``MAST_<stamp>-1``, ``-2``, …) instead of going on in the one that is there;
                         ``--continue`` the opposite. With neither and the folder there: asked on a terminal
                         ("(C)ontinue or (N)ew", default C), else continue
    ``--token-file F``   read the token from F, which only its owner may read (0600 or 0400; wider: exit 2)
    ``--tries N``        attempts per file (default 5); ``--timeout S``: a connection on which nothing came for
                         S seconds is broken (default 60); ``--quiet``; ``--help``
    Environment: MAST_API_TOKEN, MAST_API_TOKEN_FILE (as --token-file), MAST_RETRY_DELAY (seconds before the first
    repetition, default 1; doubled each time, at most 60; a server's Retry-After counts up to 300).

Exit codes
    0 everything delivered (and verified where something is known), 1 something denied, failed or skipped, 2 wrong
    usage or cannot start (no curl, folder not writable, disk full at the start, script cut off or edited), 130 and
    143 on SIGINT and SIGTERM, with the summary printed.

Output
    One line of the law, ``requested 407 = delivered 398 + denied 9 + failed 0 + skipped 0``, on standard output; then
    what is missing, each with its reason; then where the manifests lie. Files that lay there right count as
    delivered, and are told (``12 of them were already here``). MANIFEST.HTML, MANIFEST.json and SHA256SUMS in the
    folder have the shape of `retrieval.manifest`. Only printable characters go to the terminal, the rest as escapes.

Fetching
    * 200 or 206 with the promised bytes is a delivery. `size` and `sha256` decide where they are known; where sha256
      is not, an answer of type text/html or application/json for a file of another kind is refused, and so is a
      body that begins like an HTML page. Nothing refused keeps its bytes, or reaches its final name.
    * Bytes arrive in ``MAST_<stamp>/.parts/<number of the entry>.part``, the answer's ETag or Last-Modified beside
      it; verified, then renamed. A resumed request carries Range and If-Range (a strong ETag, else the date); without
      a validator it resumes only where sha256 is known. ``.parts`` is gone when nothing is missing.
    * Repeated: no answer, cut off, 408, 425, 429, 500, 502, 503, 504, wrong length, wrong bytes (from the start).
      Denied: 401, 403. Failed at once: everything else, such as 404, 410.
    * Redirects: at most 5, to http and https only.

Token
    Asked for only where `Header.protected` > 0. Sent as ``Authorization: token …`` and only with requests for
    entries that are `protected`, to `Header.token_check` or to a URL whose scheme, host and port are in
    `Header.origins`; never after a redirect to elsewhere. Tested against `token_check` before the first byte (refused
    with 401: asked again on a terminal, else exit 2) and again after a 401 in mid-run: if it is dead, protected files
    are denied from then on without asking. Without a token protected files are asked for plainly: they may be public
    by now.

Packs
    `Header.pack`, where not None, takes small files together: POST, ``application/x-www-form-urlencoded``, ``uri``
    repeated (at most 1000, together at most 64 MiB by `Entry.size`), the token as above if any is protected; only
    for entries of known size whose URL has the origin of `pack`. The answer is a tar (``application/x-tar``, exact
    Content-Length, no compression) of regular files named by their place in the request: ``0``, ``1``, … A file that
    cannot be had now is left out; a pack that cannot finish is cut. Every member is checked as if it had come alone;
    what did not come right is fetched alone, so that the server says why. 404, 405, 413 or 501: no more packs.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

PACK_FILES = 1000
PACK_BYTES = 64 * 1024 * 1024
PACKED_BELOW = 4 * 1024 * 1024
"""A file of more bytes travels better alone: it resumes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file. `url` is absolute and percent-encoded ASCII; `path` is ``<MISSION>/<obs_id>/<file>``, as in bundles.

    `size` in bytes, None where unknown; `sha256` 64 lower-case hexadecimal digits, or empty; `protected`: its
    bytes need a token; `public_on`: the day on which they no longer will; `access` as MAST's dataRights.
    """

    url: str
    uri: str
    path: str
    size: int | None = None
    sha256: str = ""
    protected: bool = False
    public_on: date | None = None
    access: str = "PUBLIC"


@dataclass(frozen=True, slots=True)
class Header:
    """The plan as a whole. `name` is the folder (the script is `<name>.sh`), `created` in UTC, counts of files.

    `origins` are ``scheme://host:port`` (port always given) to which the token may go; `token_check` a URL that
    answers 200 or 401 to a token; `bytes` of the files of known size, `unknown_sizes` how many are not;
    `protected` how many need a token; `duplicates` were removed before `files` was counted; `pack` as above;
    `source` is what made the script, `token_page` where a person gets a token.
    """

    name: str
    created: datetime
    origins: tuple[str, ...]
    token_check: str | None
    user: str
    files: int
    bytes: int
    unknown_sizes: int
    protected: int
    duplicates: int
    pack: str | None = None
    source: str = "Skybasket"
    token_page: str = ""


@dataclass(frozen=True, slots=True)
class Emitter:
    """One kind of script or list: `extension` without the dot, `lines` the text in pieces, line ends included.

    `run` is the command that a person types to use it, with ``{file}`` for its name; blank for what is only read.
    """

    label: str
    extension: str
    content_type: str
    lines: Callable[[Header, Iterable[Entry]], Iterator[str]]
    run: str = ""
