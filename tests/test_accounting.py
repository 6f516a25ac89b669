"""What is written down of a transfer: whatever happens, in whatever order, every file has exactly one outcome."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from basket.models import Basket
from portal.errors import Problem
from retrieval import accounting, bundle, plan
from retrieval.accounting import Fault, Superseded
from retrieval.models import Outcome, Phase, Retrieval
from tests.small_archive import NOW, SmallArchive, fill, law, undone

pytestmark = pytest.mark.django_db

FATES = st.lists(st.sampled_from(["fine", "empty", "exclusive", "missing"]), min_size=1, max_size=8)
FRACTIONS = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted)
STEPS = st.one_of(
    st.tuples(st.just("send"), FRACTIONS),
    st.tuples(st.just("send"), FRACTIONS),
    st.tuples(st.just("send"), st.just([0.0, 1.0])),
    st.tuples(st.sampled_from(["cut", "withdraw"]), st.integers(0, 7)),
    st.tuples(st.sampled_from(["begin", "break off", "cancel"]), st.none()),
)


@pytest.fixture
def archive(tmp_path: Path) -> SmallArchive:
    return SmallArchive(tmp_path)


def frozen(archive: SmallArchive, fates: list[str]) -> Retrieval:
    for number, fate in enumerate(fates):
        name = f"file{number}.fits"
        if fate == "exclusive":
            archive.exclusive(name)
        elif fate == "missing":
            archive.listing(name, 5)
        else:
            archive.file(name, b"" if fate == "empty" else b"x" * (100 * number + 1))
    basket = fill(Basket.objects.create(key="stranger"), archive)
    return plan.freeze(basket, AnonymousUser(), NOW, key="stranger")


class Story:
    """A retrieval, and beside it what a reader of the contract would expect of it."""

    def __init__(self, retrieval: Retrieval) -> None:
        self.retrieval = retrieval
        self.sent: set[int] = set()
        self.etag = retrieval.etag

    def step(self, what: str, detail: object) -> None:
        with suppress(Superseded, Problem):
            getattr(self, what.replace(" ", "_"))(detail)
        law(self.retrieval)
        if self.retrieval.etag != self.etag:
            self.etag, self.sent = self.retrieval.etag, set()
        self.compare()

    def begin(self, _: object) -> None:
        accounting.begin(self.retrieval, self.retrieval.etag, NOW)

    def send(self, fractions: list[float]) -> None:
        if self.retrieval.length is None:
            return
        start, stop = (round(fraction * self.retrieval.length) for fraction in fractions)
        laid_out = bundle.load(self.retrieval)
        accounting.begin(self.retrieval, self.retrieval.etag, NOW)
        accounting.record(self.retrieval.pk, laid_out, (start, stop), NOW)
        self.sent |= set(range(start, stop))

    def cut(self, position: int) -> None:
        if self.retrieval.files.filter(position=position, outcome__in=bundle.OPEN).exists():
            accounting.cut(
                self.retrieval.pk, self.retrieval.etag, Fault(position, Outcome.FAILED, "It moved."), NOW
            )

    def withdraw(self, position: int) -> None:
        fault = Fault(position, Outcome.DENIED, "Exclusive access until 2027-03-01.")
        if self.retrieval.files.filter(position=position, outcome__in=bundle.OPEN).exists():
            accounting.withdraw(self.retrieval.pk, [fault], NOW)

    def break_off(self, _: object) -> None:
        accounting.broken_off(NOW + timedelta(days=1))

    def cancel(self, _: object) -> None:
        accounting.cancel(self.retrieval, NOW)

    def compare(self) -> None:
        """The files that were sent whole are delivered, and it is complete when every byte was sent."""
        if self.retrieval.length is None or self.retrieval.phase not in {Phase.EXECUTING, Phase.COMPLETED}:
            return
        laid_out = bundle.load(self.retrieval)
        whole = {
            laid_out.positions[index]
            for index in range(len(laid_out.positions))
            if set(range(*laid_out.plan.member_span(index))) <= self.sent
        }
        delivered = self.retrieval.files.filter(outcome=Outcome.DELIVERED)
        assert set(delivered.values_list("position", flat=True)) == whole
        assert self.retrieval.bytes_sent == len(self.sent)
        assert (self.retrieval.phase == Phase.COMPLETED) == (len(self.sent) == self.retrieval.length)


@hypothesis(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fates=FATES, steps=st.lists(STEPS, max_size=12))
def test_whatever_happens_to_a_transfer_the_numbers_add_up(
    tmp_path: Path, fates: list[str], steps: list[tuple[str, object]]
) -> None:
    with undone():
        retrieval = frozen(SmallArchive(tmp_path), fates)
        law(retrieval)
        story = Story(retrieval)
        for what, detail in steps:
            story.step(what, detail)


def test_a_transfer_that_is_no_more_is_told_so(archive: SmallArchive) -> None:
    retrieval = frozen(archive, ["fine"])
    with pytest.raises(Superseded):
        accounting.begin(retrieval, '"another"', NOW)
    laid_out = bundle.load(retrieval)
    accounting.cancel(retrieval, NOW)
    with pytest.raises(Superseded):
        accounting.record(retrieval.pk, laid_out, (0, 10), NOW)
    retrieval.delete()
    with pytest.raises(Superseded):
        accounting.record("gone", laid_out, (0, 10), NOW)


def test_a_client_that_has_gone_gets_less_time_than_one_that_is_silent(archive: SmallArchive) -> None:
    retrieval = frozen(archive, ["fine"])
    accounting.begin(retrieval, retrieval.etag, NOW)
    soon = NOW + accounting.GRACE + timedelta(seconds=1)
    assert accounting.broken_off(soon) == 0
    accounting.interrupted(retrieval.pk, retrieval.etag, NOW)
    assert accounting.broken_off(soon) == 1
    law(retrieval)
    assert retrieval.phase == Phase.ERROR
    assert "broke off after 0 bytes of" in retrieval.message


def test_a_transfer_that_goes_on_takes_its_error_back(archive: SmallArchive) -> None:
    retrieval = frozen(archive, ["fine", "fine"])
    laid_out = bundle.load(retrieval)
    first = laid_out.plan.member_span(0)[1]
    accounting.begin(retrieval, retrieval.etag, NOW)
    accounting.record(retrieval.pk, laid_out, (0, first), NOW)
    accounting.broken_off(NOW + timedelta(days=1))
    law(retrieval)
    assert (retrieval.phase, retrieval.delivered, retrieval.skipped) == (Phase.ERROR, 1, 1)
    accounting.record(retrieval.pk, laid_out, (first, laid_out.plan.length), NOW)
    law(retrieval)
    assert (retrieval.phase, retrieval.delivered, retrieval.message) == (Phase.COMPLETED, 2, "")
    assert not retrieval.files.exclude(reason="").exists()


def test_after_a_cut_what_was_sent_before_counts_no_more_once_it_begins_anew(archive: SmallArchive) -> None:
    retrieval = frozen(archive, ["fine", "fine", "fine"])
    laid_out = bundle.load(retrieval)
    accounting.begin(retrieval, retrieval.etag, NOW)
    accounting.record(retrieval.pk, laid_out, (0, laid_out.plan.member_span(0)[1]), NOW)
    accounting.cut(retrieval.pk, retrieval.etag, Fault(1, Outcome.FAILED, "It moved."), NOW)
    law(retrieval)
    assert (retrieval.delivered, retrieval.failed, retrieval.skipped, retrieval.bytes_sent) == (1, 1, 1, 0)
    accounting.begin(retrieval, retrieval.etag, NOW)
    law(retrieval)
    assert (retrieval.delivered, retrieval.failed, retrieval.pending) == (0, 1, 2)


def test_a_cut_names_its_file_and_leaves_it_out(archive: SmallArchive) -> None:
    retrieval = frozen(archive, ["fine", "fine"])
    accounting.begin(retrieval, retrieval.etag, NOW)
    etag = retrieval.etag
    accounting.cut(retrieval.pk, etag, Fault(1, Outcome.FAILED, "It moved."), NOW)
    law(retrieval)
    assert retrieval.message == (
        "The transfer was cut at JWST/jw1/file1.fits. It moved. Download again: that file is then left out, and listed "
        "as failed."
    )
    assert retrieval.etag != etag
    assert len(bundle.load(retrieval).positions) == 1
    accounting.cut(retrieval.pk, etag, Fault(0, Outcome.FAILED, "Too late."), NOW)
    law(retrieval)
    assert (retrieval.failed, retrieval.skipped) == (1, 1)
