"""What an opened table is to the rest of the ingest: names of columns, and cells in chunks of rows."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from portal.ingest.columns import Column

# Takes the line or row of something wrong, and what is wrong with it
Complaint = Callable[[int, str], None]


class Unreadable(Exception):
    """A file in which no table can be read; the text says why, and what would help."""


class Chunk(NamedTuple):
    """Some rows: the line or row number of each, and for each column that was asked for its cells."""

    places: Sequence[int]
    cells: list[Sequence[object]]


class Source(Protocol):
    """An opened table. `unit` says what places are, `total` is the number of rows where it is known, else 0.

    `doubt` is what astropy found wrong with a text that could nevertheless be split into cells.
    """

    names: list[str]
    unit: str
    total: int
    doubt: str

    def chunks(self, columns: Sequence[tuple[str, Column]], rows: int, complain: Complaint) -> Iterator[Chunk]:
        """The cells of the columns, each with its name in the table, `rows` rows at a time. Raises Unreadable."""
        ...
