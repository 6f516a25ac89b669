"""Rows of one table that say different things of the same file, listing or observation."""

# ruff: noqa: S608  # names of tables and columns are our own, values are always parameters

from collections.abc import Sequence

from django.db import connection

from portal.ingest.problems import Problems
from portal.ingest.sql import listed

BLANK = frozenset({"", None})


def find(table: str, key: Sequence[str], columns: Sequence[str], what: str, problems: Problems) -> None:
    """Note each row whose `columns` differ from those of the first row with the same `key`.

    `what` is what the key identifies. A blank size says nothing, so it contradicts nothing.
    """
    if not columns:
        return
    with connection.chunked_cursor() as cursor:
        cursor.execute(_query(table, key, columns))
        for place, first, *values in cursor:
            same = f"the same {what} {' '.join(map(str, values[: len(key)]))}"
            mine, others = values[len(key) :][: len(columns)], values[len(key) :][len(columns) :]
            for column, value, other in zip(columns, mine, others, strict=True):
                if value != other and not (column == "size" and None in {value, other}):
                    said = "nothing" if other in BLANK else f"“{other}”"
                    reason = f"contradicts {problems.unit} {first}, which has {said} for {same}. Keep one."
                    problems.add(place, column, "(blank)" if value in BLANK else value, reason)


def _query(table: str, key: Sequence[str], columns: Sequence[str]) -> str:
    """One hash per row finds the few keys worth comparing, without sorting a million wide rows."""
    keys = listed(key)
    exact = f"hash_record_extended(ROW({listed(name for name in columns if name != 'size')}), 0)"
    sizes, known = ("OR min(size) <> max(size)", "size IS NULL,") if "size" in columns else ("", "")
    return f"""
        WITH torn AS (SELECT {keys} FROM {table} GROUP BY {keys} HAVING min({exact}) <> max({exact}) {sizes}),
        suspects AS (SELECT * FROM {table} JOIN torn USING ({keys})),
        first AS (SELECT DISTINCT ON ({keys}) * FROM suspects ORDER BY {keys}, {known} place)
        SELECT s.place, f.place, {listed(key, "s")}, {listed(columns, "s")}, {listed(columns, "f")}
        FROM suspects s JOIN first f USING ({keys}) WHERE s.place <> f.place ORDER BY s.place"""
