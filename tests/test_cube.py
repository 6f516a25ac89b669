"""The arithmetic of a basket, against sums over plain lists."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap64

from basket.cube import (
    FACET_COUNT,
    MISSION_COUNT,
    Cube,
    Opened,
    Rows,
    array_of,
    choose,
    fit,
    ids_of,
    pack_bits,
    pack_ids,
    partial,
    tally,
    unpack_bits,
    unpack_counts,
    unpack_ids,
)

ROW = st.tuples(
    st.integers(1, 2**40),
    st.integers(0, 30),
    st.integers(0, 2**32 - 1),
    st.one_of(st.none(), st.integers(0, 10**12)),
)
LISTS = st.lists(ROW, max_size=40, unique_by=lambda row: row[0])


def some(length: int, seed: int) -> np.ndarray:
    """As many booleans, at random."""
    draw = random.Random(seed)
    return np.array([draw.random() < 0.5 for _ in range(length)], np.bool_)


def counts(*records: tuple[int, int, int, int, int]) -> np.ndarray:
    return np.array(list(records), FACET_COUNT)


def test_blobs_have_the_widths_that_the_design_counts_on() -> None:
    assert (FACET_COUNT.itemsize, MISSION_COUNT.itemsize, len(Rows.pack([(1, 2, 3, 4)]))) == (26, 32, Rows.WIDTH)


@given(LISTS)
def test_rows_come_back_as_they_were_packed(rows: list[tuple[int, int, int, int | None]]) -> None:
    unpacked = Rows.unpack(Rows.pack(rows))
    columns = (unpacked.product, unpacked.signature, unpacked.exposure, unpacked.size)
    back = list(zip(*(column.tolist() for column in columns), strict=True))
    assert back == [(*row[:3], -1 if row[3] is None else row[3]) for row in rows]


def test_a_signature_that_does_not_fit_is_refused_and_not_cut() -> None:
    with pytest.raises(OverflowError):
        Rows.pack([(1, 2**16, 0, 5)])


@given(st.sets(st.integers(0, 2**50), max_size=60))
def test_sets_of_ids_come_back_and_nothing_is_an_empty_blob(ids: set[int]) -> None:
    assert set(unpack_ids(pack_ids(BitMap64(ids)))) == ids
    assert bool(pack_ids(BitMap64(ids))) == bool(ids)
    assert array_of(ids_of(np.array(sorted(ids), np.int64))).tolist() == sorted(ids)


def test_bits_are_stored_most_significant_first() -> None:
    rows = np.array([True, False, False, False, False, False, False, False, True], np.bool_)
    assert pack_bits(rows) == b"\x80\x80"
    assert unpack_bits(b"\x80\x80", 9).tolist() == rows.tolist()


@given(LISTS, st.integers(0, 99))
def test_a_tally_is_the_sums_by_signature(rows: list[tuple[int, int, int, int | None]], seed: int) -> None:
    among, selected = some(len(rows), seed), some(len(rows), seed + 1)
    expected: dict[int, list[int]] = {}
    for row, is_in, chosen in zip(rows, among, selected, strict=True):
        if is_in:
            sums = expected.setdefault(row[1], [0, 0, 0, 0])
            amount = row[3] or 0
            for place, add in enumerate((1, chosen, amount, amount * chosen)):
                sums[place] += int(add)
    found = tally(Rows.unpack(Rows.pack(rows)), among, selected)
    assert {one[0]: list(one)[1:] for one in found.tolist()} == expected


def test_sums_of_large_sizes_are_exact() -> None:
    rows = Rows.unpack(Rows.pack((number, 7, 0, 10**10 + number) for number in range(1000)))
    everything = np.ones(1000, np.bool_)
    assert tally(rows, everything, everything)["bytes"].tolist() == [1000 * 10**10 + 499500]


@given(LISTS, st.integers(0, 99))
def test_an_item_opens_as_it_was_closed(rows: list[tuple[int, int, int, int | None]], seed: int) -> None:
    unpacked = Rows.unpack(Rows.pack(rows))
    carried = some(len(rows), seed)
    one = Opened(unpacked, carried, some(len(rows), seed + 1) & carried)
    bits = pack_bits(one.selected) if partial(one.counts()).any() else None
    again = Opened.unpack(unpacked, one.counts(), pack_bits(~carried), bits)
    assert again.carried.tolist() == one.carried.tolist()
    assert again.selected.tolist() == one.selected.tolist()


def test_stale_bits_are_ignored_where_a_count_is_whole() -> None:
    rows = Rows.unpack(Rows.pack([(1, 3, 0, 5), (2, 3, 0, 5), (3, 4, 0, 5), (4, 4, 0, 5)]))
    stale = pack_bits(np.array([True, False, True, False]))
    one = Opened.unpack(rows, counts((3, 2, 0, 10, 0), (4, 2, 1, 10, 5)), None, stale)
    assert one.selected.tolist() == [False, False, True, False]


def test_choosing_changes_only_the_counts_in_scope() -> None:
    before = counts((1, 4, 2, 40, 20), (2, 3, 1, 30, 10))
    after = choose(before, np.array([True, False]), value=True)
    assert after.tolist() == [(1, 4, 4, 40, 40), (2, 3, 1, 30, 10)]
    assert choose(before, np.array([True, True]), value=False)["selected_files"].tolist() == [0, 0]


def test_counts_of_two_missions_are_kept_apart() -> None:
    cube = Cube.unpack(b"", 2)
    cube.shift(0, counts(), counts((5, 4, 0, 40, 0)))
    cube.shift(1, counts(), counts((5, 1, 1, 7, 7)))
    assert cube.sums() == {"files": 5, "selected_files": 1, "bytes": 47, "selected_bytes": 7}
    again = Cube.unpack(cube.pack(), 2)
    assert again.cells.tolist() == cube.cells.tolist()
    assert len(cube.pack()) == 2 * MISSION_COUNT.itemsize


def test_a_bulk_selection_reaches_items_that_have_not_heard_of_it_and_no_others() -> None:
    cube = Cube.unpack(b"", 1)
    cube.shift(0, counts(), counts((5, 8, 0, 80, 0), (6, 8, 0, 80, 0)))
    cube.note(0, fit(np.array([False] * 5 + [True]), 7), 3, value=True)
    item = counts((5, 4, 1, 40, 10), (6, 4, 1, 40, 10))
    assert cube.settle(item, 0, 2)["selected_files"].tolist() == [4, 1]
    assert cube.settle(item, 0, 3)["selected_files"].tolist() == [1, 1]
    assert cube.sums()["selected_files"] == 8


def test_a_bulk_selection_of_one_mission_leaves_the_other_alone() -> None:
    cube = Cube.unpack(b"", 2)
    cube.shift(0, counts(), counts((5, 4, 0, 40, 0)))
    cube.shift(1, counts(), counts((5, 3, 0, 30, 0)))
    cube.note(1, fit(np.ones(6, np.bool_), 6), 1, value=True)
    assert cube.settle(counts((5, 4, 0, 40, 0)), 0, 0)["selected_files"].tolist() == [0]
    assert cube.sums()["selected_files"] == 3


def test_an_entry_without_files_is_dropped_when_packed() -> None:
    cube = Cube.unpack(b"", 1)
    cube.shift(0, counts(), counts((5, 4, 0, 40, 0)))
    cube.shift(0, counts((5, 4, 0, 40, 0)), counts())
    assert cube.pack() == b""


def test_a_mask_of_another_length_lets_nothing_unknown_through() -> None:
    assert fit(np.array([True]), 3).tolist() == [True, False, False]
    assert fit(np.array([True, True]), 1).tolist() == [True]


def test_counts_of_an_empty_item_are_no_counts() -> None:
    assert len(unpack_counts(b"")) == 0
    assert Cube.unpack(b"", 0).settle(unpack_counts(b""), 0, 0).tolist() == []
