"""Putting a table's rows, cleaned, into a temporary table beside the catalogue, and telling what is wrong.

Values are cleaned column by column, each distinct one once: 332,872 rows of one program have few of them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from django.db import connection

from portal.ingest import sql
from portal.ingest.columns import Column
from portal.ingest.opening import open_table
from portal.ingest.problems import Problems, shown
from portal.ingest.report import Progress
from portal.ingest.source import Chunk, Source, Unreadable
from portal.ingest.values import BadValue, plain

ROWS = 10_000
MOST_REMEMBERED = 200_000
MOST_NAMES = 40

Row = tuple[object, ...]
Matched = list[tuple[str, Column]]
# Given the places of some rows and their clean columns, fills in what they leave out and tells what is wrong
Completion = Callable[[Sequence[int], dict[str, list[object]]], None]


class Bad:
    """What stands for a value that cannot be kept, until its row is told."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


class Cleaned(dict[object, object]):
    """The clean value of each distinct cell of a column."""

    def __init__(self, column: Column) -> None:
        super().__init__()
        self.column = column
        self.bad = False

    def __missing__(self, cell: object) -> object:
        if len(self) >= MOST_REMEMBERED:
            self.clear()
        try:
            value = self.column.clean(cell)
        except BadValue as error:
            self.bad = True
            value = Bad(str(error))
        if self.column.required and value in {"", None}:
            self.bad = True
            value = Bad("is blank. Every row needs a value here.")
        self[cell] = value
        return value


class Staging:
    """One table of observations or products: its columns, and its rows beside the catalogue."""

    def __init__(self, path: Path, kind: str, columns: Sequence[Column]) -> None:
        self.path = path
        self.name = f"incoming_{kind}"
        self.problems = Problems(path)
        self.columns: list[Column] = []
        self.ignored: list[str] = []
        self.rows = 0
        self._known = columns
        self._source: Source | None = None
        self._matched: Matched = []
        self._open()

    def has(self, name: str) -> bool:
        """Whether the table has this column."""
        return any(column.name == name for column in self.columns)

    def fill(self, progress: Progress, complete: Completion | None = None, extra: Sequence[Column] = ()) -> None:
        """Create the temporary table and copy the clean rows; none once a row is bad, but all are looked at."""
        if self._source is None or self.problems.count:
            return
        self.columns += extra
        names = ", ".join(f'"{column.name}"' for column in self.columns)
        self._create()
        with (
            connection.cursor() as cursor,
            cursor.copy(f"COPY {self.name} (place, {names}) FROM STDIN") as copy,
        ):
            for rows in self._clean_chunks(progress, complete):
                for row in rows:
                    copy.write_row(row)
        sql.analyze(self.name)
        if self._source.doubt and not self.problems.count:
            self.problems.add(0, "", "", self._source.doubt)

    def _open(self) -> None:
        try:
            self._source = open_table(self.path)
        except Unreadable as error:
            self.problems.add(0, "", "", str(error))
            return
        self.problems.unit = self._source.unit
        self._matched = match(self._source.names, self._known, self.problems)
        self.columns = [column for _, column in self._matched]
        used = {name for name, _ in self._matched}
        self.ignored = [shown(name) for name in self._source.names if name and name not in used]

    def _create(self) -> None:
        columns = ", ".join(f'"{column.name}" {column.sql}' for column in self.columns)
        sql.execute(f"DROP TABLE IF EXISTS {self.name}")
        sql.execute(f"CREATE TEMPORARY TABLE {self.name} (place bigint, {columns}) ON COMMIT DROP")

    def _clean_chunks(self, progress: Progress, complete: Completion | None) -> Iterator[Iterable[Row]]:
        assert self._source is not None
        memories = [Cleaned(column) for _, column in self._matched]
        for chunk in self._source.chunks(self._matched, ROWS, self._complain):
            cleaned = self._clean(chunk, memories)
            self.rows += len(chunk.places)
            progress(f"Reading {self.path.name}", self.rows, self._source.total)
            if complete:
                complete(chunk.places, cleaned)
            if not self.problems.count:
                yield zip(chunk.places, *(cleaned[column.name] for column in self.columns), strict=True)

    def _clean(self, chunk: Chunk, memories: list[Cleaned]) -> dict[str, list[object]]:
        cleaned = {}
        for memory, cells in zip(memories, chunk.cells, strict=True):
            values = list(map(memory.__getitem__, cells))
            if memory.bad:
                self._tell(memory.column.name, chunk.places, cells, values)
            cleaned[memory.column.name] = values
        return cleaned

    def _tell(self, name: str, places: Sequence[int], cells: Sequence[object], values: list[object]) -> None:
        for place, cell, value in zip(places, cells, values, strict=True):
            if isinstance(value, Bad):
                self.problems.add(place, name, plain(cell), value.reason)

    def _complain(self, place: int, reason: str) -> None:
        self.problems.add(place, "", "", reason)


def match(names: Sequence[str], known: Sequence[Column], problems: Problems) -> Matched:
    """The known columns that a table has, each with its name there; a lone one that differs in case will do."""
    matched = []
    for column in known:
        found = [name for name in names if name == column.name]
        found = found or [name for name in names if name.lower() == column.name.lower()]
        if len(found) > 1:
            problems.add(0, column.name, "", f"there are {len(found)} columns of this name. Keep one of them.")
        elif found:
            matched.append((found[0], column))
    have = {column.name for _, column in matched}
    missing = [column.name for column in known if (column.required or column.wanted) and column.name not in have]
    if missing and not problems.count:
        more = ", …" if len(names) > MOST_NAMES else ""
        there = ", ".join(map(shown, filter(None, names[:MOST_NAMES]))) or "none"
        form = "the columns {} are missing." if len(missing) > 1 else "the column {} is missing."
        problems.add(0, "", "", f"{form.format(', '.join(missing))} The table has: {there}{more}.")
    return matched
