"""Paths of the nodes of the files tree, and the way from a path to what it names in a basket.

"" is the basket, then `JWST`, `JWST/local:123`, `JWST/local:123/jw…_nrs1` and, for a file, its primary key below
its exposure or below its observation. A component is percent-encoded where it holds "/" or "%".
"""

from dataclasses import dataclass, replace
from urllib.parse import unquote

import numpy as np

from basket import items
from basket.items import Item
from basket.ledger import items_of
from basket.manifests import rows_of
from basket.models import Basket, ProductManifest
from portal.errors import Problem
from portal.models import Observation


@dataclass(frozen=True, slots=True)
class Place:
    """What a path names. `mission` is its number, `exposure` its place in the manifest, `row` a file's there;
    `exposures` are the names of the item's."""

    path: str
    mission: int | None = None
    item: Item | None = None
    exposures: tuple[str, ...] = ()
    exposure: int | None = None
    row: int | None = None


def encode(text: str) -> str:
    """A component of a path. One of digits only is marked, because a file is told by its number."""
    if is_number(text):
        return f"%{ord(text[0]):02X}{text[1:]}"
    return text.replace("%", "%25").replace("/", "%2F") or "%"


def decode(component: str) -> str:
    """The text that `encode` made a component of."""
    return "" if component == "%" else unquote(component)


def is_number(text: str) -> bool:
    """Plain digits, few enough for a key."""
    return text.isascii() and text.isdigit() and len(text) <= 18


def observation_path(mission: str, observation: Observation) -> str:
    """The path of an observation's node."""
    return f"{encode(mission)}/{encode(f'{observation.archive}:{observation.obsid}')}"


def unknown(path: str) -> Problem:
    """The answer to a path that leads nowhere (404)."""
    return Problem(
        f"There is no {path[:200]!r} in your basket: it may have been removed in another tab.",
        field="path",
        code="not_found",
        status=404,
    )


def locate(basket: Basket, path: str) -> Place:
    """What the path names in the basket. Raises Problem (404)."""
    if not path:
        return Place(path)
    components = path.split("/")
    name = decode(components[0])
    if "\0" in unquote(path) or len(components) > 4 or name not in basket.missions:
        raise unknown(path)
    mission = basket.missions.index(name)
    if len(components) == 1:
        if not basket.per_mission[mission][0]:
            raise unknown(path)
        return Place(path, mission)
    item = _item(basket, mission, path, components[1])
    exposures = ProductManifest.objects.values_list("exposures", flat=True).get(pk=item.manifest_id)
    place = Place(path, mission, item, tuple(exposures))
    return place if len(components) == 2 else _inside(place, item, components[2:])


def _item(basket: Basket, mission: int, path: str, component: str) -> Item:
    archive, _, obsid = decode(component).partition(":")
    # Two statements by unique keys: joined, the planner may read every item of the basket.
    key = Observation.objects.filter(archive=archive, obsid=obsid).values_list("pk", flat=True).first()
    found = items.read(items_of(basket).filter(observation=key, mission=mission)) if key is not None else []
    if not found:
        raise unknown(path)
    return found[0]


def _inside(place: Place, item: Item, components: list[str]) -> Place:
    """An exposure, a file below it, or a file of the observation itself."""
    exposure = 0
    if not is_number(components[0]):
        name = decode(components.pop(0))
        if name not in place.exposures[1:]:
            raise unknown(place.path)
        exposure = place.exposures.index(name, 1)
    if not components:
        return replace(place, exposure=exposure)
    if len(components) > 1 or not is_number(components[0]):
        raise unknown(place.path)
    return replace(place, exposure=exposure, row=_row(place.path, item, exposure, int(components[0])))


def _row(path: str, item: Item, exposure: int, product: int) -> int:
    rows = rows_of([item.manifest_id])
    found = np.flatnonzero((rows.product == product) & (rows.exposure == exposure))
    if not len(found) or rows.unpack_bits([item.excluded])[found[0]]:
        raise unknown(path)
    return int(found[0])
