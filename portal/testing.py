"""`test`: finds or installs what the tests need, and runs them all."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from portal.embedded.processes import SOURCES

# Debian package: what shows that it, or something as good, is here.
NEEDED = {
    "aria2": ("aria2c",),
    "busybox": ("busybox",),
    "chromium": (os.environ.get("CHROMIUM", "chromium"), "google-chrome"),
    "default-jdk-headless": ("jar",),
    "fonts-dejavu-core": ("/usr/share/fonts/truetype/dejavu",),
    "gawk": ("gawk",),
    "libarchive-tools": ("bsdtar",),
    "memcached": ("memcached",),
    "nginx-light": ("nginx", "/usr/sbin/nginx"),
    "openssl": ("openssl",),
    "original-awk": ("original-awk",),
    "p7zip-full": ("7z",),
    "postgresql": ("/usr/lib/postgresql",),
    "redis-server": ("redis-server",),
    "shellcheck": ("shellcheck",),
    "swift-account": ("swift-account-server",),
    "swift-container": ("swift-container-server",),
    "swift-object": ("swift-object-server",),
    "swift-proxy": ("swift-proxy-server",),
    "unzip": ("unzip",),
}


def main(arguments: Sequence[str]) -> NoReturn:
    """Become pytest, with its own arguments; the wheels serve where PostgreSQL or Redis cannot be installed."""
    if not (SOURCES / "tests").is_dir() or not (SOURCES / "manage.py").is_file():
        sys.exit("skybasket: the tests are in the sources, not in the installed package.")
    missing = [package for package, signs in NEEDED.items() if not any(map(is_here, signs))]
    if missing:
        install(missing)
    os.chdir(SOURCES)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])  # noqa: S606  # no shell is wanted


def is_here(sign: str) -> bool:
    """A program on the path, or a file."""
    return bool(shutil.which(sign)) or (Path(sign).is_absolute() and Path(sign).exists())


def install(packages: list[str]) -> None:
    """With apt, as root; otherwise say what the tests will do without."""
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        say(f"Not here: {', '.join(packages)}. What needs them is named at the end as not run.")
        return
    say(f"Installing {', '.join(packages)} with apt …")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        done = subprocess.run(  # noqa: S603  # our own words, no shell
            [apt, *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            say(f"apt-get {words[0]} failed; what needs {', '.join(packages)} is named at the end as not run.")
            return


def say(line: str) -> None:
    """A line for whoever sits at the terminal, before pytest takes it over."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
