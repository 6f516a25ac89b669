"""The CRC-32 of two things after each other is the one zlib computes from their bytes."""

import zlib

from hypothesis import given
from hypothesis import strategies as st

from retrieval.crc32 import combined
from tests.zips import zeros_crc32


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_the_crc_of_two_things_is_that_of_their_bytes(one: bytes, two: bytes) -> None:
    assert combined(zlib.crc32(one), zlib.crc32(two), len(two)) == zlib.crc32(one + two)


@given(st.binary(max_size=300), st.integers(0, 1 << 22))
def test_a_long_second_thing_counts_by_its_length(one: bytes, size: int) -> None:
    assert combined(zlib.crc32(one), zeros_crc32(size), size) == zeros_crc32(size, zlib.crc32(one))


@given(st.binary(), st.integers(0, 1 << 60), st.integers(0, 1 << 60))
def test_lengths_add_up_past_what_can_be_read(one: bytes, first: int, second: int) -> None:
    crc = zlib.crc32(one)
    assert combined(combined(crc, 0, first), 0, second) == combined(crc, 0, first + second)
