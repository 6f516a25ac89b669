"""The shared cast and the house rules of a test run: people, data beside the checkout, no network."""

import ipaddress
import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from django.contrib.auth.models import User

CHECKOUT = Path(__file__).resolve().parent.parent
LOCAL_NAMES = {"", "localhost", None}


class NetworkForbidden(AssertionError):
    """A test tried to reach something other than this machine."""


def is_local(host: object) -> bool:
    """True for loopback addresses and the names that stand for them."""
    if host in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(str(host).split("%")[0]).is_loopback
    except ValueError:
        return False


def guard(event: str, args: tuple[object, ...]) -> None:
    """Audit hook: it sees every connection that Python makes, whichever library asked for it."""
    if event in {"socket.connect", "socket.sendto"}:
        address = args[1]
        host = address[0] if isinstance(address, tuple) else ""
    elif event == "socket.getaddrinfo":
        host = args[0]
    else:
        return
    if not is_local(host.decode() if isinstance(host, bytes) else host):
        raise NetworkForbidden(f"A test may only talk to this machine, not to {host!r}.")


def pytest_addoption(parser: pytest.Parser) -> None:
    """What takes too long for every day."""
    parser.addoption("--campaign", action="store_true", help="the long form of the tests that have one")


@pytest.fixture(scope="session")
def campaign(request: pytest.FixtureRequest) -> bool:
    """Whether the long form is wanted: ten thousand names, a hundred kills."""
    return bool(request.config.getoption("--campaign"))


def pytest_configure(config: pytest.Config) -> None:
    """Close the network for the rest of the process."""
    sys.addaudithook(guard)


def not_found(what: str) -> NoReturn:
    """Skip by name what needs a missing program; REQUIRE_ALL=1 makes it a failure."""
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"{what} was not found, and REQUIRE_ALL=1 wants everything to run.")
    pytest.skip(f"{what} was not found")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was not run, and why."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section("not run")
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.line(f"{report.nodeid}: {str(reason).removeprefix('Skipped: ')}")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Recorded data that lies beside the checkout and is not part of it."""
    path = CHECKOUT.parent / "shared"
    if not (path / "data").is_dir():
        pytest.skip("the recorded data (../shared) is not here")
    return path


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    """A Chromium to drive: $CHROMIUM, the system's, or the one in Playwright's cache."""
    cache = Path("~/.cache/ms-playwright").expanduser()
    named = [os.environ.get("CHROMIUM"), shutil.which("chromium"), shutil.which("chromium-browser")]
    for candidate in [*named, *sorted(cache.glob("chromium-*/chrome-linux*/chrome"), reverse=True)]:
        if candidate and Path(candidate).is_file():
            return Path(candidate)
    not_found("Chromium")


@pytest.fixture(autouse=True)
def quick_passwords(request: pytest.FixtureRequest) -> None:
    """A cheap hash: the real one is slow on purpose."""
    if "db" in request.fixturenames or request.node.get_closest_marker("django_db"):
        settings = request.getfixturevalue("settings")
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def person(name: str) -> User:
    return User.objects.create_user(name, f"{name}@example.org", f"{name}-password")


@pytest.fixture
def alice(db: None) -> User:
    """A user of the archive; her password is alice-password."""
    return person("alice")


@pytest.fixture
def bob(db: None) -> User:
    """Another user; his password is bob-password."""
    return person("bob")


@pytest.fixture
def charlie(db: None) -> User:
    """A third user; his password is charlie-password."""
    return person("charlie")
