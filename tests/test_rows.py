"""Items down to their rows, many at once, against plain lists of each."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap64

from basket.cube import Bools, Counts
from basket.rows import UNKNOWN_SIZE, Opened, Rows

Row = tuple[int, int, int, int | None]
ROW = st.tuples(
    st.integers(1, 2**40),
    st.integers(0, 30),
    st.integers(0, 2**32 - 1),
    st.one_of(st.none(), st.integers(0, 10**12)),
)
MANIFESTS = st.lists(st.lists(ROW, max_size=20, unique_by=lambda row: row[0]), max_size=4)


def packed(*manifests: list[Row]) -> Rows:
    return Rows([_pack(rows) for rows in manifests])


def _pack(rows: list[Row]) -> bytes:
    columns = np.array([(*row[:3], UNKNOWN_SIZE if row[3] is None else row[3]) for row in rows], np.int64)
    return Rows.pack(*columns.reshape(-1, 4).T)


def some(length: int, seed: int) -> Bools:
    """As many booleans, at random."""
    draw = random.Random(seed)
    return np.array([draw.random() < 0.5 for _ in range(length)], np.bool_)


def parts(rows: Rows, column: np.ndarray) -> list[list[object]]:
    """A column cut into the parts of each manifest."""
    return [column[start : start + length].tolist() for start, length in zip(rows.start, rows.length, strict=True)]


def test_a_row_has_the_width_that_the_design_counts_on() -> None:
    assert len(_pack([(1, 2, 3, 4)])) == Rows.WIDTH == 22


@given(MANIFESTS)
def test_rows_come_back_as_they_were_packed(manifests: list[list[Row]]) -> None:
    rows = packed(*manifests)
    columns = (rows.product, rows.signature, rows.exposure, rows.size)
    back = list(zip(*(column.tolist() for column in columns), strict=True))
    expected = [(*row[:3], -1 if row[3] is None else row[3]) for manifest in manifests for row in manifest]
    assert back == expected
    assert rows.place.tolist() == [place for place, manifest in enumerate(manifests) for _ in manifest]


def test_a_signature_that_does_not_fit_is_refused_and_not_cut() -> None:
    with pytest.raises(OverflowError):
        packed([(1, 2**16, 0, 5)])


@given(MANIFESTS, st.integers(0, 99))
def test_bits_come_back_manifest_by_manifest(manifests: list[list[Row]], seed: int) -> None:
    rows = packed(*manifests)
    chosen, wanted = some(len(rows), seed), some(len(manifests), seed + 1)
    blobs = rows.pack_bits(chosen, wanted)
    assert [blob is not None for blob in blobs] == wanted.tolist()
    assert rows.unpack_bits(blobs).tolist() == (chosen & wanted[rows.place]).tolist()


def test_bits_are_stored_most_significant_first_and_each_manifest_begins_a_byte() -> None:
    rows = packed([(number, 0, 0, 1) for number in range(9)], [(1, 0, 0, 1)])
    chosen = np.array([True, *[False] * 7, True, True])
    assert rows.pack_bits(chosen, np.array([True, True])) == [b"\x80\x80", b"\x80"]


@given(MANIFESTS, st.integers(0, 99))
def test_rows_are_found_by_their_products(manifests: list[list[Row]], seed: int) -> None:
    rows = packed(*manifests)
    draw = random.Random(seed)
    every = sorted({row[0] for manifest in manifests for row in manifest})
    sets = [BitMap64(draw.sample(every, len(every) // 2)) for _ in manifests]
    assert rows.among(sets[0] if sets else BitMap64()).tolist() == [
        row[0] in sets[0] for manifest in manifests for row in manifest
    ]
    found = rows.each_among(sets)
    assert parts(rows, found) == [[row[0] in ids for row in one] for one, ids in zip(manifests, sets, strict=True)]
    assert [set(ids) for ids in rows.ids(found)] == [
        {row[0] for row in one} & set(ids) for one, ids in zip(manifests, sets, strict=True)
    ]
    assert rows.any(found).tolist() == [bool(ids) for ids in rows.ids(found)]


@given(MANIFESTS, st.integers(0, 99))
def test_a_tally_is_the_sums_by_signature(manifests: list[list[Row]], seed: int) -> None:
    rows = packed(*manifests)
    among, selected = some(len(rows), seed), some(len(rows), seed + 1)
    expected: dict[tuple[int, int], list[int]] = {}
    flat = [(place, row) for place, manifest in enumerate(manifests) for row in manifest]
    for (place, row), is_in, chosen in zip(flat, among, selected, strict=True):
        if is_in:
            sums = expected.setdefault((place, row[1]), [0, 0, 0, 0])
            amount = row[3] or 0
            for number, add in enumerate((1, chosen, amount, amount * chosen)):
                sums[number] += int(add)
    found = rows.tally(among, selected)
    told = {
        (place, one[0]): list(one)[1:]
        for place, one in zip(found.place.tolist(), found.records.tolist(), strict=True)
    }
    assert told == expected
    assert list(told) == sorted(told), "in order, so that equal items have equal blobs"


def test_sums_of_large_sizes_are_exact() -> None:
    rows = packed([(number, 7, 0, 10**10 + number) for number in range(1000)])
    everything = ~rows.nothing
    assert rows.tally(everything, everything).records["bytes"].tolist() == [1000 * 10**10 + 499500]


@given(MANIFESTS, st.integers(0, 99))
def test_items_open_as_they_were_closed(manifests: list[list[Row]], seed: int) -> None:
    rows = packed(*manifests)
    carried = some(len(rows), seed)
    one = Opened(rows, carried, some(len(rows), seed + 1) & carried)
    counts = one.counts()
    bits = rows.pack_bits(one.selected, counts.any(counts.partial, len(manifests)))
    excluded = rows.pack_bits(~carried, rows.any(~carried))
    again = Opened.unpack(rows, counts, excluded, bits)
    assert again.carried.tolist() == one.carried.tolist()
    assert again.selected.tolist() == one.selected.tolist()


def test_stale_bits_are_ignored_where_a_count_is_whole() -> None:
    rows = packed([(1, 3, 0, 5), (2, 3, 0, 5), (3, 4, 0, 5), (4, 4, 0, 5)])
    [stale] = rows.pack_bits(np.array([True, False, True, False]), np.array([True]))
    records = np.array([(3, 2, 0, 10, 0), (4, 2, 1, 10, 5)], rows.tally(rows.nothing, rows.nothing).records.dtype)
    one = Opened.unpack(rows, Counts.unpack([records.tobytes()]), [None], [stale])
    assert one.selected.tolist() == [False, False, True, False]
