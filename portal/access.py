"""Who may read which bytes now: the only place that decides it.

Metadata are for everyone. Bytes of a file are for everyone once its exclusive access period has ended,
before that for the people whom the program's investigators named (MAST, "Exclusive access"). The verdict is
never stored: it is a function of the file's rights, its release date, the person's grants and the moment.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import inf
from typing import Final, NamedTuple

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Case, CharField, Q, Value, When

from portal.models import Grant, Observation, Product

MJD_EPOCH: Final = datetime(1858, 11, 17, tzinfo=UTC)
MJD_FIRST: Final = -678_575.0
MJD_LAST: Final = 2_973_483.0

User = AbstractBaseUser | AnonymousUser


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the bytes may be read; if not, why, and the day on which they become public where it is known."""

    ok: bool
    reason: str = ""
    public_on: date | None = None


OK: Final = Verdict(ok=True)


class Guard(NamedTuple):
    """What a verdict on a file looks at: facts that many files share."""

    dataRights: str
    t_obs_release: float | None
    obs_collection: str
    proposal_id: str

    @property
    def public_from(self) -> float:
        """The MJD from which `judge` lets everybody read: -inf for what is public at all times, inf for never or
        where the archive does not tell."""
        if self.dataRights == "PUBLIC" or (self.dataRights == "" and self.t_obs_release is None):
            return -inf
        return inf if self.dataRights == "RESTRICTED" or self.t_obs_release is None else self.t_obs_release


def mjd_to_datetime(mjd: float) -> datetime:
    """The moment of a Modified Julian Date (days, UTC); beyond the years 1 to 9999, their nearest end."""
    return MJD_EPOCH + timedelta(days=min(max(mjd, MJD_FIRST), MJD_LAST))


def datetime_to_mjd(moment: datetime) -> float:
    """The Modified Julian Date (days, UTC) of a moment."""
    return (moment - MJD_EPOCH) / timedelta(days=1)


def granted_programs(user: User, now: datetime) -> set[tuple[str, str]]:
    """(obs_collection, proposal_id) of every program whose exclusive files this person may read now."""
    if not user.is_authenticated or not user.is_active:
        return set()
    grants = Grant.objects.filter(Q(until=None) | Q(until__gt=now), user_id=user.pk)
    return set(grants.values_list("program__obs_collection", "program__proposal_id"))


def judge(product: Product | Guard, granted: set[tuple[str, str]], now: datetime) -> Verdict:
    """The verdict on one file, for somebody with these programs, at this moment."""
    rights = product.dataRights
    if rights == "PUBLIC":
        return OK
    if rights == "RESTRICTED":
        return Verdict(ok=False, reason="Restricted by the archive: not public at any time.")
    release = None if product.t_obs_release is None else mjd_to_datetime(product.t_obs_release)
    if release is not None and release <= now:
        return OK
    if release is None and rights == "":
        return OK
    if (product.obs_collection, product.proposal_id) in granted:
        return OK
    if release is None:
        return Verdict(ok=False, reason="Exclusive access: the date of its release is not known.")
    return Verdict(
        ok=False,
        reason=f"Exclusive access until {release.date().isoformat()}.",
        public_on=release.date(),
    )


def verdicts(user: User, products: Iterable[Product], now: datetime) -> dict[int, Verdict]:
    """The verdict on each file, by its key."""
    granted = granted_programs(user, now)
    return {product.pk: judge(product, granted, now) for product in products}


def verdict(user: User, product: Product, now: datetime) -> Verdict:
    """The verdict on one file."""
    return judge(product, granted_programs(user, now), now)


def may_be_denied(now: datetime) -> Q:
    """Files that some people may not read now: the ones worth a verdict in a large set."""
    return Q(dataRights="RESTRICTED") | (
        ~Q(dataRights="PUBLIC") & (Q(t_obs_release__gt=datetime_to_mjd(now)) | Q(t_obs_release=None))
    )


def observation_status(observation: Observation, now: datetime) -> tuple[str, date | None]:
    """How a search result marks an observation: public, exclusive, restricted or planned; and the release day."""
    release = observation.t_obs_release
    public_on = None if release is None else mjd_to_datetime(release).date()
    if observation.planned:
        return "planned", None
    if observation.dataRights == "RESTRICTED":
        return "restricted", None
    if observation.dataRights == "PUBLIC" or (release is not None and mjd_to_datetime(release) <= now):
        return "public", public_on
    if observation.dataRights == "" and release is None:
        return "public", None
    return "exclusive", public_on


def observation_status_column(now: datetime) -> Case:
    """The same verdict as a column of a query over observations, for counting and filtering."""
    mjd = datetime_to_mjd(now)
    return Case(
        When(calib_level=-1, then=Value("planned")),
        When(dataRights="RESTRICTED", then=Value("restricted")),
        When(dataRights="PUBLIC", then=Value("public")),
        When(t_obs_release__lte=mjd, then=Value("public")),
        When(dataRights="", t_obs_release=None, then=Value("public")),
        default=Value("exclusive"),
        output_field=CharField(),
    )
