"""The command line, and what the terminal is asked."""

from __future__ import annotations

import argparse
import fnmatch
import math
import os
import re
import sys
from collections.abc import Callable, Sequence


class Options(argparse.Namespace):
    """What the person asked for."""

    dest: str
    jobs: int
    only: list[str]
    verify: bool
    dry_run: bool
    new: bool
    keep: bool
    token_file: str | None
    tries: int
    timeout: float
    quiet: bool


def parsed(words: Sequence[str], name: str, files: int) -> Options:
    """Read the command line; wrong usage ends the program with 2."""
    text = f"Download the {files} files of {name}, go on after failures, and tell exactly what is missing."
    parser = argparse.ArgumentParser(
        description=text,
        epilog="A second run fetches only what is missing. Files with exclusive access need a token: set "
        "MAST_API_TOKEN, or MAST_API_TOKEN_FILE to the name of a file that only you can read, or be asked for it. "
        "Exit status: 0 all delivered, 1 something is missing, 2 could not start, 130 or 143 interrupted.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--dest", metavar="DIR", default=".", help=f"where the folder {name} is made (default: here)")
    add("-j", "--jobs", metavar="N", type=_whole(1, 64), default=4, help="files at the same time, 1 to 64 (4)")
    add("--only", metavar="PATTERN", action="append", default=[], help="only files whose path or name matches, such "
        "as '*_i2d.fits'; may be repeated")  # fmt: skip
    add("--verify", action="store_true", help="check the SHA-256 of files that are here already")
    add("--dry-run", action="store_true", help="say what would be done, and do nothing")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--new", action="store_true", help="use a new folder when there is one already")
    choice.add_argument("--continue", dest="keep", action="store_true", help="go on in the folder that is there")
    add("--token-file", metavar="FILE", help="read the token from this file, which only you can read (chmod 600)")
    add("--tries", metavar="N", type=_whole(1, 1000), default=5, help="attempts per file (5)")
    add(
        "--timeout", metavar="S", type=_seconds, default=60.0, help="seconds of silence that end a connection (60)"
    )
    add("--quiet", action="store_true", help="say only the result and what went wrong")
    return parser.parse_args(_joined(words), namespace=Options())


def _joined(words: Sequence[str]) -> list[str]:
    """``--dest -rf`` as ``--dest=-rf``: a folder may be called anything."""
    found: list[str] = []
    for word in words:
        if found and found[-1] in {"--dest", "--only", "--token-file"}:
            found[-1] += f"={word}"
        else:
            found.append(word)
    return found


def _whole(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,6}", text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return number


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def selector(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return what tells whether a path is wanted: its whole or its last part matches one of the patterns."""
    if not patterns:
        return lambda _path: True
    match = re.compile("|".join(f"(?:{fnmatch.translate(pattern)})" for pattern in patterns)).match
    return lambda path: bool(match(path) or match(path.rpartition("/")[2]))


def at_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()


def chosen_folder(options: Options, name: str) -> str:
    """The folder to work in: the one that is there, or a new one, as the person says."""
    folder = os.path.join(options.dest, name)
    if not os.path.lexists(folder) or options.keep or options.dry_run:
        return folder
    if options.new or (at_terminal() and _asks_for_new(folder)):
        number = 1
        while os.path.lexists(f"{folder}-{number}"):
            number += 1
        return f"{folder}-{number}"
    return folder


def _asks_for_new(folder: str) -> bool:
    while True:
        sys.stderr.write(f"{folder} is here already. (C)ontinue in it or use a (N)ew one? [C] ")
        sys.stderr.flush()
        answer = sys.stdin.readline().strip().lower()
        if answer in {"", "c", "continue"}:
            return False
        if answer in {"n", "new"}:
            return True
