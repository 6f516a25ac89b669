"""The wheel: built, installed into an environment of its own, and it brings its pages along."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.checkouts import CHECKOUT, closed_folder, get, new_site, running, until_ready

WHERE_FILES_ARE = """
import os
os.environ.update(
    DJANGO_SETTINGS_MODULE="portal.settings", SECRET_KEY="x", DATABASE_URL="postgresql:///x", REDIS_URL="redis://x"
)
import django, portal
from django.contrib.staticfiles import finders
from django.template.loader import get_template
django.setup()
print(portal.__file__, get_template("base.html").origin.name, finders.find("skybasket.css"), sep="\\n")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the sources with the build backend that the tests install; nothing is fetched."""
    made = tmp_path_factory.mktemp("wheel")
    with new_site() as site:
        run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", made, cwd=site.checkout)
    (found,) = made.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel in it; its dependencies are those of the environment we are in."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=True)
    (packages,) = (folder / "lib").glob("python*/site-packages")
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel)
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return folder / "bin"


def run(*words: str | Path, cwd: Path | str = "/", home: Path | None = None) -> str:
    """What a program says in an almost empty environment; it has to end well."""
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": str(home or "/nonexistent")}
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_source_template_and_static_file_is_in_the_wheel(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    places = {"templates": "portal/_templates", "static": "portal/_static"}
    for folder in ("portal", "basket", "retrieval", *places):
        for path in (CHECKOUT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                within = path.relative_to(CHECKOUT / folder).as_posix()
                assert f"{places.get(folder, folder)}/{within}" in inside


def test_tests_and_development_files_are_not_in_the_wheel(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"portal", "basket", "retrieval"}


def test_the_installed_command_finds_its_own_templates_and_static_files(installed: Path, tmp_path: Path) -> None:
    found = run(installed / "python", "-c", WHERE_FILES_ARE, home=tmp_path).splitlines()
    assert all(Path(path).is_relative_to(installed.parent) for path in found), found
    assert found[1].endswith("_templates/base.html")
    assert found[2].endswith("_static/skybasket.css")


def test_the_installed_command_answers_without_a_checkout(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "skybasket", "version", home=tmp_path).startswith("Skybasket ")
    assert "--no-demo" in run(installed / "skybasket", "run", "--help", home=tmp_path)
    assert not (tmp_path / ".skybasket").exists()


def test_the_installed_command_runs_with_pages_and_styles(installed: Path) -> None:
    with closed_folder(str(installed / "skybasket")) as site, running(site, "--no-demo", "--port", "0") as process:
        _, address = until_ready(process)
        assert b"<html" in get(address)
        assert get(address + "static/skybasket.css") == (CHECKOUT / "static" / "skybasket.css").read_bytes()
