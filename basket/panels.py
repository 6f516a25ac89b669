"""The four panels of the Download Manager, put together from the engine's answers for one state of the page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from django.urls import reverse

from basket import facets, removal, tree
from basket.details import Details, details
from basket.facets import LABELS, Amount, Facet
from basket.ledger import reading
from basket.models import Basket
from basket.nodes import decode
from basket.page import FACETS, LEVEL_ROWS, MOST_ROWS, PageState, Window
from basket.presets import presets
from basket.sieve import View
from basket.summary import categories, missions
from basket.tree import Level, Node
from portal import access
from portal.access import Guard
from portal.linkages import Linkage, Linked
from portal.tables import FORMATS


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the tree. `query` is the state after a click on its name; `level` what is open below it;
    `observation` is archive:obsid, where the line is one."""

    node: Node
    query: str
    is_open: bool = False
    shown: bool = False
    mark: access.Verdict = access.OK
    level: "Branch | None" = None
    observation: str = ""


@dataclass(frozen=True, slots=True)
class Branch:
    """One level of the tree, and the states that show its first and its next lines. `adds` says that the next ones
    come below those shown, which otherwise give way; `left` how many files they hold, where that is known."""

    path: str
    rows: list[Row]
    first_query: str | None
    next_query: str | None
    adds: bool
    left: int | None


def panels(
    basket: Basket, state: PageState, user: access.User, now: datetime, stream_limit: int
) -> dict[str, Any]:
    """The context of basket/show.html, all of it from one moment of the basket."""
    with reading(basket) as kept:
        view = View(kept, state.filters)
        numbers = facets.numbers_of(view, user, now)
        levels = tree.open_levels_of(view, state)
        deliverable = Amount(
            numbers.selected.files - numbers.denied.files, numbers.selected.bytes - numbers.denied.bytes
        )
        file = None if state.file is None else details(kept, state.file, user, now)
        return {
            "state": state,
            "query": state.query(),
            "pairs": parse_qsl(state.query(q="", more=()), keep_blank_values=True),
            "closed_query": state.query(file=None),
            "filters": state.filters,
            "numbers": numbers,
            "deliverable": deliverable,
            "selected_hidden": numbers.selected.files - numbers.selected_displayed.files,
            "stream_limit": stream_limit,
            "refusal": refusal(numbers.files, numbers.selected.files, deliverable),
            "facets": facets.facets_of(view),
            "tree": branch(levels, "", numbers.displayed.files, state, now),
            "details": file,
            "linkages": [] if file is None else linked(file, state),
            "kind_query": None if file is None else state.query(filters=file.kind),
            "presets": presets(view.cube, state),
            "formats": [(name, written.label) for name, written in FORMATS.items()],
            "removal": removal.last(kept),
            "missions": missions(view),
            "categories": categories(view),
        }


def linked(file: Details, state: PageState) -> list[tuple[Linkage, list[tuple[Linked, str]]]]:
    """The links of the file shown, each with the address it leads to: in this page where the basket holds the file."""
    return [(kind, [(link, _leads_to(link, file, state)) for link in kind.links]) for kind in file.linkages]


def _leads_to(link: Linked, file: Details, state: PageState) -> str:
    if link.address is not None:
        return reverse("observation", args=link.address)
    return f"?{state.query(file=link.product)}#details" if link.product in file.kept else ""


def refusal(files: int, selected: int, deliverable: Amount) -> str:
    """Why nothing can be downloaded now, and what to do; nothing when it can."""
    if not files:
        return "Nothing to download yet: put observations into the basket first."
    if not selected:
        return "Tick files, or press “Select … shown”, to download them."
    if not deliverable.files:
        return "None of the selected files is yours to read now."
    return ""


def branch(levels: Mapping[str, Level], path: str, files: int, state: PageState, now: datetime) -> Branch | None:
    """The level below a node of so many files with everything that is open in it; None when it is closed."""
    level = levels.get(path)
    if level is None:
        return None
    window = state.window(path)
    adds = sum(len(other.nodes) for other in levels.values()) < MOST_ROWS
    more = replace(window, rows=min(len(level.nodes) + LEVEL_ROWS, MOST_ROWS))
    following = more if adds else Window(level.next or "", window.rows)
    return Branch(
        path=path,
        rows=[_row(levels, node, state, now) for node in level.nodes],
        first_query=state.moved(path, Window()).query() if window.after else None,
        next_query=state.moved(path, following).query() if level.next else None,
        adds=adds,
        left=None if window.after else files - sum(node.files for node in level.nodes),
    )


def _row(levels: Mapping[str, Level], node: Node, state: PageState, now: datetime) -> Row:
    if node.kind == "file":
        return Row(node, state.query(file=node.id), shown=node.id == state.file, mark=mark(node, now))
    is_open = state.is_open(node.path)
    after = state.closed(node.path) if is_open else state.opened(node.path)
    return Row(
        node,
        after.query(),
        is_open=is_open,
        level=branch(levels, node.path, node.files, state, now) if is_open else None,
        observation=decode(node.path.split("/")[1]) if node.kind == "observation" else "",
    )


def mark(node: Node, now: datetime) -> access.Verdict:
    """Whether the file is still exclusive, whoever looks at it."""
    return access.judge(Guard(node.dataRights, node.t_obs_release, "", ""), set(), now)


def unknown_values(state: PageState, shown: Iterable[Facet]) -> list[str]:
    """A sentence for each chosen filter value that no file of the basket has."""
    known = {facet.name: {value.value for value in facet.values if value.total} for facet in shown}
    return [
        f"{LABELS[name]} {value or '(none)'}: no file in your basket has it, so nothing is displayed for it."
        for name in FACETS
        for value in state.filters.chosen(name)
        if value not in known.get(name, set())
    ]
