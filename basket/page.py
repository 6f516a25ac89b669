"""The query string of the Download Manager: the only module that reads it and writes it. Knows no Django.

Every state of the page is one URL, and equal states have equal URLs: parameters come in a fixed order, values
sorted, defaults left out but for `mrp`, whose default is the session's and not the address's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

FACETS: Final = ("category", "type", "ext", "batch", "group")
PLAIN: Final = "/:@,"  # letters that stay as they are in an address
MOST_VALUES: Final = 200
MOST_OPEN: Final = 50
MOST_LETTERS: Final = 255
LEVEL_ROWS: Final = 100  # of a level of the tree, before more are asked for
MOST_ROWS: Final = 200  # of all levels
BOOLEANS: Final = {"1": True, "true": True, "0": False, "false": False}

Get = Callable[[str], list[str]]


class PageError(ValueError):
    """A parameter that cannot be understood: which one, and what would work."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class Filters:
    """Which files are displayed. Values of one facet are alternatives, facets all have to hold; "" means blank.

    `q` is a part of the file name in any case; with `*` in it, a pattern for the whole name; after `-` or `!`
    it hides what it would have shown.
    """

    mrp: bool = True
    category: tuple[str, ...] = ()
    type: tuple[str, ...] = ()
    ext: tuple[str, ...] = ()
    batch: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    q: str = ""

    @classmethod
    def parse(cls, get: Get, *, mrp_default: bool = True) -> Self:
        """From repeated query parameters. Raises PageError."""
        mrp = [value for value in get("mrp") if value]
        return cls(
            mrp=_boolean(mrp[-1]) if mrp else mrp_default,
            q=_text((get("q") or [""])[-1]),
            **{name: _values(name, get(name)) for name in FACETS},
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """From a JSON object, each value alone or in a list. Raises PageError, also for an unknown name."""
        if not isinstance(data, Mapping):
            raise PageError(
                "filters", 'The filters are an object, for example {"mrp": false, "category": ["INFO"]}.'
            )
        unknown = sorted(set(data) - {field.name for field in fields(cls)})
        if unknown:
            known = ", ".join(field.name for field in fields(cls))
            raise PageError(unknown[0], f"There is no filter {unknown[0]!r}; the filters are {known}.")
        return cls.parse(lambda name: [_scalar(name, value) for value in _listed(data.get(name))])

    @property
    def narrowed(self) -> bool:
        """Whether anything but the recommendation restricts."""
        return bool(self.q) or any(getattr(self, name) for name in FACETS)

    def chosen(self, facet: str) -> tuple[str, ...]:
        """The values of a facet that are chosen; none of them means that all pass."""
        if facet == "mrp":
            return ("1",) if self.mrp else ()
        values: tuple[str, ...] = getattr(self, facet)
        return tuple(values)

    def toggled(self, facet: str, value: str) -> Self:
        """The filters after a click on one value of a facet."""
        if facet == "mrp":
            return replace(self, mrp=not self.mrp)
        changes: dict[str, Any] = {facet: tuple(sorted(set(self.chosen(facet)) ^ {value}))}
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows of a long level are shown: from after a cursor ("" is the beginning), so many."""

    after: str = ""
    rows: int = LEVEL_ROWS

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """From its place in the query string; None for what no page wrote."""
        after, _, rows = text.partition(":")
        if (after and _number(after) is None) or (rows and _number(rows) is None):
            return None
        return cls(after, max(1, min(int(rows or LEVEL_ROWS), MOST_ROWS)))

    def __str__(self) -> str:
        return self.after if self.rows == LEVEL_ROWS else f"{self.after}:{self.rows}"


@dataclass(frozen=True, slots=True)
class PageState:
    """The whole state of the page: filters, open nodes of the tree, the file shown, which rows of long levels."""

    filters: Filters = Filters()
    open: tuple[str, ...] = ()
    file: int | None = None
    more: tuple[tuple[str, Window], ...] = ()

    @classmethod
    def parse(cls, get: Get, *, mrp_default: bool = True) -> Self:
        """From the query string. Raises PageError for filters; what is wrong elsewhere is left out."""
        return cls(
            filters=Filters.parse(get, mrp_default=mrp_default),
            open=tuple(dict.fromkeys(path for path in get("open") if path))[-MOST_OPEN:],
            file=_number((get("file") or [""])[-1]),
            more=tuple(_windows(get("more")).items())[-MOST_OPEN:],
        )

    def changed(self, **changes: Any) -> Self:
        """Another state: fields of the page by name, filters by theirs. New filters start every level anew."""
        own = {name: changes.pop(name) for name in ("filters", "open", "file", "more") if name in changes}
        filters = replace(own.pop("filters", self.filters), **changes)
        if filters != self.filters:
            own.setdefault("more", ())
        return replace(self, filters=filters, **own)

    def query(self, **changes: Any) -> str:
        """The canonical query string of this state, or of this state with changes; without the question mark."""
        state = self.changed(**changes) if changes else self
        parts = [_filters_written(state.filters), *(f"open={_quoted(path)}" for path in state.open)]
        parts += [f"more={_quoted(f'{path}@{window}')}" for path, window in state.more]
        parts += [f"file={state.file}"] if state.file is not None else []
        return "&".join(parts)

    __str__ = query

    def toggle(self, facet: str, value: str) -> Self:
        """After a click on a facet's value."""
        return self.changed(filters=self.filters.toggled(facet, value))

    def clear_filters(self) -> Self:
        """Without any filter, the recommendation included: every file is displayed."""
        return self.changed(filters=Filters(mrp=False))

    def is_open(self, path: str) -> bool:
        """A node is open when it, or anything below it, was opened."""
        return any(_within(other, path) for other in self.open)

    def opened(self, path: str) -> Self:
        """With this node open; the ones opened first give way when there are too many."""
        kept = [other for other in self.open if other != path]
        return replace(self, open=(*kept, path)[-MOST_OPEN:])

    def closed(self, path: str) -> Self:
        """With this node and everything below it closed; the nodes above it stay open."""
        if not self.is_open(path):
            return self
        kept = tuple(other for other in self.open if not _within(other, path))
        windows = tuple(window for window in self.more if not _within(window[0], path))
        state = replace(self, open=kept, more=windows)
        above = path.rpartition("/")[0]
        return state if not above or state.is_open(above) else state.opened(above)

    def window(self, path: str) -> Window:
        """The rows shown of the level below this node."""
        return dict(self.more).get(path, Window())

    def moved(self, path: str, window: Window) -> Self:
        """With other rows of that level."""
        others = tuple(other for other in self.more if other[0] != path)
        return replace(self, more=others if window == Window() else (*others, (path, window)))


@lru_cache(maxsize=100)
def _filters_written(filters: Filters) -> str:
    """A page writes the same filters into hundreds of addresses."""
    pairs = [("mrp", "1" if filters.mrp else "0")]
    pairs += [(facet, value) for facet in FACETS for value in sorted(set(filters.chosen(facet)))]
    pairs += [("q", filters.q)] if filters.q else []
    return urlencode(pairs, quote_via=quote, safe=PLAIN)


def _quoted(text: str) -> str:
    return quote(text, safe=PLAIN)


def _within(path: str, above: str) -> bool:
    return path == above or path.startswith(f"{above}/")


def _boolean(value: str) -> bool:
    try:
        return BOOLEANS[value.lower()]
    except KeyError:
        raise PageError("mrp", f"mrp is 1 or 0, not {value[:MOST_LETTERS]!r}.") from None


def _text(value: str) -> str:
    text = value.strip()
    if len(text) > MOST_LETTERS:
        raise PageError("q", f"No file name is longer than {MOST_LETTERS} letters; q has {len(text)}.")
    return text


def _values(name: str, values: list[str]) -> tuple[str, ...]:
    distinct = sorted(set(values))
    if len(distinct) > MOST_VALUES:
        raise PageError(name, f"At most {MOST_VALUES} values of {name} can be chosen; these are {len(distinct)}.")
    if any(len(value) > MOST_LETTERS for value in distinct):
        raise PageError(name, f"No value of {name} is longer than {MOST_LETTERS} letters.")
    return tuple(distinct)


def _number(value: str) -> int | None:
    plain = value.isascii() and value.isdigit() and len(value) <= 18
    return int(value) if plain else None


def _windows(values: list[str]) -> dict[str, Window]:
    pairs = ((path, Window.parse(text)) for path, _, text in (value.rpartition("@") for value in values))
    return {path: window for path, window in pairs if window is not None and window != Window()}


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _scalar(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, str | int):
        return str(value)
    raise PageError(name, f"A value of {name} is a text, or a list of texts.")
