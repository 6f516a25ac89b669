"""Where a file lands below the folder, on Windows too."""

from __future__ import annotations

import os
import re

PARTS_FOLDER = ".parts"
HTML_NAME = "MANIFEST.HTML"
JSON_NAME = "MANIFEST.json"
SUMS_NAME = "SHA256SUMS"

_RESERVED = frozenset(name.lower() for name in (PARTS_FOLDER, HTML_NAME, JSON_NAME, SUMS_NAME))
_FORBIDDEN_IN_WINDOWS = re.compile(r'[\x00-\x1f<>:"|?*\\]|[. ]+\Z')
_DEVICE = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|clock\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3]) *(\..*)?\Z",
    re.IGNORECASE | re.DOTALL,
)


class Unsafe(Exception):
    """A path that leads out of the folder, or onto the program's own files."""


def place(folder: str, path: str) -> str:
    """Return where `path` (with ``/``) lies below `folder`. Raises Unsafe."""
    names = path.split("/")
    if any(name in {"", ".", ".."} or "\0" in name for name in names) or names[0].lower() in _RESERVED:
        raise Unsafe("This name leads out of the folder.")
    if os.name == "nt":
        names = [windows_name(name) for name in names]
    return long_path(os.path.join(folder, *names))


def windows_name(name: str) -> str:
    """The name with what Windows cannot store, or takes for a device, replaced by ``_``."""
    name = _FORBIDDEN_IN_WINDOWS.sub(lambda found: "_" * len(found.group()), name)
    return "_" + name if _DEVICE.match(name) else name


def long_path(path: str) -> str:
    r"""Windows opens paths beyond 260 characters only with ``\\?\`` before them."""
    if os.name != "nt" or path.startswith("\\\\?\\"):
        return path
    path = os.path.abspath(path)
    return "\\\\?\\UNC\\" + path[2:] if path.startswith("\\\\") else "\\\\?\\" + path
