"""Thousands of random bundles, opened by every program that people have: each file's bytes and name must come out.

The members are made up as the archive's are: hostile and Unicode names go through retrieval.paths, sizes from nothing
to beyond 4 GiB (a hole on the disk), from no member at all to more than 65,535.
"""

import hashlib
import random
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from portal.benchmark import Figure
from retrieval.benchmarks import unpackers
from retrieval.benchmarks.unpackers import Unpack
from retrieval.paths import UniquePaths, delivery_path
from retrieval.tarplan import TarPlan
from retrieval.virtual import FileRange, Inline, Member, VirtualArchive
from retrieval.zipplan import ZipPlan

BUNDLES: Final = 10_000
QUICK: Final = 200
MANY_EVERY: Final = 1000
"""One bundle in so many has up to 100,000 members, and one a member beyond 4 GiB."""

HUGE: Final = (1 << 32) + 12_345
SEED: Final = 20_261_125
LETTERS: Final = "abcXYZ019-_. ()[]{}'\"$`;&|<>*?!#%@~^=+,:\\\n\t\x7féßЖ漢字🔭\u202e\u0301ﬁＡ"
WHEN: Final = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a member: `data`, or a hole of `size` bytes."""

    data: bytes
    size: int

    def crc32(self) -> int:
        """CRC-32 of its bytes."""
        return zlib.crc32(self.data) if self.size == len(self.data) else _zeros(self.size)[0]

    def sha256(self) -> str:
        """SHA-256 of its bytes."""
        return hashlib.sha256(self.data).hexdigest() if self.size == len(self.data) else _zeros(self.size)[1]


def figures(*, quick: bool) -> Iterator[Figure]:
    """Files that came out wrong, missing or under another name, of all that were put in; by program and format."""
    count = QUICK if quick else BUNDLES
    with tempfile.TemporaryDirectory(prefix="skybasket-bundles-", dir=_fast()) as name:
        folder = Path(name)
        java = unpackers.Java(folder) if shutil.which("java") else None
        zips = {name: unpackers.ZIP[name] for name in unpackers.found(list(unpackers.ZIP))}
        zips |= {"java": java} if java else {}
        tars = {name: unpackers.TAR[name] for name in unpackers.found(list(unpackers.TAR))}
        yield from _campaign("zip", ZipPlan, zips, count, folder)
        yield from _campaign("tar", TarPlan, tars, count, folder)
        if java:
            java.close()


def _campaign(
    form: str, kind: type[ZipPlan] | type[TarPlan], programs: Mapping[str, Unpack], count: int, folder: Path
) -> Iterator[Figure]:
    wrong, files = dict.fromkeys(programs, 0), 0
    for number in range(count):
        contents = bundle(random.Random(SEED + number), number)  # noqa: S311  # the same ones every time
        files += len(contents)
        for name, bad in opened(kind, contents, programs, folder).items():
            wrong[name] += bad
    note = f"of {files:,} in {count:,} bundles, seed {SEED}"
    for name, bad in wrong.items():
        yield Figure(f"{form}: files that {name} did not bring out right", bad, "= 0", bad == 0, note)


def opened(
    kind: type[ZipPlan] | type[TarPlan],
    contents: Mapping[str, Content],
    programs: Mapping[str, Unpack],
    folder: Path,
) -> dict[str, int]:
    """By program, how many files of one bundle did not come out as they went in."""
    members = [Member(path, one.size, one.crc32()) for path, one in contents.items()]
    plan = kind(members, [Inline("MANIFEST.json", b"{}")], mtime=WHEN)
    archive = written(plan, list(contents.values()), folder / "bundle")
    expected = {path: one.sha256() for path, one in contents.items()}
    expected["MANIFEST.json"] = hashlib.sha256(b"{}").hexdigest()
    return {name: _wrong(unpack, archive, folder / "out", expected) for name, unpack in programs.items()}


def bundle(chance: random.Random, number: int) -> dict[str, Content]:
    """A random bundle: contents by path, every path as a delivery would have it."""
    unique, contents = UniquePaths({"MANIFEST.json"}), dict[str, Content]()
    if number % MANY_EVERY == MANY_EVERY // 2:
        contents["JWST/jw1/huge_uncal.fits"] = Content(b"", HUGE)
    pool = [b"", *(chance.randbytes(chance.randint(0, 20_000)) for _ in range(5))]
    for _ in range(_members(chance, number)):
        path = unique.add(delivery_path(chance.choice(["JWST", "HST", "TESS"]), _name(chance), _name(chance)))
        data = chance.choice(pool)
        contents.setdefault(path, Content(data, len(data)))
    return contents


def written(plan: VirtualArchive, contents: list[Content], path: Path) -> Path:
    """The archive on disk; what is a hole in a member is a hole there."""
    with path.open("wb") as file:
        for piece in plan.segments():
            if not isinstance(piece, FileRange):
                file.write(piece)
            elif contents[piece.index].data:
                file.write(contents[piece.index].data[piece.offset : piece.offset + piece.length])
            else:
                file.seek(piece.length, 1)
    return path


def _members(chance: random.Random, number: int) -> int:
    if number % MANY_EVERY == 1:
        return chance.randint(65_530, 100_000)
    return chance.choice([0, 1, 2, 3, 5, 8, 20, chance.randint(0, 60)])


def _name(chance: random.Random) -> str:
    if chance.random() < 0.5:
        return f"jw{chance.randint(0, 10**7):07}_{chance.choice(['cal', 'UNCAL', 'i2d'])}.fits"
    return "".join(chance.choices(LETTERS, k=chance.choice([1, 5, 30, 120]))) or "x"


def _wrong(unpack: Unpack, archive: Path, out: Path, expected: Mapping[str, str]) -> int:
    out.mkdir()
    try:
        unpack(archive, out)
    except (OSError, subprocess.CalledProcessError):
        return len(expected)
    else:
        came = {path.relative_to(out).as_posix(): _sha256(path) for path in out.rglob("*") if path.is_file()}
        missing = sum(came.get(path) != digest for path, digest in expected.items())
        return missing + len(came.keys() - expected.keys())
    finally:
        shutil.rmtree(out)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _zeros(size: int) -> tuple[int, str]:
    block, crc32, digest = bytes(BLOCK), 0, hashlib.sha256()
    for start in range(0, size, BLOCK):
        part = block[: min(BLOCK, size - start)]
        crc32 = zlib.crc32(part, crc32)
        digest.update(part)
    return crc32, digest.hexdigest()


def _fast() -> str | None:
    """A folder in memory, where there is one: the disk is not what is measured."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
