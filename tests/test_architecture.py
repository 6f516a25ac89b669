"""The rules of the house (docs/architecture.md), read from the sources."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
APPLICATIONS = ("portal", "basket", "retrieval")
MAY_IMPORT = {
    "portal": {"portal"},
    "basket": {"portal", "basket"},
    "retrieval": {"portal", "basket", "retrieval"},
}
# The outermost layer: it is called by the framework, and by nothing below it.
FACES = {"admin", "api", "api_docs", "api_urls", "commands", "mast_urls", "tasks", "urls", "views"}
# Where a request is at home: the faces, and what stands between the framework and them.
KNOW_REQUESTS = FACES | {"context", "current", "errors", "middleware", "templatetags"}
# What runs before Django knows its applications.
GROUND = tuple(f"portal.{name}" for name in ("bootstrap", "console", "embedded", "env", "supervisor", "testing"))
PURE = (
    "retrieval.zipplan",
    "retrieval.tarplan",
    "retrieval.gzplan",
    "retrieval.virtual",
    "retrieval.crc32",
    "retrieval.compression",
    "retrieval.packing",
    "retrieval.layout.reading",
    "retrieval.layout.writing",
    "retrieval.manifest",
    "basket.page",
    "portal.archives.base",
)
FORBIDDEN_NAMES = {"services", "utils", "helpers", "signals"}
Function = ast.FunctionDef | ast.AsyncFunctionDef

SOURCES = sorted(
    path
    for application in APPLICATIONS
    for path in (CHECKOUT / application).rglob("*.py")
    if "migrations" not in path.parts
)
TEMPLATES = sorted((CHECKOUT / "templates").rglob("*.html"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    """portal/archives/base.py is portal.archives.base, portal/__init__.py is portal."""
    return ".".join(path.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in SOURCES}


@cache
def imports(path: Path) -> frozenset[str]:
    """The modules that a file imports; `from portal import env` is portal.env."""
    package = path.parent.relative_to(CHECKOUT).parts
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            base = ".".join(filter(None, [start, node.module]))
            found |= {f"{base}.{a.name}" if f"{base}.{a.name}" in MODULES else base for a in node.names}
    return frozenset(found)


def reachable(name: str) -> frozenset[str]:
    """Every module that importing this one brings in, as far as the sources tell."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for imported in imports(MODULES[waiting.pop()]) - found:
            found.add(imported)
            waiting += [imported] if imported in MODULES else []
    return frozenset(found)


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


def length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def arguments(function: Function) -> list[ast.arg]:
    """All arguments but a method's first."""
    spec = function.args
    named = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, *filter(None, [spec.vararg, spec.kwarg])]
    return [argument for argument in named if argument.arg not in {"self", "cls"}]


def layers(path: Path) -> set[str]:
    """The words of a module's name: portal/management/commands/run.py is in `commands`."""
    return set(name_of(path).split("."))


def ours(path: Path) -> set[str]:
    """Its imports within the project."""
    return {module for module in imports(path) if module.split(".")[0] in APPLICATIONS}


def quantile(values: list[int], share: float) -> int:
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def breaking(rule: Callable[[Path], object], paths: Iterable[Path] = SOURCES) -> dict[str, object]:
    """What the rule finds in each file, where it finds anything."""
    return {str(path.relative_to(CHECKOUT)): found for path in paths if (found := rule(path))}


def without_comments(template: Path) -> str:
    return re.sub(r"(?s){#.*?#}|{% comment .*?endcomment %}", "", template.read_text(encoding="utf-8"))


def test_there_are_sources_of_all_three_applications() -> None:
    assert {name.split(".")[0] for name in MODULES} == set(APPLICATIONS)
    assert TEMPLATES


def test_imports_run_from_right_to_left() -> None:
    def foreign(path: Path) -> set[str]:
        allowed = MAY_IMPORT[name_of(path).split(".")[0]]
        return {module for module in ours(path) if module.split(".")[0] not in allowed}

    assert breaking(foreign) == {}


def test_nothing_below_a_face_imports_one() -> None:
    def faces(path: Path) -> set[str]:
        return set() if layers(path) & FACES else {m for m in ours(path) if set(m.split(".")) & FACES}

    assert breaking(faces) == {}


def test_models_import_no_activity() -> None:
    allowed = {"portal.models", "basket.models", "retrieval.models", *PURE}
    models = [path for path in SOURCES if path.stem == "models"]
    assert len(models) == len(APPLICATIONS)
    assert breaking(lambda path: ours(path) - allowed, models) == {}


def test_the_ground_knows_no_application() -> None:
    ground = [path for name, path in MODULES.items() if name.startswith(GROUND)]
    assert breaking(lambda path: {m for m in reachable(name_of(path)) if m.endswith(".models")}, ground) == {}


def test_pure_modules_know_no_model() -> None:
    def tables(path: Path) -> set[str]:
        known = reachable(name_of(path))
        return {module for module in known if module.endswith(".models") or module.startswith("django.db")}

    assert breaking(tables, [MODULES[name] for name in PURE if name in MODULES]) == {}


def test_the_virtual_archives_know_no_django() -> None:
    plans = [MODULES[name] for name in ("retrieval.zipplan", "retrieval.tarplan") if name in MODULES]
    foreign = {"django", "rest_framework"}
    assert plans
    assert breaking(lambda path: {m for m in reachable(name_of(path)) if m.split(".")[0] in foreign}, plans) == {}


def test_no_import_inside_a_function() -> None:
    def inner(path: Path) -> list[int]:
        nodes = [node for function in functions(path) for node in ast.walk(function)]
        return [node.lineno for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]

    assert breaking(inner) == {}


def test_nothing_below_a_view_takes_a_request() -> None:
    def takers(path: Path) -> list[str]:
        return [function.name for function in functions(path) if "request" in {a.arg for a in arguments(function)}]

    assert breaking(takers, [path for path in SOURCES if not layers(path) & KNOW_REQUESTS]) == {}


def test_every_argument_and_result_has_a_type() -> None:
    def bare(path: Path) -> list[str]:
        return [f.name for f in functions(path) if not f.returns or not all(a.annotation for a in arguments(f))]

    assert breaking(bare) == {}


def test_there_is_no_drawer_for_everything() -> None:
    assert breaking(lambda path: path.stem in FORBIDDEN_NAMES) == {}


def test_every_module_says_what_it_is_for() -> None:
    def silent(path: Path) -> bool:
        return bool(path.read_text(encoding="utf-8").strip()) and not ast.get_docstring(tree(path))

    assert breaking(silent) == {}


def test_files_are_short() -> None:
    assert breaking(lambda path: lines(path) > 400) == {}
    assert quantile([lines(path) for path in SOURCES], 0.95) <= 300


def test_functions_are_short() -> None:
    assert breaking(lambda path: [function.name for function in functions(path) if length(function) > 60]) == {}
    lengths = [length(function) for path in SOURCES for function in functions(path)]
    assert quantile(lengths, 0.5) <= 9
    assert quantile(lengths, 0.95) <= 40


def test_nothing_is_left_unfinished() -> None:
    words = re.compile(r"\bTODO\b|\bFIXME\b|\bXXX\b|NotImplementedError")
    assert breaking(lambda path: words.findall(path.read_text(encoding="utf-8"))) == {}


def test_a_silenced_type_error_is_named_and_explained() -> None:
    def unexplained(path: Path) -> list[str]:
        silenced = re.findall(r"# type: ignore.*", path.read_text(encoding="utf-8"))
        return [comment for comment in silenced if not re.match(r"# type: ignore\[[a-z, -]+\]  # \w", comment)]

    assert breaking(unexplained) == {}


def test_no_test_is_switched_off() -> None:
    def switches(path: Path) -> set[str]:
        words = {node.attr for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)}
        return words & {"skip", "skipif", "xfail", "importorskip"}

    assert breaking(switches, (CHECKOUT / "tests").glob("test_*.py")) == {}


def test_templates_keep_to_the_strict_policy() -> None:
    inline = re.compile(
        r"(?i)\sstyle\s*=|<style|javascript:|\son[a-z]+\s*=\s*[\"']|hx-on|<script(?![^>]*\ssrc=)[^>]*>"
    )
    assert breaking(lambda path: inline.findall(without_comments(path)), TEMPLATES) == {}


def test_pages_load_nothing_from_elsewhere() -> None:
    foreign = re.compile(
        r"(?i)\ssrc(?:set)?\s*=\s*[\"']\s*(?:https?:)?//|<link[^>]*href\s*=\s*[\"']\s*(?:https?:)?//"
        r"|(?:url\(|@import)\s*[\"']?(?:https?:)?//"
    )
    assets = [*TEMPLATES, *(CHECKOUT / "static").rglob("*.css")]
    assert breaking(lambda path: foreign.findall(without_comments(path)), assets) == {}
