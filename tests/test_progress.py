"""How fast and how long: numbers that settle quickly and words that promise no more than is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.progress import Progress, duration, paced


@given(st.integers(1, 10**10), st.lists(st.floats(0.1, 30), min_size=1, max_size=60))
def test_a_steady_stream_has_its_own_rate(rate: int, steps: list[float]) -> None:
    told = 0.0
    for seconds in steps:
        told = paced(told, round(rate * seconds), seconds)
    assert told == pytest.approx(rate, rel=0.1, abs=10)


def test_a_change_is_seen_after_some_ten_seconds() -> None:
    told = 1000.0
    for _ in range(20):
        told = paced(told, 5000, 1)
    assert told == pytest.approx(5000, rel=0.15)


def test_no_time_gives_no_rate() -> None:
    assert paced(7.0, 100, 0) == 7.0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "about 5 seconds"),
        (33, "about 35 seconds"),
        (60, "about 1 minute"),
        (1250, "about 21 minutes"),
        (3600, "about 1 hour"),
        (5000, "about 1.5 hours"),
        (400_000, "about 5 days"),
    ],
)
def test_a_duration_is_no_more_exact_than_it_can_be_known(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_what_is_not_known_is_not_told() -> None:
    assert Progress(0, 0.0, None, 1.0).words == ""
    assert Progress(5, 1e6, 60.0, 1.0).words == "1.0 MB/s, about 1 minute left"
    assert Progress(5, 1e6, 60.0, 100.0).words == "nothing has left for 100 seconds"
