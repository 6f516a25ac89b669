"""The bytes of the files that are fetched: made from their numbers, so that nobody has to keep them."""

from functools import lru_cache


@lru_cache(32)
def content(number: int, size: int) -> bytes:
    """So many bytes, which no other number has."""
    return (b"%015d\n" % number * (size // 16 + 1))[:size]
