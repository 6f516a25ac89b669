"""Where a file lands in a delivery: ``<MISSION>/<obs_id>/<file>``, safe to unpack on every file system.

Names come from whoever fills the archive, so each one is treated as hostile: what Linux, macOS or Windows could
take for a way out of the folder, a device, or nothing at all is replaced by ``_``. Names as MAST gives them
(``+``, ``;``, ``=``, inner spaces, letters of any script in NFC) come out byte for byte as they went in.

Rules: https://learn.microsoft.com/windows/win32/fileio/naming-a-file (Windows), Unicode Standard 3.13 D145
(caseless matching), APPNOTE.TXT 4.4.17 (names in a zip).
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

COMPONENT_BYTES = 255
"""Longest file or folder name, in UTF-8 bytes, that ext4, APFS and NTFS all accept."""

_FORBIDDEN = frozenset('/\\<>:"|?*')
_FORBIDDEN_ASCII = re.compile(r'[\x00-\x1f\x7f/\\<>:"|?*]')
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_TRAILING = re.compile(r"[. ]+\Z")
# Info-ZIP unzip takes this for a VMS version number and drops it: two files would become one.
_VERSION = re.compile(r";(?=[0-9]*\Z)")
_DEVICE = re.compile(r"con|prn|aux|nul|conin\$|conout\$|clock\$|com[0-9]|lpt[0-9]", re.IGNORECASE)
_EXTENSION = re.compile(r"(?<=.)(?:(?:\.[A-Za-z0-9]{1,8})?\.(?:gz|bz2|xz|zst|fz|Z)|\.[A-Za-z0-9]{1,16})\Z")
# Room kept for " (1000000)" so that all the numbered copies of one long name share one stem.
_NUMBER_BYTES = 12


def delivery_path(obs_collection: str, obs_id: str, productFilename: str) -> str:
    """Return ``<obs_collection>/<obs_id>/<productFilename>`` with every part made safe, each one folder deep."""
    return f"{_folder(obs_collection)}/{_folder(obs_id)}/{component(productFilename)}"


def component(name: str) -> str:
    """Return one file or folder name that every file system takes literally; safe names come back unchanged.

    The result is never empty, in NFC, at most 255 UTF-8 bytes, and a fixed point of this function.
    """
    safe = _neutral(name)
    if not unicodedata.normalize("NFKC", safe).strip(". "):
        return "_" * min(max(len(safe), 1), COMPONENT_BYTES)
    safe = _TRAILING.sub(lambda found: "_" * len(found.group()), safe)
    safe = _VERSION.sub("_", safe)
    if _DEVICE.fullmatch(unicodedata.normalize("NFKC", safe.partition(".")[0]).rstrip(" ")):
        safe = "_" + safe
    return _shortened(safe)


_folder = lru_cache(1024)(component)  # a thousand files in a row have the same


def is_unseen(character: str) -> bool:
    """Tell whether a character has no glyph of its own or moves others: controls, bidi, surrogates, line ends."""
    if unicodedata.category(character) in _UNSEEN:
        return True
    code = ord(character)
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def unique_paths(paths: Iterable[str]) -> list[str]:
    """Return the paths with collisions resolved as `UniquePaths` does, in the order given; linear time."""
    unique = UniquePaths()
    return [unique.add(path) for path in paths]


class UniquePaths:
    """Hands out paths that stay apart where case, Unicode normalisation and folders are not told apart.

    The first to ask keeps its path; a later one gets ``name (2).fits``. A folder whose name a file already holds
    becomes ``folder (2)`` for everything in it. The same calls in the same order give the same answers.
    """

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        """`reserved` are files that will be there too, such as the manifests at the root."""
        self._files: set[str] = set()
        self._folders: set[str] = set()
        self._resolved: dict[str, str] = {"": ""}
        self._numbers: dict[str, int] = {}
        for path in reserved:
            self.add(path)

    def add(self, path: str) -> str:
        """Return the path itself, or the nearest free one; `path` is relative, its parts are safe names."""
        parent, _, name = path.rpartition("/")
        wanted = self._resolved_folder(parent) + name
        key = _folded(wanted)
        if key in self._files or key in self._folders:
            wanted = self._numbered(wanted, *split_extension(name))
            key = _folded(wanted)
        self._files.add(key)
        # The caller's own string, so that a million unchanged paths are not held twice.
        return path if wanted == path else wanted

    def _resolved_folder(self, parent: str) -> str:
        known = self._resolved.get(parent)
        if known is not None:
            return known
        asked = actual = ""
        for name in parent.split("/"):
            asked = f"{asked}/{name}" if asked else name
            if asked not in self._resolved:
                self._resolved[asked] = self._claimed_folder(actual, name)
            actual = self._resolved[asked]
        return actual

    def _claimed_folder(self, above: str, name: str) -> str:
        wanted = above + name
        if _folded(wanted) in self._files:
            wanted = self._numbered(wanted, name, "")
        self._folders.add(_folded(wanted))
        return wanted + "/"

    def _numbered(self, wanted: str, stem: str, extension: str) -> str:
        above = wanted[: len(wanted) - len(stem) - len(extension)]
        stem = _cut(stem, COMPONENT_BYTES - _NUMBER_BYTES - len(extension))
        family = _folded(f"{above}{stem}/{extension}")
        number = self._numbers.get(family, 1)
        while True:
            number += 1
            candidate = f"{above}{stem} ({number}){extension}"
            key = _folded(candidate)
            if key not in self._files and key not in self._folders:
                self._numbers[family] = number
                return candidate


def split_extension(name: str) -> tuple[str, str]:
    """Split ``jw_i2d.fits`` into ``jw_i2d`` and ``.fits``, ``a.fits.gz`` into ``a`` and ``.fits.gz``."""
    found = _EXTENSION.search(name)
    return (name[: found.start()], found.group()) if found else (name, "")


def _neutral(name: str) -> str:
    if name.isascii():
        return _FORBIDDEN_ASCII.sub("_", name)
    return "".join("_" if _is_unsafe(one) else one for one in unicodedata.normalize("NFC", name))


def _is_unsafe(character: str) -> bool:
    if character in _FORBIDDEN or is_unseen(character):
        return True
    # Windows maps look-alikes of the slash to the slash when a program asks in its old code page.
    return not character.isascii() and not _FORBIDDEN.isdisjoint(unicodedata.normalize("NFKC", character))


def _shortened(name: str) -> str:
    if len(name) * 4 <= COMPONENT_BYTES or len(name.encode()) <= COMPONENT_BYTES:
        return name
    stem, extension = split_extension(name)
    mark = "~" + hashlib.sha256(name.encode()).hexdigest()[:10]
    return _cut(stem, COMPONENT_BYTES - len(mark) - len(extension)) + mark + extension


def _cut(text: str, limit: int) -> str:
    encoded = text.encode(errors="surrogatepass")
    return text if len(encoded) <= limit else encoded[:limit].decode(errors="ignore")


def _folded(path: str) -> str:
    if path.isascii():
        return path.lower()
    # Upper case in between joins letters that only an upper-casing file system joins (dotless i and I).
    folded = unicodedata.normalize("NFD", path).casefold().upper().casefold()
    return unicodedata.normalize("NFC", folded)
