"""The Python download script: the program of `retrieval.scripts.onefile` in one file, and the plan behind it.

The plan is JSON in ASCII, one value a line, each line a comment: whatever a name contains, nothing of it is code.
"""

import ast
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from retrieval.scripts import onefile
from retrieval.scripts.entry import Emitter, Entry, Header

_FOLDER = Path(onefile.__file__).parent
_PACKAGE = onefile.__name__
_BEGIN = '''#!/usr/bin/env python3
"""Download files and tell what is missing: python3 THIS_FILE --help. Made by Skybasket, BSD-3-Clause licence."""

from __future__ import annotations

import sys

with open(__file__, "rb") as script:
    script.seek(max(0, script.seek(0, 2) - 40))
    whole = b"\\n#." in script.read()
if not whole:
    sys.stderr.write("This script is cut off: download it again.\\n")
    sys.exit(2)

'''
"""Half of a Python file is often a valid program that does nothing: so the first lines look for the last one."""


def lines(header: Header, entries: Iterable[Entry]) -> Iterator[str]:
    """Yield the script, piece by piece."""
    yield program()
    yield f"\n\n# The plan: one JSON value a line.\n#={_json(_header(header))}\n"
    for entry in entries:
        yield f"#:{_json(_entry(entry))}\n"
    yield f"#.{header.files}\n"


@cache
def program() -> str:
    """The program part: the modules joined, what they import from each other left out."""
    trees = {name: _source(name) for name in onefile.PARTS}
    _check_names(tree for _, tree in trees.values())
    imports = sorted({ast.unparse(node) for _, tree in trees.values() for node in _imports(tree)})
    bodies = "\n\n\n".join(_body(text, tree) for text, tree in trees.values())
    return _BEGIN + "\n".join(imports) + "\n\n\n" + bodies + "\n"


def _source(name: str) -> tuple[str, ast.Module]:
    text = (_FOLDER / f"{name}.py").read_text(encoding="utf-8")
    return text, ast.parse(text)


def _imports(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith((_PACKAGE, "__future__")):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node


def _body(text: str, tree: ast.Module) -> str:
    """Everything behind the imports, headed by what the module is for."""
    last = max(
        (node.end_lineno or 0 for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)), default=0
    )
    rule = "# " + "-" * 77
    title = (ast.get_docstring(tree) or "").splitlines()[0]
    return f"{rule}\n# {title}\n\n" + "\n".join(text.splitlines()[last:]).strip()


def _check_names(trees: Iterable[ast.Module]) -> None:
    """In one file each name may be defined once. Raises ValueError."""
    seen: set[str] = set()
    for tree in trees:
        names = {name for node in tree.body for name in _defined(node)}
        if both := seen & names:
            raise ValueError(f"{_PACKAGE}: defined in two modules: {', '.join(sorted(both))}")
        seen |= names


def _defined(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _header(header: Header) -> dict[str, object]:
    return {
        "name": header.name,
        "origins": header.origins,
        "token_check": header.token_check or "",
        "token_page": header.token_page,
        "user": header.user,
        "files": header.files,
        "protected": header.protected,
        "duplicates": header.duplicates,
        "pack": header.pack or "",
        "source": header.source,
    }


def _entry(entry: Entry) -> list[object]:
    public_on = entry.public_on.isoformat() if entry.public_on else ""
    protected = bool(entry.protected)
    return [entry.url, entry.uri, entry.path, entry.size, entry.sha256, protected, public_on, entry.access]


EMITTER = Emitter("Python", "py", "text/x-python; charset=utf-8", lines)
