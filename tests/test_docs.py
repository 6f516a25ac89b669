"""What the documents promise is there, and what is there is documented."""

import re
import tomllib
from argparse import ArgumentParser
from pathlib import Path

import pytest
from django.core.management import load_command_class

CHECKOUT = Path(__file__).resolve().parent.parent
APPLICATIONS = ("portal", "basket", "retrieval")
COMMANDS = {
    path.stem: application
    for application in APPLICATIONS
    for path in (CHECKOUT / application / "management" / "commands").glob("[a-z]*.py")
}


def document(name: str) -> str:
    return (CHECKOUT / name).read_text(encoding="utf-8")


def rows(name: str) -> dict[str, list[str]]:
    """The rows of a document's tables, by the code in their first cell."""
    found = re.findall(r"(?m)^\| `([^`]+)` \|(.*)\|$", document(name))
    return {key: [cell.strip() for cell in rest.split("|")] for key, rest in found}


def settings_read() -> set[str]:
    """The names of all variables that portal/settings.py reads from the environment."""
    return set(re.findall(r"\benv(?:bool|int|list)?\(\s*\"([A-Z0-9_]+)\"", document("portal/settings.py")))


def options(command: str) -> set[str]:
    """The long options that this command adds to Django's own."""
    parser = ArgumentParser()
    load_command_class(COMMANDS[command], command).add_arguments(parser)  # type: ignore[arg-type]  # Django's subclass
    return {word for action in parser._actions for word in action.option_strings if word.startswith("--")} - {
        "--help"
    }


def test_every_variable_is_documented_and_every_documented_one_is_read() -> None:
    assert settings_read()
    assert set(rows("docs/configuration.md")) == settings_read()


def test_documented_defaults_are_the_settings_defaults() -> None:
    source = document("portal/settings.py")
    for name, (default, *_) in rows("docs/configuration.md").items():
        literal = re.search(
            rf"\benv(?:bool|int|list)?\(\s*\"{name}\", (?:default=)?(?!example)([^f,)]+)\)", source
        )
        if literal:
            written = literal[1].strip().strip('"').replace("_", "")
            assert default.strip("`").lower() == written.lower(), name


def test_every_command_is_documented() -> None:
    assert set(COMMANDS) <= set(rows("docs/commands.md"))


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_option_is_documented_and_every_documented_one_exists(command: str) -> None:
    documented = rows("docs/commands.md")[command][0]
    assert set(re.findall(r"--[a-z][a-z-]*", documented)) == options(command)


def test_every_dependency_says_why_it_is_here() -> None:
    project = tomllib.loads(document("pyproject.toml"))
    asked = [
        *project["project"]["dependencies"],
        *(word for words in project["project"]["optional-dependencies"].values() for word in words),
        *(word for words in project["dependency-groups"].values() for word in words),
        document("requirements/tools.txt").split("=")[0],
    ]
    names = {re.split(r"[^a-z0-9-]", word)[0] for word in asked}
    assert set(rows("docs/dependencies.md")) == names


def test_links_between_the_documents_lead_somewhere() -> None:
    pages = [*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} → {target}"
