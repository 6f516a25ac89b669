"""Filters for common wishes, by name: each is a state of the page, made of the facet values that the basket has.

Which groups a pipeline starts from, and which it ends with, is MAST's product documentation (JWST and HST product
types); what is not raw and not on the way is calibrated.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from basket import signatures
from basket.cube import Cube, fit
from basket.page import FACETS, MOST_VALUES, Filters, PageState

RAW: Final = frozenset({"UNCAL", "RAW", "RAWTAG", "TAG", "COUNTS", "D0M", "D0F"})
ON_THE_WAY: Final = frozenset({"RAMP", "FITOPT", "RATE", "RATEINTS", "DARK", "BSUB", "BSUBINTS", "TRAPSFILLED"})
NEEDED_BESIDE: Final = frozenset({"MSA", "ASN", "POOL", "ASC", "SPT"})
"""What the pipelines read beside the exposures: associations, pools, the shutter configuration, telemetry."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A wish and the state that shows it: `files` of the basket pass."""

    name: str
    label: str
    title: str
    query: str
    active: bool
    files: int


def presets(cube: Cube, state: PageState) -> list[Preset]:
    """Every preset for which the basket has files, as links from this state of the page."""
    present = np.flatnonzero(cube.cells["files"].any(axis=0)).astype(np.uint16)
    table = signatures.table(present)
    kinds = _kinds(table, present)
    found = [
        Preset(
            name=name,
            label=label,
            title=title,
            query=_query(state, filters),
            active=_plain(state.filters) == filters,
            files=_files(cube, table, filters),
        )
        for name, label, title, wanted in WISHES
        if (filters := _filters(kinds, wanted) if wanted else Filters(mrp=True)) is not None
    ]
    return [preset for preset in found if preset.files]


def like(category: str, group: str, ext: str) -> Filters:
    """The filters that show only files of one kind."""
    return Filters(mrp=False, category=(category,), group=(group,), ext=(ext,))


def _kinds(table: signatures.Table, present: NDArray[np.uint16]) -> list[tuple[str, str]]:
    """(category, group) of every signature that the basket has, each once."""
    columns = [table.facets[name] for name in ("category", "group")] if table.facets else []
    found = {tuple(facet.values[facet.codes[number]] for facet in columns) for number in present.tolist()}
    return sorted((one[0], one[1]) for one in found if len(one) == len(("category", "group")))


def _filters(kinds: list[tuple[str, str]], wanted: Callable[[str, str], bool]) -> Filters | None:
    """The filters that let the wanted kinds through; None where there are none, or too many to name."""
    chosen = [kind for kind in kinds if wanted(*kind)]
    categories = tuple(sorted({category for category, _ in chosen}))
    groups = tuple(sorted({group for _, group in chosen}))
    others = {group for category, group in kinds if category in categories} - set(groups)
    if not chosen or len(groups) > MOST_VALUES:
        return None
    return Filters(mrp=False, category=categories, group=groups if others else ())


def _is_raw(category: str, group: str) -> bool:
    return category == "SCIENCE" and group in RAW


def _is_calibrated(category: str, group: str) -> bool:
    return category == "SCIENCE" and group not in RAW | ON_THE_WAY


def _is_for_pipeline(category: str, group: str) -> bool:
    return _is_raw(category, group) or category == "INFO" or group in NEEDED_BESIDE


def _query(state: PageState, filters: Filters) -> str:
    """The state after the click: a search for a name goes on."""
    return state.query(filters=replace(filters, q=state.filters.q))


def _plain(filters: Filters) -> Filters:
    """What is compared with a preset: order and name do not matter."""
    sorted_values: dict[str, Any] = {name: tuple(sorted(filters.chosen(name))) for name in FACETS}
    return replace(filters, q="", **sorted_values)


def _files(cube: Cube, table: signatures.Table, filters: Filters) -> int:
    return cube.sums(fit(table.mask(filters), cube.cells.shape[1]))["files"]


WISHES: Final[tuple[tuple[str, str, str, Callable[[str, str], bool] | None], ...]] = (
    ("recommended", "Recommended", "Minimum Recommended Products", None),
    (
        "rerun",
        "To re-run the pipeline",
        "Uncalibrated exposures and what the pipeline reads beside them: associations, pools, MSA configuration",
        _is_for_pipeline,
    ),
    ("calibrated", "Calibrated", "Science files that need no further calibration", _is_calibrated),
    ("raw", "Raw", "Uncalibrated science files", _is_raw),
    ("previews", "Previews", "Preview images", lambda category, _: category == "PREVIEW"),
)
"""Name, label, title, and which (category, group) is wanted; nothing for what the archive itself recommends."""
