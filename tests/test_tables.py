"""Tables on the wire: what astropy reads back is what was written, whatever the values are."""

import io
from typing import Any

import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from portal.tables import FORMATS, Column, Row, Value

COLUMNS = (
    Column("obs_id", str, "", "Observation ID"),
    Column("size", int, "byte"),
    Column("t_min", float, "d"),
    Column("mtFlag", bool),
)
READ = {"csv": "ascii.csv", "ecsv": "ascii.ecsv", "votable": "votable"}
# What CSV and XML can both hold: no controls, no carriage return (XML 2.11 turns it into a newline), and no half
# characters. A blank at either end is no part of a name.
TEXTS = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Cn"]), min_size=1, max_size=30).map(str.strip)
ROWS = st.tuples(
    TEXTS.filter(lambda text: text and "￾" not in text and "￿" not in text),
    st.none() | st.integers(-(2**62), 2**62),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.booleans(),
)


def written(name: str, rows: list[Row], notes: list[tuple[str, str]] | None = None) -> str:
    return "".join(FORMATS[name].lines(COLUMNS, rows, notes or []))


def read(name: str, text: str) -> Any:
    options = {"comment": "#", "converters": {"obs_id": str}} if name == "csv" else {}
    return Table.read(io.BytesIO(text.encode()), format=READ[name], **options)


def values(table: Any) -> list[list[Value]]:
    return [[None if str(value) == "--" else value for value in row.as_void().tolist()] for row in table]


@pytest.mark.parametrize("name", ["ecsv", "votable"])
@given(rows=st.lists(ROWS, min_size=1, max_size=5))
def test_astropy_reads_every_value_back(name: str, rows: list[Row]) -> None:
    table = read(name, written(name, rows))
    assert table.colnames == ["obs_id", "size", "t_min", "mtFlag"]
    for row, found in zip(rows, table, strict=True):
        for column, value in zip(COLUMNS, row, strict=True):
            if value is None:
                assert found[column.name] is not None
                assert table[column.name].mask[found.index]
            else:
                assert found[column.name] == value


def test_units_and_notes_travel_with_the_table() -> None:
    rows: list[Row] = [("jw1", 5, 59000.5, True)]
    notes = [("source", 'https://example.org/?a=1&b="2"')]
    table = read("ecsv", written("ecsv", rows, notes))
    assert str(table["size"].unit) == "byte"
    assert table.meta["source"] == notes[0][1]
    assert 'value="https://example.org/?a=1&amp;b=' in written("votable", rows, notes).replace("'", '"')
    assert written("csv", rows, notes).startswith('# source: https://example.org/?a=1&b="2"\r\n')


def test_csv_keeps_commas_quotes_newlines_and_a_leading_hash() -> None:
    rows: list[Row] = [('a,"b"', 1, None, None), ("#c", None, 0.1, False), ("two\nlines", 2, 1e300, True)]
    table = read("csv", written("csv", rows, [("two\nlines", "of a\nnote")]))
    assert list(table["obs_id"]) == ['a,"b"', "#c", "two\nlines"]
    assert [str(flag) for flag in table["mtFlag"]] == ["--", "false", "true"]
    assert table["t_min"][2] == 1e300


def test_what_xml_cannot_hold_is_left_out_and_the_table_stays_readable() -> None:
    table = read("votable", written("votable", [("a\x00\x0bb]]>&<", 1, 2.0, True)], [("no\x01te", "\x02")]))
    assert table["obs_id"][0] == "ab]]>&<"


@pytest.mark.parametrize("name", FORMATS)
def test_a_table_without_rows_has_its_columns(name: str) -> None:
    assert read(name, written(name, [])).colnames == ["obs_id", "size", "t_min", "mtFlag"]
