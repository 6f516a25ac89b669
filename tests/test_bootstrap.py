"""manage.py on a bare Python: what it makes, what it leaves alone, and what it says when it cannot."""

import ast
import importlib.util
import json
import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal import bootstrap
from tests.checkouts import CHECKOUT, Site, new_site, newcomer
from tests.conftest import not_found


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A newcomer's checkout, without an environment."""
    python, account = newcomer()
    with new_site(python, account) as made:
        yield made


@pytest.fixture(scope="module")
def ready(site: Site) -> Site:
    """The same with its environment; two were started at once to make it."""
    both = [site.start("version"), site.start("version")]
    said = [process.communicate()[0] for process in both]
    if any("packages could not be installed" in words for words in said):
        not_found("a package index")
    assert [process.returncode for process in both] == [0, 0], said
    assert "".join(said).count("Making ") == 1
    assert sum("Waiting for another start" in words for words in said) == 1
    return site


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment's place for the functions that are called here."""
    place = tmp_path / "environment"
    monkeypatch.setenv("SKYBASKET_VENV", str(place))
    return place


def test_the_second_start_makes_nothing(ready: Site) -> None:
    status, said = ready.do("version")
    assert status == 0
    assert said.startswith("Skybasket ")
    assert len(said.splitlines()) == 1


def test_the_command_in_the_environment_works_from_anywhere(ready: Site) -> None:
    command = str(ready.checkout / ".venv" / "bin" / "skybasket")
    there = Site(ready.folder, command, ready.account, script=())
    status, said = there.do("version")
    assert (status, said) == ready.do("version")


def test_changed_requirements_are_installed(ready: Site) -> None:
    with (ready.checkout / "requirements" / "run.txt").open("a", encoding="utf-8") as file:
        file.write("# a change\n")
    first, second = ready.do("version"), ready.do("version")
    assert "Installing" in first[1]
    assert "Installing" not in second[1]


def test_a_broken_environment_is_made_again(ready: Site) -> None:
    python = ready.checkout / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to(ready.folder / "a-python-that-was-upgraded")
    status, said = ready.do("version")
    assert status == 0
    assert "Making " in said


def test_a_stranger_s_folder_is_not_replaced(elsewhere: Path) -> None:
    elsewhere.mkdir()
    (elsewhere / "thesis.tex").write_text("chapter 1", encoding="utf-8")
    with pytest.raises(bootstrap.SetUpProblem, match="is in the way"):
        bootstrap.make()
    assert (elsewhere / "thesis.tex").read_text(encoding="utf-8") == "chapter 1"


def test_a_read_only_checkout_names_the_way_out(ready: Site) -> None:
    if ready.account is None and os.geteuid() == 0:
        not_found("an ordinary user")
    stamp, environment = ready.checkout / ".venv" / "skybasket.json", ready.checkout / ".venv"
    kept = stamp.read_bytes()
    stamp.unlink()
    environment.chmod(0o555)
    try:
        status, said = ready.do("version")
    finally:
        environment.chmod(0o755)
        stamp.write_bytes(kept)
    assert status == 1
    assert "SKYBASKET_VENV=~/skybasket-venv" in said


def test_a_python_without_ensurepip_names_the_missing_package(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ensurepip" else find(name))
    monkeypatch.setenv("PATH", str(elsewhere))
    with pytest.raises(bootstrap.SetUpProblem, match=r"apt-get install python3\.\d+-venv"):
        bootstrap.make()


def test_an_old_python_is_told_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer; this is"):
        runpy.run_path(str(CHECKOUT / "manage.py"), run_name="__main__")


def test_an_old_python_can_read_manage_py_at_all() -> None:
    assert ast.parse((CHECKOUT / "manage.py").read_text(encoding="utf-8"), feature_version=(3, 6))


def test_the_bootstrap_needs_the_standard_library_alone() -> None:
    tree = ast.parse((CHECKOUT / "portal" / "bootstrap.py").read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_pip_s_configuration_reaches_uv(ready: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    configuration = tmp_path / "pip.conf"
    configuration.write_text(
        "[global]\nindex-url = https://mirror.example/simple\nextra-index-url =\n    https://a.example/simple\n"
        "    https://b.example/simple\ntrusted-host = mirror.example\n[install]\nno-index = true\n",
        encoding="utf-8",
    )
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels /more-wheels")
    monkeypatch.setenv("UV_INSECURE_HOST", "set-for-uv.example")
    monkeypatch.setenv("SKYBASKET_VENV", str(ready.checkout / ".venv"))
    told = bootstrap.uv_environment()
    assert told["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert told["UV_INDEX"] == "https://a.example/simple https://b.example/simple"
    assert told["UV_FIND_LINKS"] == "/wheels,/more-wheels"
    assert told["UV_NO_INDEX"] == "true"
    assert told["UV_INSECURE_HOST"] == "set-for-uv.example"


def test_the_stamp_of_a_test_environment_serves_run_too(elsewhere: Path) -> None:
    (elsewhere / "bin").mkdir(parents=True)
    (elsewhere / "bin" / "python").symlink_to(sys.executable)
    (elsewhere / "skybasket.json").write_text(json.dumps(bootstrap.wanted("test")), encoding="utf-8")
    assert bootstrap.is_ready("test")
    assert bootstrap.is_ready("run")
    (elsewhere / "skybasket.json").write_text(json.dumps(bootstrap.wanted("run")), encoding="utf-8")
    assert bootstrap.is_ready("run")
    assert not bootstrap.is_ready("test")
