"""Who may read which bytes now."""

from datetime import UTC, date, datetime, timedelta
from itertools import count, product

import pytest
from django.contrib.auth.models import AnonymousUser, User
from hypothesis import given
from hypothesis import strategies as st

from portal import access
from portal.models import Grant, Observation, Product, Program

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NOBODY = AnonymousUser()
numbers = count(1)


def file(rights: str = "EXCLUSIVE_ACCESS", release: datetime | None = NOW + 96 * DAY, **changed: str) -> Product:
    """A file of program JWST 2733."""
    number = next(numbers)
    columns = {"obs_collection": "JWST", "proposal_id": "2733", "dataURI": f"mast:JWST/product/{number}.fits"}
    return Product.objects.create(
        dataRights=rights,
        t_obs_release=None if release is None else access.datetime_to_mjd(release),
        **columns | changed,
    )


def grant(user: User, until: datetime | None = None, collection: str = "JWST", proposal: str = "2733") -> Grant:
    program, _ = Program.objects.get_or_create(obs_collection=collection, proposal_id=proposal)
    return Grant.objects.create(program=program, user=user, until=until)


def may(user: access.User, wanted: Product, now: datetime = NOW) -> bool:
    return access.verdict(user, wanted, now).ok


def test_public_files_are_for_everyone() -> None:
    assert may(NOBODY, file("PUBLIC"))
    assert may(NOBODY, file("PUBLIC", None))


def test_an_exclusive_file_names_the_day_on_which_it_becomes_public() -> None:
    verdict = access.verdict(NOBODY, file(release=datetime(2027, 3, 1, 18, tzinfo=UTC)), NOW)
    assert verdict == access.Verdict(
        ok=False, reason="Exclusive access until 2027-03-01.", public_on=date(2027, 3, 1)
    )


def test_an_exclusive_file_is_public_from_the_moment_of_its_release() -> None:
    wanted = file(release=NOW)
    assert not may(NOBODY, wanted, NOW - timedelta(seconds=1))
    assert may(NOBODY, wanted, NOW)
    assert may(NOBODY, wanted, NOW + timedelta(seconds=1))


def test_an_exclusive_file_without_a_date_stays_exclusive(alice: User) -> None:
    wanted = file(release=None)
    verdict = access.verdict(NOBODY, wanted, NOW)
    assert (verdict.ok, verdict.public_on) == (False, None)
    assert "date of its release is not known" in verdict.reason
    grant(alice)
    assert may(alice, wanted)


def test_restricted_files_are_for_nobody_whatever_the_date_and_the_grants(alice: User) -> None:
    grant(alice)
    for release in (None, NOW - DAY, NOW + DAY):
        verdict = access.verdict(alice, file("RESTRICTED", release), NOW)
        assert (verdict.ok, verdict.public_on) == (False, None)
        assert "Restricted" in verdict.reason


def test_blank_rights_follow_the_date() -> None:
    assert may(NOBODY, file("", None))
    assert may(NOBODY, file("", NOW - DAY))
    assert not may(NOBODY, file("", NOW + DAY))


def test_rights_that_are_not_known_are_not_public() -> None:
    assert not may(NOBODY, file("SOMETHING", None))
    assert not may(NOBODY, file("public", NOW + DAY))


def test_a_grant_opens_its_program_to_its_person(alice: User, bob: User) -> None:
    grant(alice)
    wanted = file()
    assert (may(alice, wanted), may(bob, wanted), may(NOBODY, wanted)) == (True, False, False)


def test_a_grant_opens_no_other_program(alice: User) -> None:
    grant(alice)
    assert not may(alice, file(proposal_id="2734"))
    assert not may(alice, file(obs_collection="HST"))


def test_a_grant_ends_at_its_moment(alice: User) -> None:
    grant(alice, until=NOW)
    wanted = file()
    assert may(alice, wanted, NOW - timedelta(seconds=1))
    assert not may(alice, wanted, NOW)


def test_a_grant_that_was_taken_back_opens_nothing(alice: User) -> None:
    given_once = grant(alice)
    wanted = file()
    assert may(alice, wanted)
    given_once.delete()
    assert not may(alice, wanted)


def test_a_closed_account_reads_what_strangers_read(alice: User) -> None:
    grant(alice)
    alice.is_active = False
    assert not may(alice, file())
    assert may(alice, file("PUBLIC"))


def test_being_staff_opens_nothing(alice: User) -> None:
    alice.is_staff = alice.is_superuser = True
    assert not may(alice, file())


def test_a_file_without_a_program_is_opened_by_no_grant(alice: User) -> None:
    grant(alice)
    assert not may(alice, file(proposal_id=""))


def test_many_files_get_the_verdict_that_each_gets_alone(alice: User) -> None:
    grant(alice, proposal="1")
    wanted = [
        file(rights, release, proposal_id=proposal)
        for rights, release, proposal in product(
            ("PUBLIC", "EXCLUSIVE_ACCESS", "RESTRICTED", ""), (None, NOW - DAY, NOW + DAY), ("1", "2")
        )
    ]
    together = access.verdicts(alice, wanted, NOW)
    assert together == {one.pk: access.verdict(alice, one, NOW) for one in wanted}


def test_every_file_that_anyone_may_not_read_is_among_those_worth_a_verdict() -> None:
    for rights, release in product(
        ("PUBLIC", "EXCLUSIVE_ACCESS", "RESTRICTED", "", "SOMETHING"), (None, NOW - DAY, NOW + DAY)
    ):
        file(rights, release)
    suspects = set(Product.objects.filter(access.may_be_denied(NOW)).values_list("pk", flat=True))
    denied = {one.pk for one in Product.objects.all() if not may(NOBODY, one)}
    public = set(Product.objects.filter(dataRights="PUBLIC").values_list("pk", flat=True))
    assert denied
    assert denied <= suspects
    assert not suspects & public


def test_the_mark_of_an_observation_is_the_same_in_python_and_in_the_database() -> None:
    for rights, release, level in product(
        ("PUBLIC", "EXCLUSIVE_ACCESS", "RESTRICTED", "", "SOMETHING"), (None, NOW - DAY, NOW + DAY), (-1, 3, None)
    ):
        Observation.objects.create(
            obsid=str(next(numbers)),
            dataRights=rights,
            calib_level=level,
            t_obs_release=None if release is None else access.datetime_to_mjd(release),
        )
    marked = Observation.objects.annotate(mark=access.observation_status_column(NOW))
    marks = {access.observation_status(one, NOW)[0] for one in marked}
    assert marks == {"planned", "restricted", "public", "exclusive"}
    for one in marked:
        assert one.mark == access.observation_status(one, NOW)[0]


def test_an_exclusive_observation_is_marked_with_its_day() -> None:
    release = access.datetime_to_mjd(datetime(2027, 3, 1, tzinfo=UTC))
    observation = Observation(dataRights="EXCLUSIVE_ACCESS", t_obs_release=release, calib_level=3)
    assert access.observation_status(observation, NOW) == ("exclusive", date(2027, 3, 1))


@given(st.datetimes(datetime(1960, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_moment_survives_the_way_to_mjd_and_back(moment: datetime) -> None:
    assert abs(access.mjd_to_datetime(access.datetime_to_mjd(moment)) - moment) < timedelta(milliseconds=1)


def test_mjd_is_counted_from_1858() -> None:
    assert access.mjd_to_datetime(60964.5) == datetime(2025, 10, 16, 12, tzinfo=UTC)
    assert access.datetime_to_mjd(datetime(1858, 11, 18, tzinfo=UTC)) == 1
