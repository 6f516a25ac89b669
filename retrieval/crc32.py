"""The CRC-32 of two things after each other, from the CRC-32 of each: no byte of them is read again.

A CRC is a remainder of polynomials over the field of two elements, and n more bytes multiply it by x to the power 8n
(the method of crc32_combine in zlib; RFC 1952 8 gives the polynomial). Bit 31 is the coefficient of 1.
"""

from array import array
from functools import cache

_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31
_X8 = 1 << 23


def combined(first: int, second: int, size: int) -> int:
    """Return the CRC-32 of one thing and then another of `size` bytes, whose CRC-32s are `first` and `second`."""
    power = 0
    while size:
        if size & 1:
            a, b, c, d = _tables(power)
            first = a[first & 255] ^ b[first >> 8 & 255] ^ c[first >> 16 & 255] ^ d[first >> 24]
        size >>= 1
        power += 1
    return first ^ second


@cache
def _tables(power: int) -> list["array[int]"]:
    """Return the products of each of the four bytes with x to the power ``8 * 2**power``: 16 times as fast."""
    tables = []
    for byte in range(4):
        table = array("I", [0])
        for bit in range(8):
            image = _product(1 << 8 * byte + bit, _shift(power))
            table += array("I", [image ^ entry for entry in table])
        tables.append(table)
    return tables


@cache
def _shift(power: int) -> int:
    half = _shift(power - 1) if power else 0
    return _product(half, half) if power else _X8


def _product(one: int, other: int) -> int:
    product = 0
    while one:
        if one & _ONE:
            product ^= other
        one = one << 1 & 0xFFFFFFFF
        other = other >> 1 ^ (_POLYNOMIAL if other & 1 else 0)
    return product
