"""The four panels of the Download Manager, put together from the engine's answers for one state of the page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from django.urls import reverse

from basket import facets, removal, tree
from basket.details import Details, details
from basket.facets import LABELS, Amount, Facet
from basket.ledger import cube_of, reading
from basket.models import Basket
from basket.nodes import decode
from basket.page import FACETS, PageState
from basket.presets import presets
from basket.tree import Level, Node
from portal import access
from portal.linkages import Linkage, Linked
from portal.models import Product
from portal.quantities import format_size
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
    """One level of the tree, and the states that show its first and its next lines; `left` tells how many files
    the next lines hold, where that is known."""

    path: str
    rows: list[Row]
    first_query: str | None
    next_query: str | None
    left: int | None


def panels(
    basket: Basket, state: PageState, user: access.User, now: datetime, stream_limit: int
) -> dict[str, Any]:
    """The context of basket/show.html, all of it from one moment of the basket."""
    with reading(basket) as kept:
        numbers = facets.numbers(kept, state.filters, user, now)
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
            "refusal": refusal(numbers.files, numbers.selected.files, deliverable, stream_limit),
            "facets": facets.facets(kept, state.filters),
            "tree": branch(tree.open_levels(kept, state), "", numbers.displayed.files, state, now),
            "details": file,
            "linkages": [] if file is None else linked(file, state),
            "kind_query": None if file is None else state.query(filters=file.kind),
            "presets": presets(cube_of(kept), state),
            "formats": [(name, written.label) for name, written in FORMATS.items()],
            "removal": removal.last(kept),
        }


def linked(file: Details, state: PageState) -> list[tuple[Linkage, list[tuple[Linked, str]]]]:
    """The links of the file shown, each with the address it leads to: in this page where the basket holds the file."""
    return [(kind, [(link, _leads_to(link, file, state)) for link in kind.links]) for kind in file.linkages]


def _leads_to(link: Linked, file: Details, state: PageState) -> str:
    if link.address is not None:
        return reverse("observation", args=link.address)
    return f"?{state.query(file=link.product)}#details" if link.product in file.kept else ""


def refusal(files: int, selected: int, deliverable: Amount, stream_limit: int) -> str:
    """Why nothing can be downloaded now, and what to do; nothing when it can."""
    if not files:
        return "Nothing to download yet: put observations into the basket first."
    if not selected:
        return "Tick files, or press “Select … shown”, to download them."
    if not deliverable.files:
        return "None of the selected files is yours to read now."
    if deliverable.bytes > stream_limit:
        over = format_size(deliverable.bytes - stream_limit)
        return f"That is {over} over the stream limit of {format_size(stream_limit)}: deselect some files."
    return ""


def branch(levels: Mapping[str, Level], path: str, files: int, state: PageState, now: datetime) -> Branch | None:
    """The level below a node of so many files with everything that is open in it; None when it is closed."""
    level = levels.get(path)
    if level is None:
        return None
    window = state.window(path)
    return Branch(
        path=path,
        rows=[_row(levels, node, state, now) for node in level.nodes],
        first_query=state.query(more=_moved(state, path, None)) if window else None,
        next_query=state.query(more=_moved(state, path, level.next)) if level.next else None,
        left=None if window else files - sum(node.files for node in level.nodes),
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
    return access.judge(Product(dataRights=node.dataRights, t_obs_release=node.t_obs_release), set(), now)


def _moved(state: PageState, path: str, cursor: str | None) -> tuple[tuple[str, str], ...]:
    others = tuple(window for window in state.more if window[0] != path)
    return others if cursor is None else (*others, (path, cursor))


def unknown_values(state: PageState, shown: Iterable[Facet]) -> list[str]:
    """A sentence for each chosen filter value that no file of the basket has."""
    known = {facet.name: {value.value for value in facet.values if value.total} for facet in shown}
    return [
        f"{LABELS[name]} {value or '(none)'}: no file in your basket has it, so nothing is displayed for it."
        for name in FACETS
        for value in state.filters.chosen(name)
        if value not in known.get(name, set())
    ]
