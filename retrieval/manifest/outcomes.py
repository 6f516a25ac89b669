"""What is to be told of a delivery: the outcome of every file, the counts of all, and both in words."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime

OUTCOMES = ("delivered", "denied", "failed", "skipped", "pending")

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """One requested file: `path` inside the delivery, `size` in bytes, `access` as MAST's dataRights.

    `sha256` is 64 lower-case hexadecimal digits, or empty where it was never measured; `public_on` is the day on
    which a denied file becomes public. Raises ValueError for an unknown outcome and a malformed sha256.
    """

    uri: str
    path: str
    size: int | None
    sha256: str
    access: str
    outcome: str
    reason: str = ""
    public_on: date | None = None

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"{self.uri}: outcome {self.outcome!r} is not one of {', '.join(OUTCOMES)}")
        if self.sha256 and not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"{self.uri}: sha256 {self.sha256!r} is not 64 lower-case hexadecimal digits")


@dataclass(frozen=True, slots=True)
class Part:
    """That a delivery is part `number` of `of`: `observations` of each part by their names, in order."""

    number: int
    of: int
    observations: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Summary:
    """The delivery as a whole: `name` is ``MAST_<UTC stamp>``, `created` has a time zone, counts are of files.

    `duplicates` were removed before `requested` was counted; `part` where the request was split. Raises ValueError
    if the conservation law does not hold: requested = delivered + denied + failed + skipped + pending.
    """

    name: str
    created: datetime
    user: str
    requested: int
    delivered: int
    denied: int = 0
    failed: int = 0
    skipped: int = 0
    pending: int = 0
    duplicates: int = 0
    part: Part | None = None

    def __post_init__(self) -> None:
        total = sum(getattr(self, outcome) for outcome in OUTCOMES)
        if self.requested != total:
            raise ValueError(f"{self.name}: {self.requested} files requested, but {total} are accounted for")
        if self.created.tzinfo is None:
            raise ValueError(f"{self.name}: created {self.created} has no time zone")

    @classmethod
    def of(
        cls, files: Iterable[FileOutcome], *, name: str, created: datetime, user: str, duplicates: int = 0
    ) -> "Summary":
        """Count the files of a delivery."""
        counts = Counter(file.outcome for file in files)
        return cls.counted(counts, name=name, created=created, user=user, duplicates=duplicates)

    @classmethod
    def counted(
        cls,
        counts: Mapping[str, int],
        *,
        name: str,
        created: datetime,
        user: str,
        duplicates: int = 0,
        part: Part | None = None,
    ) -> "Summary":
        """From how many files have each outcome."""
        delivered, denied, failed, skipped, pending = (counts.get(outcome, 0) for outcome in OUTCOMES)
        return cls(
            name,
            created,
            user,
            sum(counts.values()),
            delivered,
            denied,
            failed,
            skipped,
            pending,
            duplicates,
            part,
        )

    @property
    def complete(self) -> bool:
        """True if every requested file is in the delivery."""
        return self.delivered == self.requested

    @property
    def counts(self) -> dict[str, int]:
        """The numbers by name, as in MANIFEST.json and the API."""
        numbers = [one.name for one in fields(self) if one.name not in {"name", "created", "user", "part"}]
        return {number: getattr(self, number) for number in numbers}

    @property
    def stamp(self) -> str:
        """`created` as ISO 8601 in UTC, to the second."""
        return self.created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def status(file: FileOutcome) -> str:
    """Return what the Status column says: MAST's "OK" and "Not Authorized", and our own for the rest."""
    reason = f": {file.reason}" if file.reason else ""
    match file.outcome:
        case "delivered":
            return "OK"
        case "denied":
            public = f" (becomes public on {file.public_on:%Y-%m-%d})" if file.public_on else ""
            return f"Not Authorized{public}{reason}"
        case other:
            return f"{other.capitalize()}{reason}"


def sentences(summary: Summary) -> list[str]:
    """Return the delivery in words: whether it is complete, the conservation law, the duplicates."""
    missing = summary.requested - summary.delivered
    said = [
        f"Complete: all {_files(summary.requested)} requested are here."
        if summary.complete
        else f"NOT COMPLETE: {missing} of {_files(summary.requested)} requested "
        f"{'is' if missing == 1 else 'are'} not here; the Status column says why."
    ]
    parts = [f"{getattr(summary, one)} {one}" for one in OUTCOMES if one != "pending" or summary.pending]
    said.append(f"{_files(summary.requested)} requested = {' + '.join(parts)}.")
    if summary.part:
        said.append(
            f"This is part {summary.part.number} of {summary.part.of}; what the other parts hold stands below the list."
        )
    if summary.duplicates:
        were = "was" if summary.duplicates == 1 else "were"
        said.append(f"{summary.duplicates} listed more than once {were} counted once.")
    return said


def _files(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"
