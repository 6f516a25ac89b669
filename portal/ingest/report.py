"""What a load did, in numbers and in plain English."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

# Called with a stage's name, how much of it is done, and how much there is (0: not known)
Progress = Callable[[str, int, int], None]

MOST_NAMED = 20


@dataclass(slots=True)
class Notes:
    """Files worth telling of: how many, and the first of them."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Note one more."""
        self.count += 1
        if len(self.first) < MOST_NAMED:
            self.first.append(text)


@dataclass(slots=True)
class Report:
    """What `load_tables` did.

    `rows` of the products table list `files` distinct files; the other rows, `duplicates`, list one of them again.
    Files are added, changed or removed in the catalogue; of those looked for on disk, `linked` have bytes and
    `missing` have none. `measured` files were read (`measured_bytes`), `kept` ones had checksums already.
    `size_differences` are files whose size on disk is not the catalogue's.
    """

    observations_added: int = 0
    observations_updated: int = 0
    observations_unchanged: int = 0
    observations_from_products: int = 0
    rows: int = 0
    files: int = 0
    files_added: int = 0
    files_updated: int = 0
    files_removed: int = 0
    lists_changed: int = 0
    linked: int = 0
    missing: int = 0
    kept: int = 0
    measured: int = 0
    measured_bytes: int = 0
    size_differences: Notes = field(default_factory=Notes)
    refused: Notes = field(default_factory=Notes)
    unreadable: Notes = field(default_factory=Notes)
    ignored: dict[str, list[str]] = field(default_factory=dict)
    observations_table: bool = False
    products_table: bool = False
    looked_for_files: bool = False
    seconds: float = 0.0

    @property
    def duplicates(self) -> int:
        """Rows that list a file which another row lists too."""
        return self.rows - self.files

    def summary(self) -> str:
        """The report for a terminal: one fact a line."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for table, columns in self.ignored.items():
            yield f"{table}: columns ignored: {', '.join(columns)}"
        if self.observations_table:
            yield (
                f"Observations: {self.observations_added:,} added, {self.observations_updated:,} updated, "
                f"{self.observations_unchanged:,} unchanged"
            )
        if self.products_table:
            yield from self._product_lines()
        if self.looked_for_files:
            yield from self._file_lines()
        yield f"Done in {self.seconds:.1f} s"

    def _product_lines(self) -> Iterator[str]:
        yield (
            f"Products: {self.rows:,} rows list {self.files:,} distinct files "
            f"({self.duplicates:,} duplicates): {self.files_added:,} added, {self.files_updated:,} updated, "
            f"{self.files_removed:,} removed"
        )
        yield f"Product lists changed: {self.lists_changed:,}"
        if self.observations_from_products:
            yield (
                f"Observations known from their products alone: {self.observations_from_products:,} "
                "(load their observations table to complete them)"
            )

    def _file_lines(self) -> Iterator[str]:
        yield f"Files: {self.linked:,} with bytes, {self.missing:,} missing (kept as metadata)"
        if self.measured or self.kept:
            computed = f"{self.measured:,} computed ({self.measured_bytes:,} bytes)"
            yield f"Checksums: {computed}, {self.kept:,} known before"
        yield from _named("Size on disk differs from the catalogue", self.size_differences)
        yield from _named("Not linked, because they lie outside or are no files", self.refused)
        yield from _named("Could not be read", self.unreadable)


def _named(title: str, notes: Notes) -> Iterator[str]:
    if notes.count:
        yield f"{title}: {notes.count:,}"
        yield from (f"  {text}" for text in notes.first)
    if notes.count > len(notes.first):
        yield f"  … and {notes.count - len(notes.first):,} more"
