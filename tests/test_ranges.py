"""Byte ranges: what a client asks for, and what has left."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.ranges import GAP, Span, Unsatisfiable, around, covered, merged, requested

SPANS = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (min(pair), max(pair)))


@pytest.mark.parametrize(
    ("header", "spans"),
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=10-19", [(10, 20)]),
        ("bytes=10-", [(10, 1000)]),
        ("bytes=-10", [(990, 1000)]),
        ("bytes=-2000", [(0, 1000)]),
        ("bytes=90-2000", [(90, 1000)]),
        ("Bytes = 5-6", [(5, 7)]),
        ("bytes=0-9,200-299", [(0, 10), (200, 300)]),
        ("bytes=200-299, 0-9 ,, -5", [(200, 300), (0, 10), (995, 1000)]),
        ("bytes=0-9,5000-", [(0, 10)]),
        ("bytes=500-599,0-9,550-699", [(500, 700), (0, 10)]),
        ("bytes=0-9,100-109", [(0, 110)]),
        ("bytes=0-,0-,0-,-1000", [(0, 1000)]),
    ],
)
def test_ranges_are_understood_and_joined(header: str, spans: list[Span]) -> None:
    assert requested(header, 1000) == spans


@pytest.mark.parametrize(
    "header",
    ["", "bytes=", "bytes=,", "bytes=-", "bytes=5-4", "bytes=0-1,5-4", "lines=0-1", "bytes=a-b", "bytes=٣-٤", "0-1",
     "bytes=" + ",".join(f"{10 * number}-{10 * number}" for number in range(101))],
)  # fmt: skip
def test_what_is_no_range_or_absurdly_many_asks_for_the_whole(header: str) -> None:
    assert requested(header, 100) == []


@pytest.mark.parametrize(
    "header", ["bytes=100-", "bytes=100-200", "bytes=-0", f"bytes={10**17}-", "bytes=100-,200-300"]
)
def test_ranges_behind_the_end_cannot_be_satisfied(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        requested(header, 100)


ITEMS = st.one_of(
    st.tuples(st.integers(0, 3000), st.integers(0, 3000)).map(lambda pair: f"{min(pair)}-{max(pair)}"),
    st.integers(0, 3000).map(lambda first: f"{first}-"),
    st.integers(0, 3000).map(lambda last: f"-{last}"),
)


def wanted(item: str, length: int) -> set[int]:
    """The bytes of one range, said as plainly as can be."""
    first, last = item.split("-")
    if not first:
        return set(range(length)[length - min(int(last), length) :])
    return set(range(length)[int(first) : int(last) + 1 if last else None])


@given(st.lists(ITEMS, min_size=1, max_size=12), st.integers(0, 2500))
def test_whatever_is_asked_for_is_sent_once_and_little_else(items: list[str], length: int) -> None:
    bytes_wanted = set().union(*(wanted(item, length) for item in items))
    header = "bytes=" + ",".join(items)
    if not bytes_wanted:
        with pytest.raises(Unsatisfiable):
            requested(header, length)
        return
    spans = requested(header, length)
    assert sum(stop - start for start, stop in spans) <= length
    sent = {byte for start, stop in spans for byte in range(start, stop)}
    assert len(sent) == sum(stop - start for start, stop in spans)
    assert bytes_wanted <= sent
    assert all({start, stop - 1} <= bytes_wanted for start, stop in spans)
    assert all(second[0] - first[1] > GAP for first, second in pairwise(sorted(spans)))


@given(st.lists(SPANS, max_size=20))
def test_merged_spans_hold_exactly_the_bytes_of_all(spans: list[Span]) -> None:
    together: list[Span] = []
    for span in spans:
        together = merged(together, span)
    wanted = {byte for start, stop in spans for byte in range(start, stop)}
    assert {byte for start, stop in together for byte in range(start, stop)} == wanted
    assert covered(together) == len(wanted)
    assert all(first[1] < second[0] for first, second in pairwise(together))
    for span in spans:
        if span[0] < span[1]:
            start, stop = around(together, span)
            assert start <= span[0] < span[1] <= stop


def test_no_span_is_around_bytes_that_were_not_sent() -> None:
    assert around([(0, 10), (20, 30)], (5, 25)) == (5, 5)


def test_a_thousand_scattered_spans_are_kept_and_the_shortest_forgotten() -> None:
    together: list[Span] = []
    for start in range(0, 4000, 4):
        together = merged(together, (start, start + 2))
    assert len(together) == 1000
    assert (10_000, 10_001) not in merged(together, (10_000, 10_001))
    assert (10_000, 10_009) in merged(together, (10_000, 10_009))
