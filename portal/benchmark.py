"""What a benchmark tells, and how things are timed fairly: in turns, so that whatever else the machine does hits all
of them alike. Figures are ratios to something measured in the same run; absolute times are notes."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from django.db import connections
from django.test.utils import setup_databases, teardown_databases


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `met` is None where there is no goal."""

    what: str
    value: float
    goal: str = ""
    met: bool | None = None
    note: str = ""


def at_most(what: str, value: float, most: float, note: str = "") -> Figure:
    """A figure that should not be larger."""
    return Figure(what, value, f"≤ {most:g}", value <= most, note)


def at_least(what: str, value: float, least: float, note: str = "") -> Figure:
    """A figure that should not be smaller."""
    return Figure(what, value, f"≥ {least:g}", value >= least, note)


def medians(rounds: int, contestants: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of each, the median of so many rounds; in each round every contestant has its turn once."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, call in contestants.items():
            start = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - start)
    return {name: median(seconds) for name, seconds in taken.items()}


@contextmanager
def scratch_database() -> Iterator[None]:
    """An empty database with every table, on the configured server, for as long as it is needed."""
    old = setup_databases(verbosity=0, interactive=False)
    try:
        yield
    finally:
        connections.close_all()
        teardown_databases(old, verbosity=0)
