"""Resolve a target's name to a position without the network: the built-in list, then the catalogue's own names."""

from dataclasses import dataclass
from difflib import get_close_matches

from portal.errors import Problem
from portal.models import Observation
from portal.targets import lookup, names


@dataclass(frozen=True, slots=True)
class Resolved:
    """A named position, ICRS in deg, and who says so."""

    name: str
    ra: float
    dec: float
    origin: str


def resolve(name: str) -> Resolved:
    """The position of a target. Raises Problem with the nearest known names and the other way to search."""
    known = lookup(name)
    if known is not None:
        return Resolved(known.name, known.ra, known.dec, "built-in list")
    placed = Observation.objects.filter(target_name__iexact=name, s_ra__isnull=False, s_dec__isnull=False)
    observed = placed.order_by("pk").first()
    if observed is not None and observed.s_ra is not None and observed.s_dec is not None:
        return Resolved(observed.target_name, observed.s_ra, observed.s_dec, "an observation of that target")
    alike = get_close_matches(name.upper(), [known.upper() for known in names()], n=3, cutoff=0.6)
    hint = f" Did you mean {' or '.join(alike)}?" if alike else ""
    raise Problem(
        f"No target called {name!r} is known here.{hint} "
        "You can give its position instead, for example 18 53 35.1 +33 01 45 r=3m.",
        field="target",
    )
