"""Byte ranges: what a client asks for, and what has left."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.ranges import Span, Unsatisfiable, around, covered, merged, requested

SPANS = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (min(pair), max(pair)))


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 20)),
        ("bytes=10-", (10, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=90-1000", (90, 100)),
        ("Bytes = 5-6", (5, 7)),
    ],
)
def test_a_single_range_is_understood(header: str, span: Span) -> None:
    assert requested(header, 100) == span


@pytest.mark.parametrize(
    "header", ["", "bytes=", "bytes=-", "bytes=5-4", "bytes=0-1,5-6", "lines=0-1", "bytes=a-b", "bytes=٣-٤", "0-1"]
)
def test_what_is_no_single_range_asks_for_the_whole(header: str) -> None:
    assert requested(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", f"bytes={10**17}-"])
def test_a_range_behind_the_end_cannot_be_satisfied(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        requested(header, 100)


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
