"""Tables on the wire, row by row: CSV as the Portal exports it, ECSV (Astropy Proposal for Enhancement 6) and VOTable
1.4 (IVOA). A million rows are written in bounded memory, and astropy reads each of them back as it was."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape, quoteattr

Value = str | int | float | bool | None
Row = Sequence[Value]

TYPES: Final = {
    str: ("string", "char"),
    int: ("int64", "long"),
    float: ("float64", "double"),
    bool: ("bool", "boolean"),
}
"""By Python type: the datatype of ECSV and of VOTable."""

CONTROLS: Final = {code: None for code in range(32) if code not in {9, 10, 13}}
"""What XML 1.0 cannot hold, even escaped."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, the type of its values, its unit (VOUnits), what it is."""

    name: str
    type: type = str
    unit: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write a table. `lines(columns, rows, notes)`: `notes` are (name, text) pairs about the whole."""

    label: str
    ending: str
    content_type: str
    lines: Callable[[Sequence[Column], Iterable[Row], Sequence[tuple[str, str]]], Iterator[str]]


def csv_lines(columns: Sequence[Column], rows: Iterable[Row], notes: Sequence[tuple[str, str]]) -> Iterator[str]:
    """RFC 4180 after comment lines, as in the Portal's exports; nothing for an unknown value."""
    for name, text in notes:
        yield f"# {_one_line(name)}: {_one_line(text)}\r\n"
    yield ",".join(_cell(column.name) for column in columns) + "\r\n"
    for row in rows:
        yield ",".join(map(_cell, row)) + "\r\n"


def ecsv_lines(columns: Sequence[Column], rows: Iterable[Row], notes: Sequence[tuple[str, str]]) -> Iterator[str]:
    """ECSV 1.0: the header says types and units; an empty text is written "" and an unknown value as nothing."""
    yield "# %ECSV 1.0\n# ---\n# datatype:\n"
    for column in columns:
        parts = {"name": column.name, "datatype": TYPES[column.type][0]}
        parts |= {"unit": column.unit} if column.unit else {}
        parts |= {"description": column.description} if column.description else {}
        yield f"# - {json.dumps(parts)}\n"  # JSON is YAML
    yield f"# meta: {json.dumps(dict(notes))}\n# schema: astropy-2.0\n"
    yield " ".join(_quoted(column.name) for column in columns) + "\n"
    for row in rows:
        yield " ".join('""' if value is None else _ecsv(value) for value in row) + "\n"


def votable_lines(
    columns: Sequence[Column], rows: Iterable[Row], notes: Sequence[tuple[str, str]]
) -> Iterator[str]:
    """A VOTable with one table in TABLEDATA, which any tool reads while it arrives."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">\n<RESOURCE type="results">\n'
    yield '<INFO name="QUERY_STATUS" value="OK"/>\n'
    for name, text in notes:
        yield f"<INFO name={_attribute(name)} value={_attribute(text)}/>\n"
    yield "<TABLE>\n"
    for column in columns:
        yield _field(column)
    yield "<DATA><TABLEDATA>\n"
    for row in rows:
        yield "<TR>" + "".join(f"<TD>{_xml(value)}</TD>" for value in row) + "</TR>\n"
    yield "</TABLEDATA></DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n"


FORMATS: Final = {
    "csv": Format("CSV", "csv", "text/csv; charset=utf-8", csv_lines),
    "ecsv": Format("ECSV", "ecsv", "text/plain; charset=utf-8", ecsv_lines),
    "votable": Format("VOTable", "xml", "application/x-votable+xml; charset=utf-8", votable_lines),
}


def _cell(value: Value) -> str:
    """In quotes where RFC 4180 asks for it, and where a reader might see a comment or drop a blank."""
    text = _plain(value)
    plain = not (set(text) & set(',"\r\n')) and text == text.strip() and not text.startswith("#")
    return text if plain else '"' + text.replace('"', '""') + '"'


def _plain(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def _ecsv(value: Value) -> str:
    if isinstance(value, bool):
        return str(value)
    return _quoted(value) if isinstance(value, str) else _plain(value)


def _quoted(text: str) -> str:
    """In quotes where astropy would take it for something else: blank, a comment, several words or lines."""
    plain = text and not (set(text) & set(" \t\r\n\"'#")) and text.isascii()
    return text if plain else '"' + text.replace('"', '""') + '"'


def _field(column: Column) -> str:
    datatype = TYPES[column.type][1]
    datatype, size = ("unicodeChar", ' arraysize="*"') if datatype == "char" else (datatype, "")
    unit = f" unit={_attribute(column.unit)}" if column.unit else ""
    start = f"<FIELD name={_attribute(column.name)} datatype={quoteattr(datatype)}{size}{unit}"
    if not column.description:
        return start + "/>\n"
    return f"{start}><DESCRIPTION>{_xml(column.description)}</DESCRIPTION></FIELD>\n"


def _xml(value: Value) -> str:
    return escape(_plain(value).translate(CONTROLS)) if isinstance(value, str) else _plain(value)


def _attribute(text: str) -> str:
    return quoteattr(text.translate(CONTROLS))


def _one_line(text: str) -> str:
    return " ".join(text.split())
