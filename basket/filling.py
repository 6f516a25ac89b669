"""Putting observations into a basket, each file counted once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from basket.carrying import carry, present_items, take_back
from basket.following import rebase
from basket.ledger import Ledger, writing
from basket.manifests import Manifest, manifests_for
from basket.models import Basket

AT_ONCE: Final = 500  # observations in one transaction


@dataclass(frozen=True, slots=True)
class Added:
    """What adding did: `files` came into the basket, `rows` listed them, `duplicates` of the rows were repeats."""

    added: int = 0
    already: int = 0
    files: int = 0
    rows: int = 0
    duplicates: int = 0

    def __add__(self, other: "Added") -> "Added":
        return Added(
            self.added + other.added,
            self.already + other.already,
            self.files + other.files,
            self.rows + other.rows,
            self.duplicates + other.duplicates,
        )


def add_observations(basket: Basket, observation_pks: Iterable[int]) -> Added:
    """Add observations in this order. One that is in the basket already gets back those of its files that are in
    no item, because somebody took them out. One that does not exist is left out."""
    rebase(basket)
    manifests = list(manifests_for(observation_pks).values())
    done = Added()
    for start in range(0, len(manifests), AT_ONCE):
        with writing(basket) as ledger:
            done += put_in(ledger, manifests[start : start + AT_ONCE])
    return done


def put_in(ledger: Ledger, manifests: Sequence[Manifest]) -> Added:
    """The same for a basket that is being written, with the manifests of the observations."""
    present = present_items(ledger, [manifest.observation_id for manifest in manifests])
    new = [manifest for manifest in manifests if manifest.observation_id not in present]
    before = len(ledger.ids)
    carry(ledger, new)
    came = len(ledger.ids) - before
    take_back(ledger, list(present.values()))
    back = len(ledger.ids) - before - came
    rows = sum(manifest.rows for manifest in new)
    return Added(len(new), len(present), came + back, rows + back, rows - came)
