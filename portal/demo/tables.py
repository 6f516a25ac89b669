"""The demo's tables: rows of MAST's columns as ECSV, nulls as nulls."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import astropy.table
import numpy as np

from portal.archives.base import Observation, Product

Table: Any = astropy.table.Table
MaskedColumn: Any = astropy.table.MaskedColumn
TYPES: dict[object, Any] = {str: str, float | None: np.float64, int | None: np.int64, bool | None: np.bool_}


def table(rows: Sequence[Observation] | Sequence[Product]) -> Any:
    """An astropy table with the columns of the rows' class in its order. There must be a row."""
    made = Table()
    for field in fields(rows[0]):
        kind = TYPES[field.type]
        values = [getattr(row, field.name) for row in rows]
        filled = [kind() if value is None else value for value in values]
        made[field.name] = MaskedColumn(filled, dtype=kind, mask=[value is None for value in values])
    return made


def write(rows: Sequence[Observation] | Sequence[Product], path: Path) -> None:
    """The table as an ECSV file."""
    table(rows).write(path, format="ascii.ecsv", overwrite=True)
