"""File names that somebody could fill an archive with, to see what runs them; and the canary that dies if one does.

Every fragment that could run something runs ``canary``. `canary` puts a program of that name on the PATH, which
writes down that it was run, and how.
"""

import random
from collections.abc import Iterator
from pathlib import Path

COMPONENT_BYTES = 255

_RUN = (
    "canary", "$(canary)", "`canary`", ";canary;", "|canary|", "&canary&", "&&canary", "||canary", "\ncanary\n",
    "';canary;'", '";canary;"', "\\';canary;#", '\\";canary;#', "'\ncanary\n'", "\nEOF\ncanary\n", "\nEND\ncanary\n",
    "$(canary>canary_fell)", ">canary_fell", "<(canary)", "${x:-$(canary)}", "$((`canary`))", "a[$(canary)]",
    "*'$(canary)'", '"$(canary)"', "')\ncanary\n('", "'; canary; echo '", "\r\ncanary\r\n", "#\ncanary", "\\\ncanary",
    '__import__("os").system("canary")', "'+__import__('os').system('canary')+'",
    '"""+__import__("os").system("canary")+"""',
    "{__import__('os').system('canary')}", "\\x27;canary;", "\\u0027;canary;", "'@\ncanary\n@'", "`;canary",
    "$(& canary)",
    "@(canary)", "%(canary)s", "!canary", "!!", "}\ncanary\n{", "]]>canary", "<script>canary()</script>",
    "-exec canary {} ;",
)  # fmt: skip
_STRANGE = (
    "'", '"', "`", "$", "\\", "\n", "\r", "\t", "\x01", "\x07", "\x1b[31m", "\x1b]0;x\x07", "\x7f", "\x85", " ", "  ",
    "*", "?", "[a-z]", "[!a]", "{a,b}", "~", "~root", "!", "#", "%", "%s%n", "%00", "%2e%2e%2f", "\\n", "\\0", "\\c",
    "$HOME", "$0", "$$", "${IFS}", "$'\\n'", ":", ";", "&", "|", "<", ">", "=", "+", ",", "@", "^", "(", ")", "{", "}",
    "é", "e\u0301", "ß", "星", "🔭", "\u202e", "\u200f", "\u2066", "\u2028", "\u2029", "\ufeff", "\u00a0", "\u200b",
    "\u2215", "\uff07", "\ue000", "\U000e0041", "İ", "ı", "-", "--", "-o", "-K", "-rf", "--output", "..", "...", ". ",
    "url = x\noutput = y", "CON", "NUL.txt", ".part", "MANIFEST.json", "con.fits", "a.fits;1",
)  # fmt: skip
_STARTS = ("", "", "", "-", "--", "-j", "~", "#", " ", ".", "@", "=", "+", "'", '"', "\n", "\\", "*", "!", "%")
_ENDS = ("", "", ".fits", "_cal.fits", ".fits.gz", ".json", " ", "\n", "\\", "'", '"', "`", "$", ".", "\r")


def names(count: int, seed: int) -> Iterator[str]:
    """So many different names of one path component, 1 to 255 bytes, without NUL and ``/``; the fragments first."""
    chance, told = random.Random(seed), {".", ".."}
    plain = [*_RUN, *_STRANGE]
    while count:
        name = plain.pop() if plain else _composed(chance)
        if name not in told and "/" not in name:
            told.add(name)
            count -= 1
            yield name


def _composed(chance: random.Random) -> str:
    middle = [chance.choice(_RUN if chance.random() < 0.5 else _STRANGE) for _ in range(chance.randint(1, 5))]
    name = chance.choice(_STARTS) + "".join(middle) + chance.choice(_ENDS)
    if chance.random() < 0.02:
        name += "n" * COMPONENT_BYTES
    return name.encode()[:COMPONENT_BYTES].decode(errors="ignore").replace("/", "_") or "_"


class Canary:
    """A program called ``canary`` in a folder of its own, which must never run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "canary"
        self.folder.mkdir()
        self._fell = folder / "canary fell"
        program = self.folder / "canary"
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$0 $*" >> "{self._fell}"\n', encoding="ascii")
        program.chmod(0o755)

    @property
    def fell(self) -> str:
        """How it was run; empty while it lives."""
        return self._fell.read_text(errors="replace") if self._fell.exists() else ""
