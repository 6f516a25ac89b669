"""How fast a bundle leaves, and how long the rest will take."""

from dataclasses import dataclass
from datetime import datetime
from math import exp

from portal.quantities import counted, format_size
from retrieval.models import Phase, Retrieval

MEMORY_SECONDS = 10.0
"""About so long what was fast or slow weighs in the rate."""

SILENT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Of a bundle that is being sent: percent, bytes per second (0: not known), seconds left (None: not known), and
    seconds since anything left."""

    percent: int
    rate: float
    seconds_left: float | None
    silent: float

    @property
    def words(self) -> str:
        """As in "45.0 MB/s, about 3 minutes left"."""
        if self.silent > SILENT_SECONDS:
            return f"nothing has left for {counted(round(self.silent), 'second')}"
        if not self.rate:
            return ""
        left = "" if self.seconds_left is None else f", {duration(self.seconds_left)} left"
        return f"{format_size(round(self.rate))}/s{left}"


def paced(rate: float, sent: int, seconds: float) -> float:
    """The rate (bytes per second) after so many bytes left in so many seconds."""
    if seconds <= 0 or not rate:
        return sent / seconds if seconds > 0 else rate
    return rate + (1 - exp(-seconds / MEMORY_SECONDS)) * (sent / seconds - rate)


def of(retrieval: Retrieval, now: datetime) -> Progress | None:
    """How a transfer goes; None where none is under way."""
    if retrieval.phase != Phase.EXECUTING or not retrieval.length:
        return None
    silent = (now - retrieval.heard).total_seconds() if retrieval.heard else 0.0
    rate = retrieval.rate
    left = (retrieval.length - retrieval.bytes_sent) / rate if rate > 0 else None
    return Progress(100 * retrieval.bytes_sent // retrieval.length, rate, left, max(silent, 0.0))


def duration(seconds: float) -> str:
    """``about 3 minutes``: no more exact than it can be known."""
    if seconds < 50:
        return f"about {counted(max(round(seconds / 5) * 5, 5), 'second')}"
    if seconds < 50 * 60:
        return f"about {counted(max(round(seconds / 60), 1), 'minute')}"
    if seconds < 48 * 3600:
        hours = round(seconds / 1800) / 2
        return f"about {hours:g} hour{'' if hours == 1 else 's'}"
    return f"about {counted(round(seconds / 86400), 'day')}"
