"""Programs that open archives, each asked to unpack one below a folder: what people have on their machines."""

import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Unpack = Callable[[Path, Path], object]

ENVIRONMENT = os.environ | {"LC_ALL": "C.UTF-8"}
# Python 3.11 got the filter with 3.11.4; from 3.12 on it warns without.
SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}

JAVA = """
import java.io.*; import java.nio.file.*; import java.util.*; import java.util.zip.*;
public class Unpack {
  public static void main(String[] all) throws Exception {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
    for (String line; (line = lines.readLine()) != null; ) {
      String[] pair = line.split("\\t");
      try (ZipFile zip = new ZipFile(pair[0])) {
        for (Enumeration<? extends ZipEntry> entries = zip.entries(); entries.hasMoreElements(); ) {
          ZipEntry entry = entries.nextElement();
          Path path = Paths.get(pair[1], entry.getName());
          Files.createDirectories(path.getParent());
          try (InputStream in = zip.getInputStream(entry)) { Files.copy(in, path); }
        }
        System.out.println("ok");
      } catch (Exception error) { System.out.println("failed " + error); }
      System.out.flush();
    }
  }
}
"""


class Java:
    """One Java machine that unpacks one zip after another: starting it takes a third of a second."""

    def __init__(self, folder: Path) -> None:
        source = folder / "Unpack.java"
        source.write_text(JAVA, encoding="utf-8")
        self._process = subprocess.Popen(  # noqa: S603  # our own words, no shell
            ["java", "-Dsun.jnu.encoding=UTF-8", "-Dfile.encoding=UTF-8", str(source)],  # noqa: S607  # found on the path
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT, text=True, encoding="utf-8",
        )  # fmt: skip

    def __call__(self, archive: Path, folder: Path) -> None:
        """Unpack one. Raises OSError with Java's words."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{archive}\t{folder}\n")
        self._process.stdin.flush()
        said = self._process.stdout.readline().strip()
        if said != "ok":
            raise OSError(said)

    def close(self) -> None:
        """End the machine."""
        self._process.communicate()


def program(*words: str) -> Unpack:
    """A program of the system; `{archive}` and `{folder}` in its words stand for the two."""

    def unpack(archive: Path, folder: Path) -> None:
        command = [word.format(archive=archive, folder=folder) for word in words]
        subprocess.run(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, check=True)  # noqa: S603

    return unpack


def python_zip(archive: Path, folder: Path) -> None:
    """Python's zipfile."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)  # noqa: S202  # an archive of our own making


def python_tar(archive: Path, folder: Path) -> None:
    """Python's tarfile."""
    with tarfile.open(archive) as opened:
        opened.extractall(folder, **SAFELY)  # noqa: S202  # as above


ZIP: Mapping[str, Unpack] = {
    "python": python_zip,
    "unzip": program("unzip", "-q", "{archive}", "-d", "{folder}"),
    "7z": program("7z", "x", "-bd", "-o{folder}", "{archive}"),
    "bsdtar": program("bsdtar", "-xf", "{archive}", "-C", "{folder}"),
}
TAR: Mapping[str, Unpack] = {
    "python": python_tar,
    "tar": program("tar", "-xf", "{archive}", "-C", "{folder}"),
    "7z": program("7z", "x", "-bd", "-o{folder}", "{archive}"),
    "bsdtar": program("bsdtar", "-xf", "{archive}", "-C", "{folder}"),
}


def found(names: Sequence[str]) -> list[str]:
    """Those of the programs that this machine has; python is always there."""
    return [name for name in names if name == "python" or shutil.which(name)]
