"""What belongs together: which association a file is part of, what it was made from, what was made from it, and which
observations hold which others (MASTDOCS, "Linkages in the Portal"; JWST data processing stages; HST calibration).

Everything is read off the archive's own rows: who owns a file, who lists it, and the suffix of its name.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.db.models import Count, QuerySet

from portal.models import Membership, Observation, Product

MOST: Final = 12
ASSOCIATION: Final = re.compile(r"_(asn|asc)\.(json|fits)$")
ACID: Final = re.compile(r"_(o\d{3}|[ac]\d{4})$")

STEPS: Final = (
    ("uncal", "raw", "rawtag", "tag", "counts"),
    ("ramp",),
    ("rate", "rateints"),
    ("bsub", "bsubints"),
    ("cal", "calints", "flt", "flc", "ima", "corrtag"),
    ("crf", "crfints", "crj", "crc"),
    ("i2d", "s2d", "s3d", "drz", "drc"),
    ("x1d", "x1dints", "c1d", "x1dsum", "sx1", "cat", "segm", "phot", "whtlt"),
)
"""Suffixes in the order in which the pipelines make them."""

STEP: Final = {suffix: number for number, suffixes in enumerate(STEPS) for suffix in suffixes}
COMBINED: Final = 3
"""The calibration level from which a product combines exposures (CAOM calib_level)."""

ABOVE: Final = "Part of"
UNCOMBINED: Final = (
    "No stage-3 product here combines it: darks, engineering data and programs that are incomplete or failed are "
    "calibrated exposure by exposure."
)


@dataclass(frozen=True, slots=True)
class Linked:
    """A file or an observation that something is linked to. `address`: (archive, obsid) of an observation's page,
    `product` the key of a file, `files` how many files stand behind a name."""

    name: str
    product: int | None = None
    address: tuple[str, str] | None = None
    files: int = 0


@dataclass(frozen=True, slots=True)
class Linkage:
    """One kind of link: what it is, the first MOST of its ends, and how many there are."""

    label: str
    links: list[Linked]
    total: int

    @property
    def more(self) -> int:
        """How many are not listed."""
        return self.total - len(self.links)


def of_file(row: Membership) -> list[Linkage]:
    """The links of a file, as its row in one observation tells them; kinds without any are left out."""
    associations = _files(_listed(row).filter(product__productFilename__regex=ASSOCIATION.pattern))
    alike = _same_exposure(row)
    kinds = [
        _kind("Association", associations),
        _kind("Made from", _neighbours(row, alike, -1)) or _members(row.observation, row, "Made from exposures"),
        _kind("Made into", _neighbours(row, alike, 1) or _combined(row)),
        _others(
            Observation.objects.filter(memberships__product=row.product_id), row.observation, "Also listed by"
        ),
    ]
    return [kind for kind in kinds if kind is not None]


def of_observation(observation: Observation) -> list[Linkage]:
    """The links of an observation: the exposures that it lists, the observations that list its files."""
    above = Observation.objects.filter(archive=observation.archive, memberships__obsID=observation.obsid)
    kinds = [_members(observation, None, "Exposures"), _others(above, observation, ABOVE)]
    return [kind for kind in kinds if kind is not None]


def uncombined(observation: Observation) -> str:
    """Why a JWST observation has no stage-3 product; nothing where it has one or is none to have one."""
    level = observation.calib_level
    single = observation.obs_collection == "JWST" and level is not None and 0 <= level < COMBINED
    return UNCOMBINED if single and not any(kind.label == ABOVE for kind in of_observation(observation)) else ""


def _listed(row: Membership) -> QuerySet[Membership]:
    return Membership.objects.filter(observation=row.observation_id).select_related("product")


def _kind(label: str, files: list[Linked]) -> Linkage | None:
    return Linkage(label, files[:MOST], len(files)) if files else None


def _files(rows: Iterable[Membership]) -> list[Linked]:
    found = {row.product_id: Linked(row.product.productFilename, product=row.product_id) for row in rows}
    return sorted(found.values(), key=lambda linked: linked.name)


def _same_exposure(row: Membership) -> list[Product]:
    """The science files made of the same exposure, or of the same source of a combined observation."""
    stem, _ = parts(row.product.productFilename)
    rows = _listed(row).filter(obsID=row.obsID, product__productType="SCIENCE")
    alike = rows.filter(product__productFilename__startswith=stem)
    return [one.product for one in alike if parts(one.product.productFilename)[0] == stem]


def _neighbours(row: Membership, alike: list[Product], direction: int) -> list[Linked]:
    """Of the same exposure, the files one step before or after."""
    own = STEP.get(parts(row.product.productFilename)[1])
    if own is None or row.product.productType != "SCIENCE":
        return []
    steps = [(STEP.get(parts(one.productFilename)[1]), one) for one in alike]
    beyond = [(step, one) for step, one in steps if step is not None and (step - own) * direction > 0]
    nearest = min((abs(step - own) for step, _ in beyond), default=0)
    names = {one.pk: one.productFilename for step, one in beyond if abs(step - own) == nearest}
    return [Linked(name, product=pk) for pk, name in sorted(names.items(), key=lambda item: item[1])]


def _combined(row: Membership) -> list[Linked]:
    """The observation's own combined files: what a calibrated exposure of it went into."""
    own = row.obsID == row.observation.obsid
    if (
        own
        or row.product.productType != "SCIENCE"
        or STEP.get(parts(row.product.productFilename)[1], 0) < STEP["cal"]
    ):
        return []
    combined = _listed(row).filter(obsID=row.observation.obsid, calib_level__gte=COMBINED)
    return _files(combined.filter(product__productType="SCIENCE"))


def _members(observation: Observation, row: Membership | None, label: str) -> Linkage | None:
    """The exposures whose files the observation lists; for a file of it only where it combines them."""
    if row is not None and (row.obsID != observation.obsid or (row.calib_level or 0) < COMBINED):
        return None
    owners = observation.memberships.exclude(obsID=observation.obsid).values("obs_id", "obsID")
    counted = list(owners.annotate(files=Count("product", distinct=True)).order_by("obs_id"))
    here = _here(observation.archive, [owner["obsID"] for owner in counted[:MOST]])
    links = [
        Linked(
            owner["obs_id"],
            address=(observation.archive, owner["obsID"]) if owner["obsID"] in here else None,
            files=owner["files"],
        )
        for owner in counted[:MOST]
    ]
    return Linkage(label, links, len(counted)) if links else None


def _here(archive: str, obsids: list[str]) -> set[str]:
    """Which of these have a page of their own."""
    found = Observation.objects.filter(archive=archive, obsid__in=obsids)
    return set(found.values_list("obsid", flat=True))


def _others(listing: QuerySet[Observation], observation: Observation, label: str) -> Linkage | None:
    others = listing.exclude(pk=observation.pk).distinct().order_by("obs_id")
    links = [Linked(one.obs_id, address=(one.archive, one.obsid)) for one in others[:MOST]]
    return Linkage(label, links, others.count()) if links else None


def parts(name: str) -> tuple[str, str]:
    """The exposure or source of a file name, and its suffix: ``jw01_nis_o003_crf.fits`` is (``jw01_nis``, ``crf``)."""
    stem, _, suffix = name.split(".", 1)[0].rpartition("_")
    return ACID.sub("", stem) if suffix.startswith("crf") else stem, suffix
