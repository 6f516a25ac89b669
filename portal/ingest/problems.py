"""What is wrong with a table: said with file, line, column, value, and what would be right."""

from bisect import insort
from dataclasses import dataclass, field
from pathlib import Path

MOST_SHOWN = 20
LONGEST_VALUE = 60


class TableRefused(Exception):
    """Tables that were not loaded, and why; nothing of the catalogue has changed.

    `problems` are the first of them in the order of the lines, `count` is how many there are.
    """

    def __init__(self, problems: list["Problem"], count: int) -> None:
        self.problems = problems
        self.count = count
        more = [f"… and {count - len(problems):,} more"] if count > len(problems) else []
        super().__init__("\n".join([*map(str, problems), *more]))


@dataclass(frozen=True, order=True, slots=True)
class Problem:
    """One thing wrong. `place` is a line of a text, or a row of a binary table, counted from 1; 0 is the whole."""

    table: str
    place: int
    column: str
    value: str
    reason: str
    unit: str = "line"

    def __str__(self) -> str:
        where = f", {self.unit} {self.place}" if self.place else ""
        what = f", {self.column}" if self.column else ""
        value = f" “{shown(self.value)}”" if self.value else ""
        return f"{self.table}{where}{what}{value}: {self.reason}"


@dataclass(slots=True)
class Problems:
    """The problems of one table. The first ones are kept whatever their number, so that memory stays bounded."""

    path: Path
    unit: str = "line"
    count: int = 0
    first: list[Problem] = field(default_factory=list)

    def add(self, place: int, column: str, value: object, reason: str) -> None:
        """Note a problem; `value` is what the cell holds."""
        self.count += 1
        problem = Problem(self.path.name, place, column, "" if value is None else str(value), reason, self.unit)
        if len(self.first) < MOST_SHOWN or problem < self.first[-1]:
            insort(self.first, problem)
            del self.first[MOST_SHOWN:]


def refuse(*tables: Problems) -> None:
    """Raise TableRefused when there are problems in any of the tables."""
    count = sum(table.count for table in tables)
    if count:
        raise TableRefused([problem for table in tables for problem in table.first][:MOST_SHOWN], count)


def shown(value: str) -> str:
    """A value as it may be printed: nothing that moves a cursor or turns the text round, and not too long."""
    safe = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in value[: LONGEST_VALUE + 1])
    return safe if len(value) <= LONGEST_VALUE else safe[: LONGEST_VALUE - 1] + "…"
