"""Statements whose parameters and rows travel in binary: thousands of blobs and keys, in a twentieth of the time that
it takes to write them out as text. They run on Django's connection, inside its transactions."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from django.db import connection
from django.db.models.expressions import RawSQL
from numpy.typing import NDArray
from psycopg import Cursor
from psycopg.adapt import Dumper
from psycopg.pq import Format

from basket.cube import Blob, Ints

BYTEA, BIGINT, FLOAT8 = 17, 20, 701  # PostgreSQL's numbers of the types
ELEMENTS: Final = {
    "i": (BIGINT, np.dtype([("length", ">i4"), ("value", ">i8")])),
    "f": (FLOAT8, np.dtype([("length", ">i4"), ("value", ">f8")])),
}


class Blobs(list[Blob | None]):
    """Blobs as a parameter, for %b::bytea[]."""


class _Numbers(Dumper):
    """An array of int64 or float64 as an array of PostgreSQL (array_send)."""

    format = Format.BINARY

    def dump(self, obj: NDArray[Any]) -> bytes:
        type_, element = ELEMENTS[obj.dtype.kind]
        elements = np.empty(len(obj), element)
        elements["length"], elements["value"] = 8, obj
        return _shape(type_, len(obj)) + elements.tobytes()


class _Blobs(Dumper):
    """A list of blobs as an array of PostgreSQL (array_send); -1 is the length of NULL."""

    format = Format.BINARY

    def dump(self, obj: Blobs) -> bytes:
        lengths = np.array([-1 if blob is None else len(blob) for blob in obj], ">i4").tobytes()
        parts: list[Blob] = [_shape(BYTEA, len(obj))]
        for place, blob in enumerate(obj):
            parts.append(lengths[4 * place : 4 * place + 4])
            if blob:
                parts.append(blob)
        return b"".join(parts)


def _shape(type_: int, length: int) -> bytes:
    """One dimension that may hold NULL, counted from 1; none for the empty array."""
    return np.array([1, 1, type_, length, 1] if length else [0, 0, type_], ">i4").tobytes()


def longs(values: Iterable[int]) -> Ints:
    """Whole numbers as a parameter, for %b::bigint[]."""
    return np.array(list(values), np.int64)


def write(statement: str, parameters: Sequence[Any]) -> None:
    """Run a statement. Parameters are marked %b."""
    with connection.wrap_database_errors, _cursor() as cursor:
        cursor.execute(statement, parameters)


def rows(statement: str, parameters: Sequence[Any]) -> list[Any]:
    """The rows of a query. Parameters are marked %b."""
    with connection.wrap_database_errors, _cursor() as cursor:
        cursor.execute(statement, parameters, binary=True)
        return cursor.fetchall()


def each(keys: Iterable[int]) -> RawSQL:
    """Keys for a filter with __in: one parameter, however many there are."""
    return RawSQL("SELECT unnest(%s::bigint[])", [list(keys)])


def _cursor() -> "Cursor[Any]":
    connection.ensure_connection()
    cursor: Cursor[Any] = Cursor(connection.connection)
    cursor.adapters.register_dumper(np.ndarray, _Numbers)
    cursor.adapters.register_dumper(Blobs, _Blobs)
    return cursor
