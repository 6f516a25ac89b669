"""The CRC-32 of two things after each other, from the CRC-32 of each: no byte of them is read again.

A CRC is a remainder of polynomials over two elements, and n more bytes multiply it by x to the power 8n (the method
of crc32_combine in zlib 1.2.12; RFC 1952 8 gives the polynomial). Bit 31 is the coefficient of 1.
"""

from functools import cache

_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31
_X8 = 1 << 23


def combined(first: int, second: int, size: int) -> int:
    """Return the CRC-32 of one thing and then another of `size` bytes, whose CRC-32s are `first` and `second`."""
    power = 0
    while size:
        if size & 1:
            first = _product(_shift(power), first)
        size >>= 1
        power += 1
    return first ^ second


@cache
def _shift(power: int) -> int:
    """Return x to the power ``8 * 2**power``."""
    if not power:
        return _X8
    half = _shift(power - 1)
    return _product(half, half)


def _product(one: int, other: int) -> int:
    product = 0
    while one:
        if one & _ONE:
            product ^= other
        one = one << 1 & 0xFFFFFFFF
        other = other >> 1 ^ (_POLYNOMIAL if other & 1 else 0)
    return product
