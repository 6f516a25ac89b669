"""A checkout sets itself up: `.venv` beside manage.py with the locked requirements, once; then all runs there.

Standard library alone, as there is nothing else yet. No package index is named here: pip's own configuration
counts, for uv too. SKYBASKET_VENV names another place for the environment, for a checkout that is read-only.
"""

import ast
import fcntl
import hashlib
import importlib
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
# pip's option, and the variable by which uv learns of it.
PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "timeout": "UV_HTTP_TIMEOUT",
}


class SetUpProblem(Exception):
    """The environment cannot be made; the message says why and what to do."""


def folder() -> Path:
    """Where the environment is or will be."""
    chosen = os.environ.get("SKYBASKET_VENV")
    return Path(chosen).expanduser().absolute() if chosen else CHECKOUT / ".venv"


def python() -> Path:
    """The environment's Python."""
    return folder() / "bin" / "python"


def enter_environment() -> None:
    """Return inside the environment: at once when this Python is the environment's, else by starting that one."""
    inside = Path(sys.prefix).resolve() == folder().resolve()
    if inside and ("SKYBASKET_VENV" in os.environ or not stamp().exists()):
        return  # whoever made it by hand, or named it and started it, looks after it
    kind = "test" if {"test", "bench"} & set(sys.argv[1:2]) else "run"
    try:
        if not is_ready(kind):
            with lock():
                if not is_ready(kind):
                    set_up(kind)
        elif inside:
            return
        os.execv(python(), [str(python()), *sys.argv])
    except SetUpProblem as problem:
        sys.exit(f"skybasket: {problem}")
    except OSError as error:
        sys.exit(f"skybasket: {trouble(error)}")


def go_on() -> None:
    """Hand the command line to the program, whose imports exist only inside the environment."""
    importlib.import_module("portal.console").main()


def trouble(error: OSError) -> str:
    """What stands in the way of the environment, and the way round it."""
    return (
        f"{folder()} cannot be used ({error.strerror}: {error.filename}). If another user made it, name a "
        f"place of your own: SKYBASKET_VENV=~/skybasket-venv python3 {sys.argv[0]} …; "
        "if it is broken, remove it: it is made again."
    )


def stamp() -> Path:
    """What the environment was made from, written when it was complete."""
    return folder() / "skybasket.json"


def wanted(kind: str) -> dict[str, str]:
    """The stamp of a complete environment; `test` has everything that `run` has."""
    sources = [CHECKOUT / "pyproject.toml", *(requirements(name) for name in ("tools", kind))]
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    return {"folder": str(folder()), "checkout": str(CHECKOUT), "python": str(python().resolve()), kind: digest}


def requirements(name: str) -> Path:
    """A hash-locked list of packages."""
    return CHECKOUT / "requirements" / f"{name}.txt"


def recorded() -> dict[str, str]:
    """The stamp found; empty when there is none."""
    try:
        return dict(json.loads(stamp().read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def is_ready(kind: str) -> bool:
    """Whether nothing has to be done. Costs the reading of three files."""
    found = recorded()
    return any(wanted(name).items() <= found.items() for name in {kind, "test"}) and python().exists()


@contextmanager
def lock() -> Iterator[None]:
    """Two that start at once take turns; the second finds the environment made."""
    folder().parent.mkdir(parents=True, exist_ok=True)
    path = folder().with_name(f"{folder().name}.lock")
    with path.open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another start that is setting up …")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def set_up(kind: str) -> None:
    """Make or bring up to date the environment, and stamp it."""
    before = recorded()
    stamp().unlink(missing_ok=True)
    moved = any(before.get(name, now) != now for name, now in wanted(kind).items() if name in {"folder", "python"})
    if moved or not works():
        make()
    count = sum(1 for line in requirements(kind).read_text(encoding="utf-8").splitlines() if line[:1].isalnum())
    say(f"Installing {count} packages …")
    install("--require-hashes", "-r", str(requirements("tools")))
    install("--require-hashes", "-r", str(requirements(kind)))
    if folder().is_relative_to(CHECKOUT):
        write_command()
    stamp().write_text(json.dumps(wanted(kind), indent=1), encoding="utf-8")


def write_command() -> None:
    """`.venv/bin/skybasket` does what manage.py does. The checkout is not installed: nothing has to be built."""
    command = folder() / "bin" / "skybasket"
    words = shlex.join([str(python()), str(CHECKOUT / "manage.py")])
    command.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
    command.chmod(0o755)


def works() -> bool:
    """Whether the environment's Python starts and is one that we can use."""
    question = "import sys; sys.exit(sys.version_info < (3, 11))"
    try:
        return run([python(), "-c", question]).returncode == 0
    except FileNotFoundError:
        return False


def make() -> None:
    """A new environment in place of a broken one; nothing else is ever replaced."""
    foreign = not (folder() / "pyvenv.cfg").exists() and any(path.is_file() for path in folder().rglob("*"))
    if foreign or folder().is_symlink():
        raise SetUpProblem(
            f"{folder()} is in the way and is no virtual environment. Move it, or set SKYBASKET_VENV."
        )
    say(f"Making {folder()} (once) …")
    if importlib.util.find_spec("ensurepip") is not None:
        venv.create(folder(), with_pip=True, clear=True, symlinks=True)
    elif uv := runnable_uv():
        run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder()])
    else:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SetUpProblem(
            f"this Python ({sys.executable}) comes without ensurepip, so it cannot make an environment. "
            f"On Debian and Ubuntu: apt-get install python{version}-venv"
        )


def install(*what: str) -> None:
    """Into the environment, with uv where it runs, else with pip."""
    uv = runnable_uv()
    if uv is not None:
        if run([uv, "pip", "install", "--quiet", "--python", python(), *what], uv_environment()).returncode == 0:
            return
        say("uv could not do it; trying pip …")
    if run([python(), "-c", "import pip"], quiet=True).returncode:
        run([python(), "-m", "ensurepip", "--default-pip"], quiet=True)
    pip: list[str | Path] = [python(), "-m", "pip", "install", "--quiet", "--no-input"]
    if run([*pip, *what], {**os.environ, "PIP_USER": "0"}).returncode:
        raise SetUpProblem(
            "the packages could not be installed; pip's reason stands above. Behind a proxy or with an index of "
            "your own, pip's configuration is used: `python3 -m pip config list` shows it."
        )


def runnable_uv() -> str | None:
    """The uv on the path or in the environment, if it starts: a version manager's stub may not."""
    for found in (shutil.which("uv"), str(folder() / "bin" / "uv")):
        try:
            if found and run([found, "--version"], quiet=True).returncode == 0:
                return found
        except OSError:
            continue
    return None


def uv_environment() -> dict[str, str]:
    """What pip is configured to do, in uv's words. What is set for uv itself comes first."""
    options = pip_configuration()
    translated = {
        variable: " ".join(options[name].split()) for name, variable in PIP_TO_UV.items() if name in options
    }
    if "UV_FIND_LINKS" in translated:
        translated["UV_FIND_LINKS"] = translated["UV_FIND_LINKS"].replace(" ", ",")
    # pip takes the best version of all its indexes. The hashes say which file it has to be.
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_PYTHON_DOWNLOADS": "never", **translated, **os.environ}


def pip_configuration() -> dict[str, str]:
    """pip's options by name, from its files and the environment."""
    listed = run([python(), "-m", "pip", "config", "list"], quiet=True).stdout or b""
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listed.decode(errors="replace").splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if section in sections:
            sections[section][option] = str(ast.literal_eval(value))
    return sections["global"] | sections["install"] | sections[":env:"]


def run(
    command: Sequence[str | Path], environment: Mapping[str, str] | None = None, *, quiet: bool = False
) -> "subprocess.CompletedProcess[bytes]":
    """Run a program to its end; `quiet` keeps its words from the terminal."""
    output = subprocess.PIPE if quiet else None
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
    )


def say(line: str) -> None:
    """A line of progress, away from the output of the command that follows."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
