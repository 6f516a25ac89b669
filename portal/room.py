"""Room on the interpreter's stack for pages whose templates nest deeply.

CPython 3.11 keeps its frames in chunks of 16 kB, maps a new chunk when a call does not fit into the last one, and
unmaps it on return. A template that calls thousands of small functions just at such a border maps and unmaps a chunk
for each: measured on the Download Manager, 3,200 page faults and two fifths of the time of a page.
"""

from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

SLOTS: Final = 66_000
"""Of 8 bytes: the chunk is then 1 MB, and as much as this is left for what is called. Untouched, it takes no memory."""


def with_room(call: Callable[P, T]) -> Callable[P, T]:
    """The same function, called from a frame so large that everything below it lies in one chunk."""

    def roomy(*arguments: P.args, **named: P.kwargs) -> T:
        return call(*arguments, **named)

    roomy.__code__ = roomy.__code__.replace(co_stacksize=SLOTS)
    return wraps(call)(roomy)
