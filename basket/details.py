"""One file of a basket: every column of its row, who may read it, its preview, and how to fetch it alone."""

import json
import shlex
from collections.abc import Set
from dataclasses import asdict, dataclass
from datetime import date, datetime
from urllib.parse import quote

from django.conf import settings
from django.urls import reverse

from basket.cube import unpack_ids
from basket.ledger import carried_and_chosen, cube_of, items_of, with_ids
from basket.models import Basket
from basket.page import Filters
from basket.presets import like
from basket.signatures import extension
from portal import access, fits_headers, previews
from portal.archives.base import PRODUCT_COLUMNS
from portal.errors import Problem
from portal.linkages import Linkage, of_file
from portal.models import Membership, StoredFile

LABELS = {
    "obsID": "Product Group ID",
    "obs_collection": "Mission",
    "dataproduct_type": "Product Type",
    "obs_id": "Observation ID",
    "description": "Description",
    "type": "Type",
    "dataURI": "URI",
    "productType": "Product Category",
    "productGroupDescription": "Recommended",
    "productSubGroupDescription": "Group",
    "productDocumentationURL": "Documentation",
    "project": "Project",
    "prvversion": "Calibration Version",
    "proposal_id": "Proposal ID",
    "productFilename": "File Name",
    "size": "Size",
    "parent_obsid": "Parent Product Group ID",
    "dataRights": "Data Rights",
    "calib_level": "Calibration Level",
    "filters": "Filters",
}
"""MAST's labels (CAOM field documentation, Portal columns configuration) in its order of the columns."""

LARGEST_KEY = 2**32 - 1
"""What the bitmaps of a basket can hold."""

OF_THE_MEMBERSHIP = frozenset(
    [
        "obsID",
        "obs_id",
        "dataproduct_type",
        "type",
        "productGroupDescription",
        "prvversion",
        "calib_level",
        "filters",
    ]
)


@dataclass(frozen=True, slots=True)
class Details:
    """What the details panel shows of a file. `columns` are MAST's 20, by name; size in bytes."""

    id: int
    archive: str
    observation_obsid: str
    columns: dict[str, object]
    verdict: access.Verdict
    exclusive: bool
    preview: str | None
    has_bytes: bool
    has_header: bool
    linkages: list[Linkage]
    kept: Set[int]  # the linked files that the basket holds

    @property
    def kind(self) -> Filters:
        """The filters that show only files like this one."""
        return like(
            str(self.columns["productType"]), str(self.columns["productSubGroupDescription"]), extension(self.name)
        )

    @property
    def name(self) -> str:
        """The file's name."""
        return str(self.columns["productFilename"])

    @property
    def uri(self) -> str:
        """Its dataURI."""
        return str(self.columns["dataURI"])

    @property
    def denied(self) -> bool:
        """Whether the reader may not have its bytes now."""
        return not self.verdict.ok

    @property
    def reason(self) -> str:
        """Why not."""
        return self.verdict.reason

    @property
    def public_on(self) -> date | None:
        """The day on which it becomes public, where it is not yet and the day is known."""
        return self.verdict.public_on

    @property
    def fields(self) -> list[tuple[str, str, object]]:
        """(label, column, value) in MAST's order."""
        return [(label, name, self.columns[name]) for name, label in LABELS.items()]

    @property
    def documentation(self) -> bool:
        """Whether its documentation is a page that a link may lead to: no other scheme than http."""
        return str(self.columns["productDocumentationURL"]).startswith(("https://", "http://"))

    @property
    def header_url(self) -> str:
        """The page of its FITS headers; nothing where the reader can see none."""
        return f"{reverse('header')}?uri={quote(self.uri, safe='/:')}" if self.has_header else ""

    @property
    def observation_url(self) -> str:
        """The page of the observation under which the file lies in the basket."""
        return reverse("observation", args=[self.archive, self.observation_obsid])

    @property
    def commands(self) -> list[tuple[str, str]]:
        """(tool, lines) that fetch this file alone; a token comes from the environment, never from the line."""
        if not self.has_bytes:
            return []
        url = previews.file_url(self.uri)
        lines = [("curl", _curl(f"{settings.SITE_URL}{url}", self.name))] if url else []
        return [*lines, ("astroquery", _astroquery(self.uri))]


def details(basket: Basket, product_id: int, user: access.User, now: datetime) -> Details | None:
    """The file with that key; None when the basket does not hold it."""
    ids = unpack_ids(basket.product_ids)
    if basket.pk is None or product_id > LARGEST_KEY or product_id not in ids:
        return None
    row = _row(basket, product_id)
    if row is None:
        return None
    verdict = access.verdict(user, row.product, now)
    stored = StoredFile.objects.filter(product=row.product).exists()
    linked = of_file(row)
    return Details(
        id=row.product.pk,
        archive=row.product.archive,
        observation_obsid=row.observation.obsid,
        columns={name: _value(row, name) for name in PRODUCT_COLUMNS},
        verdict=verdict,
        has_bytes=stored,
        exclusive=not access.judge(row.product, set(), now).ok,
        preview=previews.of_product(row.product, user, now),
        has_header=stored and verdict.ok and fits_headers.is_fits(row.product.productFilename),
        linkages=linked,
        kept={key for kind in linked for link in kind.links if (key := link.product) and key in ids},
    )


def file_details(basket: Basket, product_id: int, user: access.User, now: datetime) -> dict[str, object]:
    """The same for the JSON API: MAST's columns, `id`, `archive`, `access` ("ok", "denied"), `reason`,
    `public_on`, `preview` and `header` (URL or None), `linkages`.

    Raises Problem (404) for a file that the basket does not hold.
    """
    found = details(basket, product_id, user, now)
    if found is None:
        raise Problem(f"File {product_id} is not in your basket.", field="id", code="not_found", status=404)
    return {
        "id": found.id,
        "archive": found.archive,
        **found.columns,
        "access": "denied" if found.denied else "ok",
        "reason": found.reason,
        "public_on": found.public_on,
        "preview": found.preview,
        "header": found.header_url or None,
        "linkages": [asdict(kind) for kind in found.linkages],
    }


def _row(basket: Basket, product_id: int) -> Membership | None:
    """The archive's row through which the basket carries the file: of the observation under which the tree shows it,
    and of its rows there the one that the observation itself owns."""
    items = with_ids(items_of(basket).filter(observation__memberships__product=product_id).distinct())
    carriers = (
        item.observation_id
        for item, carried, _ in carried_and_chosen(cube_of(basket), list(items))
        if product_id in carried
    )
    rows = Membership.objects.filter(product=product_id, observation=next(carriers, None))
    found = rows.select_related("product", "observation").order_by("pk")
    return min(found, key=lambda row: row.obsID != row.observation.obsid, default=None)


def _value(row: Membership, column: str) -> object:
    if column == "parent_obsid":
        return row.observation.obsid
    return getattr(row if column in OF_THE_MEMBERSHIP else row.product, column)


def _curl(url: str, name: str) -> str:
    return f"curl --fail --location --continue-at - --output {shlex.quote(name)} {shlex.quote(url)}"


def _astroquery(uri: str) -> str:
    return "\n".join(
        [
            "from astropy.config import get_config",
            f"get_config('astroquery').setdefault('mast', {{}})['server'] = {json.dumps(settings.SITE_URL)}",
            "from astroquery.mast import Observations",
            f"Observations.download_file({json.dumps(uri)})",
        ]
    )
