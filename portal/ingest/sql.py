"""Short forms for the statements of the ingest, which move whole tables inside PostgreSQL."""

from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection

Parameters = Sequence[Any] | dict[str, Any]


def execute(statement: str, parameters: Parameters = ()) -> int:
    """Run a statement; the number of rows that it touched."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.rowcount)


def number(statement: str, parameters: Parameters = ()) -> int:
    """The one number that a query gives."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        row = cursor.fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def temporary(name: str, query: str, parameters: Parameters = ()) -> int:
    """A temporary table from a query, until the end of the transaction; the number of its rows."""
    execute(f"DROP TABLE IF EXISTS {name}")
    count = execute(f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS {query}", parameters)
    execute(f"ANALYZE {name}")
    return count


def analyze(*tables: str) -> None:
    """Let the planner see how large the tables have become in this transaction: without it joins take minutes."""
    execute(f"ANALYZE {', '.join(tables)}")


def listed(names: Iterable[str], prefix: str = "") -> str:
    """Column names, quoted because MAST's are mixed case, with a table's alias before each."""
    before = f"{prefix}." if prefix else ""
    return ", ".join(f'{before}"{name}"' for name in names)


def numbers(query: str, parameters: Parameters = ()) -> Sequence[int]:
    """The numbers of the one column that a query gives, in 8 bytes each."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(query, parameters)
        return array("q", (row[0] for row in cursor))
