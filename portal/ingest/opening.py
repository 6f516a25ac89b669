"""Opening a table of any format that astropy reads: the content decides, not the ending of the name.

Delimited text is read with the standard library instead (portal.ingest.texts): only so is the true line of each
row known, and a table of any length read in little memory.
"""

import re
import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

import astropy.io.ascii
import astropy.io.votable
import astropy.table
import astropy.units
from astropy.utils.data import get_readable_fileobj

from portal.ingest.columns import Column
from portal.ingest.source import Chunk, Complaint, Source, Unreadable
from portal.ingest.texts import BROKEN, DelimitedText, delimiter_of, header, lines_of_rows

# astropy's interfaces carry no types
Table: Any = astropy.table.Table
ascii_tables: Any = astropy.io.ascii
votables: Any = astropy.io.votable
units: Any = astropy.units

SNIFFED = 1 << 16
BOM = b"\xef\xbb\xbf"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
BINARY = (b"\x89HDF", b"PAR1", b"#ASDF", b"ARROW1")  # HDF5, Parquet, ASDF, Feather: astropy knows which
AS_TEXT = {"*": [ascii_tables.convert_numpy(str)]}
ECSV_DELIMITER = re.compile(rb"(?m)^# delimiter: ['\"]?(.)")


def open_table(path: Path) -> Source:
    """Open a table. Raises Unreadable."""
    head = _head(path)
    if head.startswith(b"SIMPLE  ="):
        return _read(lambda: Table.read(str(path), format="fits", character_as_bytes=False))
    if b"<VOTABLE" in head or head.startswith(b"<?xml"):
        return _read(lambda: _first_votable(path))
    if head.startswith(b"# %ECSV"):
        return _ecsv(path, head)
    if head.startswith(BINARY):
        return _read(lambda: Table.read(str(path)))
    if head.startswith(UTF_16):
        raise Unreadable("it is UTF-16 text. Save it as UTF-8.")
    if head.lstrip().startswith((b"{", b"[")):
        raise Unreadable("it is JSON. Write the table as CSV, ECSV, VOTable or FITS.")
    return _text(path, head)


class AstropyTable:
    """A table that astropy has read, as a Source."""

    doubt = ""

    def __init__(self, table: Any, lines: Sequence[int] = ()) -> None:
        self.table = table
        self.names = list(table.colnames)
        self.total = len(table)
        self.unit = "line" if lines else "row"
        self.places: Sequence[int] = lines or range(1, self.total + 1)

    def chunks(self, columns: Sequence[tuple[str, Column]], rows: int, complain: Complaint) -> Iterator[Chunk]:
        """The cells, as Python's numbers, texts and truth values; None where they are masked."""
        found = [_plain(self.table[name], name, column.unit, complain) for name, column in columns]
        if not any(values is None for values in found):
            for start in range(0, self.total, rows):
                part = slice(start, start + rows)
                yield Chunk(self.places[part], [values[part].tolist() for values in found])


def _plain(values: Any, name: str, unit: str, complain: Complaint) -> Any:
    """A column as an array of one cell per row, in MAST's unit; None, and a complaint, where it cannot be."""
    if getattr(values, "ndim", 1) != 1 or not hasattr(values, "tolist") or values.dtype.kind not in "biufSUO":
        complain(0, f"{name} holds {type(values).__name__} cells. Write one number or text in each.")
        return None
    if values.dtype.kind == "O" and not all(isinstance(cell, Hashable) for cell in values.tolist()):
        complain(0, f"{name} holds arrays. Write one number or text in each cell.")
        return None
    if not unit or getattr(values, "unit", None) in {None, units.Unit(unit)}:
        return values
    try:
        factor = values.unit.to(units.Unit(unit))
    except (units.UnitConversionError, AttributeError):
        complain(0, f"{name} is in {values.unit}, which cannot be turned into {unit}. Write it in {unit}.")
        return None
    return values * factor


def _head(path: Path) -> bytes:
    """The first bytes, decompressed. Raises Unreadable."""
    if path.exists() and not path.is_file():
        raise Unreadable("it is not a file.")
    try:
        with get_readable_fileobj(str(path), encoding="binary") as stream:
            head = bytes(stream.read(SNIFFED)).removeprefix(BOM)
    except BROKEN as error:
        reason = getattr(error, "strerror", None) or error
        raise Unreadable(f"it cannot be read: {reason}.") from error
    if not head.strip():
        raise Unreadable("it is empty.")
    return head


def _read(read: Callable[[], Any], lines: Sequence[int] = ()) -> AstropyTable:
    """Read with astropy; what it merely warns of is ignored, but for a file that has lost its end."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            table = read()
        except Exception as error:  # astropy's readers raise errors of every class on malformed files
            raise Unreadable(f"astropy cannot read it: {_first_line(error)}") from error
    cut = [str(warning.message) for warning in told if "truncated" in str(warning.message)]
    if cut:
        raise Unreadable(f"it has lost its end: {cut[0]} Copy the file again.")
    return AstropyTable(table, lines)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _first_votable(path: Path) -> Any:
    return votables.parse(str(path)).get_first_table().to_table(use_names_over_ids=True)


def _ecsv(path: Path, head: bytes) -> Source:
    """Typed by its own header. Where a cell is not of its column's type, read as text, so that it can be named."""
    found = ECSV_DELIMITER.search(head)
    delimiter = found[1].decode() if found else " "
    try:
        source = _read(lambda: Table.read(str(path), format="ascii.ecsv"))
    except Unreadable as error:
        return DelimitedText(path, delimiter, doubt=str(error))
    return AstropyTable(source.table, lines_of_rows(path, delimiter, source.total))


def _text(path: Path, head: bytes) -> Source:
    """Delimited text; or a form that astropy guesses, when the columns are there but not delimited."""
    delimiter = delimiter_of(path)
    names = {name.lower() for name in header(path, delimiter)} if delimiter else set()
    drawn = head.lstrip().startswith((b"|", b"\\"))  # IPAC and fixed-width tables
    if delimiter and not drawn and ("obs_id" in names or b"obs_id" not in head.lower()):
        return DelimitedText(path, delimiter)
    try:
        return _read(lambda: ascii_tables.read(str(path), fast_reader=False, converters=AS_TEXT))
    except Unreadable:  # forms that declare their types, such as IPAC's, take no converters
        return _read(lambda: ascii_tables.read(str(path)))
