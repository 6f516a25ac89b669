"""Freezing a selection: what was asked for is fixed at the click, and a retrieval no longer follows the basket.

Each file then gets a row (retrieval.freezing): at once where they are few, otherwise by a worker, from the keys that
were written down at the click. Each row gets exactly one outcome: requested = delivered + denied + failed + skipped
+ pending.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet, Sum

from basket.chosen import Chosen, chosen
from basket.cube import Ints
from basket.models import Basket
from portal import access
from portal.archives.base import MRP
from portal.errors import Problem
from portal.models import Membership, Observation, Product
from portal.quantities import format_size
from retrieval import bundle, compression, rights, selection, splitting
from retrieval.freezing import conclude, freeze_all, too_large
from retrieval.models import BUNDLES, Method, Outcome, Phase, Retrieval, RetrievalFile, Selection, Split
from retrieval.scripts import EMITTERS

LAYOUTS = ("nested", "flat")
DEFAULT_SCRIPT = "bash"

FEW = 3000
"""So many files are frozen at once, in about a third of a second; more are left to a worker."""

MOST_PARTS = 1000
SMALLEST_PART_BYTES = 1_000_000

NOBODYS = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Wish:
    """How somebody wants the files: `method` and `layout` by name; `split` into parts of at most `part_bytes`; which
    `script`, where that is the method."""

    method: str = Method.ZIP
    layout: str = "nested"
    remove_completed: bool = False
    split: bool = False
    part_bytes: int | None = None
    script: str = ""

    def check(self) -> None:
        """Raise Problem (422) for what there is not."""
        check(self.method, self.layout)
        if self.method == Method.SCRIPT:
            check_script(self.script)
        limit = settings.STREAM_LIMIT_BYTES
        if self.part_bytes is not None and not min(SMALLEST_PART_BYTES, limit) <= self.part_bytes <= limit:
            message = f"part_bytes={self.part_bytes}: a part holds {SMALLEST_PART_BYTES:,} to {limit:,} bytes."
            raise Problem(message, field="part_bytes", status=422)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, when; `key` is the stranger's."""

    user: access.User
    now: datetime
    key: str = ""


def freeze(
    basket: Basket,
    user: access.User,
    now: datetime,
    *,
    method: str = Method.ZIP,
    layout: str = "nested",
    remove_completed: bool = False,
    split: bool = False,
    part_bytes: int | None = None,
    script: str = "",
    key: str = "",
) -> Retrieval:
    """Freeze the basket's selected files for this person; `key` is the stranger's.

    The retrieval is QUEUED, with a length when nothing has to be measured; or ERROR when no file can be delivered,
    each file saying why; or, for more than FEW files, PENDING until a worker has looked at each. With `split` it is
    the first of as many parts as needed, each at most `part_bytes` (STREAM_LIMIT_BYTES).

    Raises Problem: 422 for an unknown method or layout and for an empty selection, 413 above STREAM_LIMIT_BYTES.
    """
    wish = Wish(method, layout, remove_completed, split, part_bytes, script or DEFAULT_SCRIPT)
    wish.check()
    found, observations = chosen(basket) if basket.pk is not None else ([], NOBODYS)
    if not found:
        raise _nothing_selected()
    asker = Asker(user, now, key)
    pieces = _divided(_deliverable(found, asker), wish)
    with transaction.atomic():
        if not Basket.objects.filter(pk=basket.pk).exists():
            raise _nothing_selected()
        made = [_new(asker, wish, piece, basket.pk) for piece in _numbered(pieces, now)]
        at_once = sum(retrieval.requested for retrieval in made) <= FEW
        for retrieval, piece in zip(made, pieces, strict=True):
            _begin(retrieval, _keys(piece), observations, asker, at_once=at_once)
    return made[0]


def freeze_recommended(observation: Observation, user: access.User, now: datetime, *, key: str = "") -> Retrieval:
    """Freeze the Minimum Recommended Products of one observation. Raises Problem: 422 when it has none, 413."""
    listed = Membership.objects.filter(observation=observation, productGroupDescription=MRP)
    keys = np.array(listed.order_by("product_id").values_list("product_id", flat=True), np.int64)
    if not len(keys):
        way = "Add it to the basket to choose among all its files."
        message = f"{observation.obs_id} has no recommended products. {way}"
        raise Problem(message, code="nothing_selected", status=422)
    distinct = np.unique(keys)
    with transaction.atomic():
        asker = Asker(user, now, key)
        retrieval = _new(asker, Wish(), _Piece(f"MAST_{now:%Y-%m-%dT%H%M%S}", len(distinct)), None)
        retrieval.duplicates = len(keys) - len(distinct)
        _begin(retrieval, distinct, NOBODYS, asker, at_once=len(distinct) <= FEW)
    return retrieval


def again(old: Retrieval, user: access.User, now: datetime, *, missing_only: bool = False) -> Retrieval:
    """The same files once more, judged and located anew; `missing_only`: those that failed or were not sent.

    Raises Problem: 409 when there are none, 413 above STREAM_LIMIT_BYTES.
    """
    keys = _keys_of(old, missing_only=missing_only)
    if not len(keys):
        raise Problem(f"No file of {old.name} failed: there is nothing to retry.", code="conflict", status=409)
    asker = Asker(user, now, old.key)
    wish = Wish(old.method, old.layout, old.remove_completed, script=old.script)
    name = f"MAST_{now:%Y-%m-%dT%H%M%S}"
    piece = _Piece(name, len(keys), bytes=_bytes_of(old, missing_only=missing_only))
    if old.split and not missing_only:
        piece = replace(
            piece, name=_part_name(name, old.part, old.parts), split=old.split, number=old.part, of=old.parts
        )
    if old.is_bundle and piece.bytes > settings.STREAM_LIMIT_BYTES and len(keys) > FEW:
        raise too_large(piece.bytes)
    with transaction.atomic():
        retrieval = _new(asker, wish, piece, old.basket_id)
        retrieval.duplicates = 0 if missing_only else old.duplicates
        _begin(retrieval, keys, NOBODYS, asker, at_once=len(keys) <= FEW, origin=old)
    return retrieval


def check(method: str, layout: str) -> None:
    """Raise Problem (422) unless this method and layout exist."""
    if method not in Method.values:
        message = f"method={method} is not available here. Available: {', '.join(Method.values)}."
        raise Problem(message, field="method", status=422)
    if layout not in LAYOUTS:
        message = f"layout={layout} is not known. Available: {', '.join(LAYOUTS)}."
        raise Problem(message, field="layout", status=422)


@dataclass(frozen=True, slots=True)
class _Piece:
    """One of the retrievals that are to be made: how many files of how many deliverable bytes."""

    name: str
    files: int
    bytes: int = 0
    split: Split | None = None
    number: int = 1
    of: int = 1


def check_script(script: str) -> None:
    """Raise Problem (422) unless there is such a script."""
    if script not in EMITTERS:
        message = f"script={script} is not available here. Available: {', '.join(EMITTERS)}."
        raise Problem(message, field="script", status=422)


def _nothing_selected() -> Problem:
    return Problem(
        "No file is selected. Tick the files you want in the basket, then download them.",
        code="nothing_selected",
        status=422,
    )


def _deliverable(found: Sequence[Chosen], asker: Asker) -> list[Chosen]:
    """The same with size 0 for what this person may not read now."""
    denied = rights.denied(_keys(found), asker.user, asker.now)
    if not len(denied):
        return list(found)
    return [replace(one, sizes=np.where(np.isin(one.products, denied), 0, one.sizes)) for one in found]


def _divided(found: list[Chosen], wish: Wish) -> list[list[Chosen]]:
    """The selection, or its parts. Raises Problem (413) for too much at once."""
    limit = settings.STREAM_LIMIT_BYTES
    size = sum(int(one.sizes.sum()) for one in found)
    if wish.method not in BUNDLES:
        return [found]
    if not wish.split:
        if size > limit:
            raise too_large(size, _ways(found, limit))
        return [found]
    try:
        pieces = splitting.parts(found, wish.part_bytes or limit)
    except splitting.TooLarge as error:
        raise _one_too_large(error, wish.part_bytes or limit) from None
    if len(pieces) > MOST_PARTS:
        message = (
            f"That would be {len(pieces):,} parts; {MOST_PARTS:,} are the most. Make them larger, or select fewer."
        )
        raise Problem(message, field="part_bytes", code="too_large", status=413)
    return pieces


def _ways(found: list[Chosen], limit: int) -> str:
    """What works for a selection that is too large."""
    try:
        count = len(splitting.parts(found, limit))
    except splitting.TooLarge as error:
        return _one_too_large(error, limit).message
    others = [method.label.lower() for method in Method if method not in BUNDLES]
    without_limit = "".join(f"Or take a {one}, which has no limit. " for one in others)
    return (
        f'Take it as {count:,} parts by observation (“split” in the download options, or "split": true). '
        f"{without_limit}Or select fewer, for example one observation at a time."
    )


def _one_too_large(error: splitting.TooLarge, limit: int) -> Problem:
    name = Product.objects.values_list("productFilename", flat=True).get(pk=error.product)
    message = (
        f"{name} alone holds {format_size(error.size)}, and a part may hold at most {format_size(limit)}. "
        "Deselect it here and fetch it by itself."
    )
    return Problem(message, code="too_large", status=413)


def _numbered(pieces: list[list[Chosen]], now: datetime) -> Iterator[_Piece]:
    name, of = f"MAST_{now:%Y-%m-%dT%H%M%S}", len(pieces)
    split = None
    if of > 1:
        observations = [[one.observation for one in piece] for piece in pieces]
        split = Split.objects.create(name=name, observations=observations)
    for number, piece in enumerate(pieces, start=1):
        size = sum(int(one.sizes.sum()) for one in piece)
        title = _part_name(name, number, of) if split else name
        yield _Piece(title, len(_keys(piece)), size, split, number, of)


def _part_name(name: str, number: int, of: int) -> str:
    return f"{name}_part{number}of{of}"


def _keys(piece: Sequence[Chosen]) -> Ints:
    return np.concatenate([one.products for one in piece])


def _new(asker: Asker, wish: Wish, piece: _Piece, basket_id: int | None) -> Retrieval:
    return Retrieval.objects.create(
        owner_id=asker.user.pk if asker.user.is_authenticated else None,
        key=asker.key,
        name=piece.name,
        method=wish.method,
        script=wish.script if wish.method == Method.SCRIPT else "",
        layout=wish.layout,
        remove_completed=wish.remove_completed,
        compressor=compression.name() if wish.method == Method.TAR_GZ else "",
        basket_id=basket_id,
        requested=piece.files,
        bytes=piece.bytes,
        split=piece.split,
        part=piece.number,
        parts=piece.of,
    )


def _begin(
    retrieval: Retrieval,
    keys: Ints,
    observations: Ints,
    asker: Asker,
    *,
    at_once: bool,
    origin: Retrieval | None = None,
) -> None:
    """Freeze the files now, or write down which they are for a worker."""
    if at_once:
        freeze_all(retrieval, keys, asker.user, asker.now, origin)
        conclude(retrieval, observations, asker.now)
        if retrieval.phase == Phase.QUEUED and retrieval.is_bundle and not bundle.unread(retrieval).exists():
            bundle.settle(retrieval)
    else:
        packed, lists = selection.pack(keys), selection.pack(observations)
        Selection.objects.create(retrieval=retrieval, products=packed, observations=lists, origin=origin)
    retrieval.save()


def _keys_of(old: Retrieval, *, missing_only: bool) -> Ints:
    """Which files it had, or was asked for where not all have a row."""
    unfinished = Selection.objects.filter(retrieval=old).first()
    if unfinished is not None and not missing_only:
        return selection.unpack(unfinished.products)
    keys = _files_of(old, missing_only=missing_only).order_by("position").values_list("product_id", flat=True)
    return np.fromiter(keys.iterator(chunk_size=50_000), np.int64)


def _files_of(old: Retrieval, *, missing_only: bool) -> QuerySet[RetrievalFile]:
    files = RetrievalFile.objects.filter(retrieval=old)
    return files.filter(outcome__in=[Outcome.FAILED, Outcome.SKIPPED]) if missing_only else files


def _bytes_of(old: Retrieval, *, missing_only: bool) -> int:
    files = _files_of(old, missing_only=missing_only).exclude(outcome=Outcome.DENIED)
    size: int = files.aggregate(bytes=Sum("size", default=0))["bytes"]
    return size
