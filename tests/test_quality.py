"""The tools' verdict on the sources, and the locked requirements against what pyproject.toml asks for."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

CHECKOUT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
SOURCES = ["manage.py", "portal", "basket", "retrieval", "tests"]
LOCKS = ("run", "test", "tools")


def ask(*words: str) -> None:
    """Fail with the tool's words unless it is content."""
    tool = [sys.executable, "-m", *words]
    done = subprocess.run(tool, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def text(name: str) -> str:
    return (CHECKOUT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")


def locked(name: str) -> dict[str, set[Requirement]]:
    """The pinned requirements by package; a package may be pinned twice, for different Pythons."""
    found: dict[str, set[Requirement]] = {}
    for line in re.findall(r"(?m)^([a-z0-9].*?) \\$", text(name)):
        requirement = Requirement(line)
        found.setdefault(canonicalize_name(requirement.name), set()).add(requirement)
    return found


def here(requirements: set[Requirement]) -> list[Version]:
    """The versions that this Python installs."""
    return [
        Version(next(iter(pinned.specifier)).version)
        for pinned in requirements
        if pinned.marker is None or pinned.marker.evaluate()
    ]


def applies(requirement: Requirement, extras: set[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""})


def asked(name: str) -> list[Requirement]:
    """What pyproject.toml asks for, for that list."""
    words = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["embedded"]]
    if name == "test":
        words += PROJECT["dependency-groups"]["test"]
    return [Requirement(word) for word in words]


def needed(waiting: list[Requirement]) -> Iterator[Requirement]:
    """These requirements and, by what the installed packages say of themselves, everything below them."""
    seen: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        yield requirement
        if str(requirement) not in seen:
            seen.add(str(requirement))
            below = importlib.metadata.requires(requirement.name) or []
            waiting += [found for word in below if applies(found := Requirement(word), requirement.extras)]


def test_ruff_is_content() -> None:
    ask("ruff", "check", *SOURCES)


def test_the_format_is_ruffs() -> None:
    ask("ruff", "format", "--check", *SOURCES)


def test_mypy_is_content() -> None:
    ask("mypy", "--strict", *SOURCES)


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", check=True, dry_run=True, stdout=StringIO())


def test_every_locked_package_has_hashes_and_no_address() -> None:
    entry = re.compile(r"[a-z0-9-]+==\S+[^\n]*\\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+")
    for name in LOCKS:
        assert "://" not in text(name)
        assert [
            block for block in re.split(r"(?m)^(?=\S)", text(name)) if block and not entry.fullmatch(block)
        ] == []


@pytest.mark.parametrize("name", ["run", "test"])
def test_the_locked_packages_are_what_the_project_asks_for(name: str) -> None:
    lock = locked(name)
    for requirement in needed([wanted for wanted in asked(name) if applies(wanted, set())]):
        versions = here(lock.get(canonicalize_name(requirement.name), set()))
        assert versions, f"{requirement} is not in requirements/{name}.txt"
        assert [v for v in versions if requirement.specifier.contains(v, prereleases=True)] == versions, (
            requirement
        )


def test_whoever_tests_has_what_whoever_runs_has() -> None:
    run, test = locked("run"), locked("test")
    assert {package: test.get(package) for package in run} == run
