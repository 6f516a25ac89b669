"""One page of search results, as people see it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from portal import access
from portal.archives.base import MRP
from portal.models import Membership, Observation
from portal.search import Facet, Results

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Row:
    """One observation: how it is marked, and what a click on "download recommended" would bring (bytes)."""

    observation: Observation
    access: str
    public_on: date | None
    recommended_files: int
    recommended_bytes: int
    readable: bool

    @property
    def key(self) -> str:
        """How forms name it: archive:obsid."""
        return f"{self.observation.archive}:{self.observation.obsid}"


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search."""

    count: int
    rows: list[Row]
    facets: list[Facet]
    resolved: str
    query: str
    page: int
    pages: int
    first: int
    last: int
    previous: str | None
    next: str | None


def page_of(results: Results, number: int, user: access.User, size: int = PAGE_SIZE) -> Found:
    """Page `number`, counted from 1; a number past the end is the last page."""
    observations = results.observations
    count = observations.count()
    pages = max(1, -(-count // size))
    page = min(max(1, number), pages)
    start = (page - 1) * size
    rows = rows_of(results, observations[start : start + size], user)
    search = results.search
    return Found(
        count=count,
        rows=rows,
        facets=results.facets(),
        resolved=search.resolved,
        query=search.query(),
        page=page,
        pages=pages,
        first=start + 1 if count else 0,
        last=start + len(rows),
        previous=search.query(page=page - 1) if page > 1 else None,
        next=search.query(page=page + 1) if page < pages else None,
    )


def rows_of(results: Results, observations: Iterable[Observation], user: access.User) -> list[Row]:
    """Rows with their marks and the size of their recommended products."""
    shown = list(observations)
    granted = access.granted_programs(user, results.now)
    recommended = _recommended([observation.pk for observation in shown])
    rows = []
    for observation in shown:
        mark, public_on = access.observation_status(observation, results.now)
        files, size = recommended.get(observation.pk, (0, 0))
        program = (observation.obs_collection, observation.proposal_id)
        readable = mark == "public" or (mark == "exclusive" and program in granted)
        rows.append(Row(observation, mark, public_on, files, size, readable))
    return rows


def _recommended(keys: list[int]) -> dict[int, tuple[int, int]]:
    """Distinct minimum recommended files, and their bytes, per observation."""
    listed = Membership.objects.filter(observation__in=keys, productGroupDescription=MRP)
    totals: dict[int, tuple[int, int]] = {}
    for key, _, size in listed.values_list("observation", "product", "product__size").distinct():
        files, total = totals.get(key, (0, 0))
        totals[key] = (files + 1, total + (size or 0))
    return totals
