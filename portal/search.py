"""Search the catalogue: by position, by program, by any observation column. The URL is the whole state.

A position matches footprints (s_region) that its circle touches, not their centres: at a radius of 1′ a
search of centres would miss almost every footprint that overlaps.
"""

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from urllib.parse import parse_qs, urlencode

import numpy as np
from django.conf import settings
from django.db.models import Count, ExpressionWrapper, F, FloatField, Q, QuerySet
from django.db.models.expressions import CombinedExpression, OrderBy

from portal import access, coordinates, names
from portal.archives.base import OBSERVATION_COLUMNS
from portal.errors import Problem
from portal.models import Observation
from portal.sky import footprint_of, overlaps_cone, unit_vectors
from portal.sky_query import cone_q

DEFAULT_RADIUS = coordinates.DEFAULT_RADIUS
NUMBERS = {
    name
    for name in OBSERVATION_COLUMNS
    if Observation._meta.get_field(name).get_internal_type() in {"FloatField", "IntegerField", "SmallIntegerField"}
}
NOT_COLUMNS = ("target", "radius", "ra", "dec", "program", "collection", "page", "page_size", "access", "format")
FACET_VALUES = 50
LARGEST = 1e15
ORDER = ("obs_collection", "obs_id", "archive", "obsid")


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched for. Texts are kept as they were typed, so that the form can show them again."""

    target: str = ""
    program: str = ""
    collection: tuple[str, ...] = ()
    access: tuple[str, ...] = ()
    columns: tuple[tuple[str, tuple[str, ...]], ...] = ()
    ra: float | None = None
    dec: float | None = None
    radius: float = DEFAULT_RADIUS
    resolved: str = field(default="", compare=False)

    def __bool__(self) -> bool:
        return bool(self.has_position or self.program or self.collection or self.access or self.columns)

    @property
    def has_position(self) -> bool:
        """Whether a circle on the sky is asked for."""
        return self.ra is not None and self.dec is not None

    def pairs(self) -> list[tuple[str, str]]:
        """Its query parameters in their one order."""
        pairs = [("target", self.target)] if self.target else []
        if self.has_position and not self.target:
            pairs += [("ra", repr(self.ra)), ("dec", repr(self.dec)), ("radius", repr(self.radius))]
        if self.program:
            pairs.append(("program", self.program))
        pairs += [("collection", value) for value in self.collection]
        pairs += [("access", value) for value in self.access]
        pairs += [(name, value) for name, values in self.columns for value in values]
        return pairs

    def query(self, **extra: object) -> str:
        """Its query string, with more parameters such as page."""
        return urlencode([*self.pairs(), *((name, str(value)) for name, value in extra.items())])

    def chosen(self, name: str) -> tuple[str, ...]:
        """The values chosen of one facet."""
        if name in {"collection", "access"}:
            return self.collection if name == "collection" else self.access
        return dict(self.columns).get(name, ())

    def without(self, name: str) -> "Search":
        """The same search without the choice of one facet."""
        return self._with(name, ())

    def toggled(self, name: str, value: str) -> "Search":
        """The same search with one facet value taken in or out."""
        return self._with(name, _toggle(self.chosen(name), value))

    def _with(self, name: str, values: tuple[str, ...]) -> "Search":
        if name == "collection":
            return replace(self, collection=values)
        if name == "access":
            return replace(self, access=values)
        columns = {**dict(self.columns), name: values}
        return replace(self, columns=tuple((key, kept) for key, kept in columns.items() if kept))


def _toggle(values: tuple[str, ...], value: str) -> tuple[str, ...]:
    return tuple(kept for kept in values if kept != value) if value in values else (*values, value)


def parse(get: Callable[[str], list[str]], parameters: Collection[str] = ()) -> Search:
    """A search from repeated query parameters.

    `target` is a name or a position, with `r=` or `radius`; `ra`, `dec` in deg; `program` holds IDs separated by
    commas or spaces; every other name is an observation column. Raises Problem naming the field at fault.
    """
    for name in parameters:
        if any("\x00" in value for value in get(name)):
            raise Problem(f"{name} holds a NUL character, which no text does.", field=name)
    first = {name: (get(name) or [""])[-1].strip() for name in NOT_COLUMNS}
    columns = tuple(
        (name, tuple(get(name))) for name in OBSERVATION_COLUMNS if name in set(parameters) and get(name)
    )
    unknown = sorted(set(parameters) - set(OBSERVATION_COLUMNS) - set(NOT_COLUMNS))
    if unknown:
        raise Problem(
            f"{unknown[0]} is no observation column. Columns are MAST's: {', '.join(OBSERVATION_COLUMNS)}.",
            field=unknown[0],
        )
    search = Search(
        target=first["target"],
        program=first["program"],
        collection=tuple(value for value in get("collection") if value),
        access=tuple(value for value in get("access") if value),
        columns=columns,
    )
    return _placed(search, first)


def parse_query(query: str) -> Search:
    """A search from its query string, as a page hands it on."""
    values = {name: list(kept) for name, kept in parse_qs(query, keep_blank_values=True).items()}
    return parse(lambda name: values.get(name, []), values)


def _placed(search: Search, first: Mapping[str, str]) -> Search:
    try:
        radius = coordinates.parse_radius(first["radius"]) if first["radius"] else None
        if search.target:
            return _at_target(search, radius)
        if first["ra"] or first["dec"]:
            ra, dec = coordinates.parse_ra_dec(first["ra"], first["dec"])
            return replace(search, ra=ra, dec=dec, radius=radius or DEFAULT_RADIUS)
    except coordinates.CoordinateError as error:
        raise Problem(error.message, field=error.field) from error
    return search


def _at_target(search: Search, radius: float | None) -> Search:
    asked = coordinates.parse(search.target, radius=radius or DEFAULT_RADIUS)
    radius = asked.radius
    if asked.ra is not None and asked.dec is not None:
        ra, dec, source = asked.ra, asked.dec, ""
    else:
        found = names.resolve(asked.name or "")
        ra, dec, source = found.ra, found.dec, f"{found.name} = "
    place = f"{ra:.4f}° {dec:+.4f}°"
    origin = f" ({found.origin})" if source else ""
    sentence = f"{source}{place}{origin}, radius {radius_in_words(radius)}"
    return replace(search, ra=ra, dec=dec, radius=radius, resolved=sentence)


def radius_in_words(radius: float) -> str:
    """A radius given in deg, in the unit that reads best."""
    if radius >= 1:
        return f"{radius:g}°"
    return f"{radius * 60:.4g}′" if radius >= 1 / 60 else f"{radius * 3600:.4g}″"


@dataclass(frozen=True, slots=True)
class FacetValue:
    """One value of a facet, the observations that have it, and the search that takes it in or out."""

    value: str
    label: str
    count: int
    active: bool
    query: str


@dataclass(frozen=True, slots=True)
class Facet:
    """A column that narrows a search."""

    name: str
    label: str
    values: list[FacetValue]


FACETS = {
    "collection": ("Mission", "obs_collection"),
    "access": ("Access", "access"),
    "instrument_name": ("Instrument", "instrument_name"),
    "dataproduct_type": ("Product Type", "dataproduct_type"),
    "calib_level": ("Calibration Level", "calib_level"),
    "proposal_id": ("Program", "proposal_id"),
}


@dataclass(frozen=True)
class Results:
    """The observations that match a search at a moment. The circle is tested once, for rows, counts and facets."""

    search: Search
    now: datetime

    @cached_property
    def touched(self) -> list[int] | None:
        """Keys of the observations whose footprint the circle touches; None when no position is asked for."""
        search = self.search
        if search.ra is None or search.dec is None:
            return None
        return _touched(Observation.objects.all(), search.ra, search.dec, search.radius)

    @property
    def observations(self) -> QuerySet[Observation]:
        """Nearest first when a position is asked for, else in mission and name order; `access` is a column."""
        return self._matching(self.search).order_by(*self._order())

    def facets(self) -> list[Facet]:
        """A facet's own choice is left out of its counts, so that its other values show theirs."""
        return [self._facet(name, label, column) for name, (label, column) in FACETS.items()]

    def _matching(self, search: Search) -> QuerySet[Observation]:
        found = Observation.objects.filter(_conditions(search), archive__in=settings.ARCHIVES)
        found = found.annotate(access=access.observation_status_column(self.now))
        if search.access:
            found = found.filter(access__in=search.access)
        return found if self.touched is None else found.filter(pk__in=self.touched)

    def _order(self) -> list[str | OrderBy]:
        if self.search.ra is None or self.search.dec is None:
            return list(ORDER)
        return [OrderBy(_nearness(self.search.ra, self.search.dec), descending=True, nulls_last=True), *ORDER]

    def _facet(self, name: str, label: str, column: str) -> Facet:
        others, chosen = self.search.without(name), self.search.chosen(name)
        counted = self._matching(others).order_by().values_list(column).annotate(n=Count("pk"))
        values = [
            FacetValue(
                value=_plain(value),
                label=_plain(value) or "(none)",
                count=count,
                active=_plain(value) in chosen,
                query=self.search.toggled(name, _plain(value)).query(),
            )
            for value, count in counted.order_by("-n", column)[:FACET_VALUES]
        ]
        return Facet(name, label, values)


def matching(query: str, now: datetime) -> QuerySet[Observation]:
    """The observations that a search page's query string stands for."""
    return Results(parse_query(query), now).observations


def _touched(candidates: QuerySet[Observation], ra: float, dec: float, radius: float) -> list[int]:
    """Keys of the observations whose footprint, exactly, touches the circle."""
    near = candidates.filter(cone_q(ra, dec, radius)).values_list("pk", "s_region", "s_ra", "s_dec")
    keys, footprints = [], []
    for key, region, s_ra, s_dec in near.iterator(chunk_size=5000):
        footprint = footprint_of(region, s_ra, s_dec)
        if footprint is not None:
            keys.append(key)
            footprints.append(footprint)
    inside = np.asarray(overlaps_cone(footprints, ra, dec, radius), dtype=bool)
    return [key for key, touches in zip(keys, inside, strict=True) if touches]


def _nearness(ra: float, dec: float) -> "ExpressionWrapper[CombinedExpression]":
    """The cosine of the distance between the search's centre and the footprint's."""
    x, y, z = (float(part) for part in unit_vectors(ra, dec))
    return ExpressionWrapper(F("x") * x + F("y") * y + F("z") * z, output_field=FloatField())


def _conditions(search: Search) -> Q:
    wanted = Q()
    if search.program:
        wanted &= Q(proposal_id__in=program_ids(search.program))
    if search.collection:
        wanted &= Q(obs_collection__in=search.collection)
    for name, values in search.columns:
        wanted &= _column(name, values)
    return wanted


def program_ids(text: str) -> list[str]:
    """IDs separated by commas, semicolons or spaces; JWST's leading zeros do not count (02609 is 2609)."""
    given = [part for part in re.split(r"[,;\s]+", text) if part]
    if not given:
        raise Problem("Give at least one program ID, for example 2733 or 2733, 1234.", field="program")
    forms = [(part, part.lstrip("0") or part, part.zfill(4), part.zfill(5)) for part in given]
    return sorted({form for spelt in forms for form in spelt})


def _column(name: str, values: tuple[str, ...]) -> Q:
    wanted = Q()
    for value in values:
        wanted |= _number(name, value) if name in NUMBERS else _text(name, value)
    return wanted


def _text(name: str, value: str) -> Q:
    """Whole value, in any case; `*` stands for anything. Columns such as filters hold several, parted by `;`."""
    if name == "mtFlag":
        return Q(mtFlag=value.lower() in {"1", "true", "yes"})
    if not value:
        return Q(**{name: ""})
    pattern = re.escape(value).replace(r"\*", "[^;]*")
    return Q(**{f"{name}__iregex": rf"(^|;)\s*{pattern}\s*(;|$)"})


def _number(name: str, value: str) -> Q:
    """One number, or a range such as 100..200, 100.. or ..200."""
    low, dots, high = value.partition("..")
    if dots:
        above = Q(**{f"{name}__gte": _finite(name, low)}) if low else Q()
        return above & (Q(**{f"{name}__lte": _finite(name, high)}) if high else Q())
    if not value:
        return Q(**{name: None})
    number = _finite(name, value)
    return Q(**{f"{name}__gte": number, f"{name}__lte": number})


def _finite(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not abs(number) < LARGEST:
        message = f"{name}={text[:40]} is neither a number nor a range such as 100..200."
        raise Problem(message, field=name)
    return number


def _plain(value: object) -> str:
    return "" if value is None else str(value)
