"""Whose a basket is: a person's, or a stranger's who is known by a key that only their browser can show.

What somebody else holds is answered like what never was.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import models
from django.db.models import QuerySet

from portal.errors import Problem

Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True, slots=True)
class Holder:
    """A person by their primary key, or a stranger by their key."""

    owner: int | None = None
    stranger: str = ""

    @property
    def columns(self) -> dict[str, Any]:
        """What a new row of theirs says."""
        return {"owner_id": self.owner, "stranger": self.stranger}

    @property
    def key(self) -> str:
        """The key of the basket that is made when they first put something in. The two kinds cannot meet: a
        stranger's has no colon."""
        return self.stranger if self.owner is None else f"owner:{self.owner}"

    def among(self, rows: QuerySet[Row]) -> QuerySet[Row]:
        """Those of the rows that are theirs."""
        if self.owner is not None:
            return rows.filter(owner=self.owner)
        return rows.filter(owner=None, stranger=self.stranger) if self.stranger else rows.none()


def found(rows: QuerySet[Row], pk: int, what: str) -> Row:
    """The row with that key. Raises Problem (404)."""
    row = rows.filter(pk=pk).first()
    if row is None:
        raise Problem(f"There is no such {what} among yours.", code="not_found", status=404)
    return row


def named(name: str, longest: int, what: str) -> str:
    """A name as it is kept: one line without blanks at its ends. Raises Problem (422) for one that is too long,
    or blank."""
    tidy = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())
    if not tidy:
        raise Problem(f"A name for {what} is missing: type one.", field="name", code="invalid", status=422)
    if len(tidy) > longest:
        told = f"A name for {what} has at most {longest} letters; this one has {len(tidy)}."
        raise Problem(told, field="name", code="invalid", status=422)
    return tidy
