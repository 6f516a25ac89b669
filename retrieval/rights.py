"""Who may still read the files of a bundle: asked before its first byte, and again while it is being sent."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import reduce
from itertools import islice
from operator import or_

import numpy as np
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from basket.cube import Ints
from portal import access
from portal.models import Product
from retrieval.accounting import Fault
from retrieval.bundle import OPEN
from retrieval.freezing import NOT_LISTED
from retrieval.models import Outcome, Retrieval

RIGHTS = ("dataRights", "t_obs_release", "obs_collection", "proposal_id")
"""What a verdict looks at."""

AT_ONCE = 5000
RUNS_AT_ONCE = 100
"""An archive gives the files of an observation keys in a row: a few runs of keys are quickly looked up."""


def refused(
    retrieval: Retrieval, product_ids: Iterable[int], user: access.User, now: datetime
) -> tuple[list[Fault], set[int]]:
    """What may not be sent of a bundle of these products: files that this person may not read, or that the catalogue
    lost.

    And the keys of the products that this person may read but others may not: these are asked about again while
    they are sent.
    """
    if _are_free(np.fromiter(product_ids, np.int64), now):
        return [], set()
    files = retrieval.files.filter(outcome__in=OPEN)
    gone = files.exclude(Exists(Product.objects.filter(pk=OuterRef("product_id"))))
    faults = [Fault(position, Outcome.FAILED, NOT_LISTED) for position in gone.values_list("position", flat=True)]
    guarded = set[int]()
    may_be = files.filter(product_id__in=Product.objects.filter(access.may_be_denied(now)).values("pk"))
    rows = may_be.values_list("product_id", "position").iterator(chunk_size=AT_ONCE)
    granted = access.granted_programs(user, now)
    while places := dict(islice(rows, AT_ONCE)):
        for key, verdict in _verdicts(Product.objects.filter(pk__in=list(places)), granted, now):
            if verdict.ok:
                guarded.add(key)
            else:
                faults.append(Fault(places[key], Outcome.DENIED, verdict.reason, verdict.public_on))
    return faults, guarded


def denied(product_ids: Ints, user: access.User, now: datetime) -> Ints:
    """Those of the products that this person may not read now."""
    granted = access.granted_programs(user, now)
    found = [
        key
        for among in _among(product_ids)
        for key, verdict in _verdicts(Product.objects.filter(among, access.may_be_denied(now)), granted, now)
        if not verdict.ok
    ]
    return np.array(found, np.int64)


def _are_free(product_ids: Ints, now: datetime) -> bool:
    """Whether the catalogue lists all of them and anybody may read each."""
    listed = doubtful = 0
    for among in _among(product_ids):
        numbers = Product.objects.filter(among).aggregate(
            listed=Count("pk"), doubtful=Count("pk", filter=access.may_be_denied(now))
        )
        listed, doubtful = listed + numbers["listed"], doubtful + numbers["doubtful"]
    return listed == len(product_ids) and not doubtful


def _among(product_ids: Ints) -> Iterator[Q]:
    """Conditions that, one after another, select these products and no others."""
    keys = np.sort(product_ids)
    ends = np.flatnonzero(np.diff(keys, append=np.iinfo(np.int64).max) != 1)
    starts = np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
    alone = starts == ends
    lone = keys[starts[alone]].tolist()
    for start in range(0, len(lone), AT_ONCE):
        yield Q(pk__in=lone[start : start + AT_ONCE])
    runs = np.column_stack([keys[starts[~alone]], keys[ends[~alone]]]).tolist()
    for start in range(0, len(runs), RUNS_AT_ONCE):
        yield reduce(or_, (Q(pk__range=run) for run in runs[start : start + RUNS_AT_ONCE]))


def _verdicts(
    products: QuerySet[Product], granted: set[tuple[str, str]], now: datetime
) -> Iterator[tuple[int, access.Verdict]]:
    """The verdict on each product; thousands of them are alike, and no more than their rights are read."""
    known: dict[tuple[object, ...], access.Verdict] = {}
    for key, *values in products.values_list("pk", *RIGHTS).iterator(chunk_size=AT_ONCE):
        rights = tuple(values)
        if rights not in known:
            known[rights] = access.judge(Product(**dict(zip(RIGHTS, values, strict=True))), granted, now)
        yield key, known[rights]


def revoked(user_id: int | None, product_ids: Sequence[int], now: datetime) -> dict[int, access.Verdict]:
    """Those of the files that this person, as known to the database now, may not or no longer read."""
    verdicts = access.verdicts(_person(user_id), Product.objects.filter(pk__in=product_ids), now)
    found = {key: verdict for key, verdict in verdicts.items() if not verdict.ok}
    lost = access.Verdict(ok=False, reason=NOT_LISTED)
    return found | dict.fromkeys(set(product_ids) - verdicts.keys(), lost)


def _person(user_id: int | None) -> access.User:
    if user_id is None:
        return AnonymousUser()
    return get_user_model().objects.filter(pk=user_id).first() or AnonymousUser()
