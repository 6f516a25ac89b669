"""The arithmetic of a basket: counts of many items at once, against sums over plain lists."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap64

from basket.cube import (
    FACET_COUNT,
    MISSION_COUNT,
    Counts,
    Cube,
    Ints,
    array_of,
    fit,
    ids_of,
    pack_ids,
    unpack_ids,
)

Record = tuple[int, int, int, int, int]
ITEMS = st.lists(
    st.dictionaries(st.integers(0, 300), st.tuples(st.integers(1, 9), st.integers(0, 10**12)), max_size=5),
    max_size=6,
)


def counts(*items: list[Record]) -> Counts:
    """Counts of items, each (signature, files, selected files, bytes, selected bytes)."""
    return Counts.unpack([np.array(records, FACET_COUNT).tobytes() for records in items])


def missions(*numbers: int) -> Ints:
    return np.array(numbers, np.int64)


def selected(one: Counts) -> list[int]:
    found: list[int] = one.records["selected_files"].tolist()
    return found


def test_blobs_have_the_widths_that_the_design_counts_on() -> None:
    assert (FACET_COUNT.itemsize, MISSION_COUNT.itemsize) == (26, 32)


@given(st.sets(st.integers(0, 2**50), max_size=60))
def test_sets_of_ids_come_back_and_nothing_is_an_empty_blob(ids: set[int]) -> None:
    assert set(unpack_ids(pack_ids(BitMap64(ids)))) == ids
    assert bool(pack_ids(BitMap64(ids))) == bool(ids)
    assert array_of(ids_of(np.array(sorted(ids), np.int64))).tolist() == sorted(ids)


@given(ITEMS)
def test_counts_of_many_items_are_the_counts_of_each(items: list[dict[int, tuple[int, int]]]) -> None:
    blobs = [
        np.array(
            [(key, files, files // 2, size, size // 2) for key, (files, size) in sorted(one.items())], FACET_COUNT
        )
        for one in items
    ]
    together = Counts.unpack([blob.tobytes() for blob in blobs])
    assert together.pack(len(items)) == [blob.tobytes() for blob in blobs]
    sums = together.sums(len(items))
    assert sums["files"].tolist() == [int(blob["files"].sum()) for blob in blobs]
    assert sums["selected_bytes"].tolist() == [int(blob["selected_bytes"].sum()) for blob in blobs]
    some = together.records["files"] > 4
    assert together.only(some).sums(len(items))["files"].tolist() == [
        int(blob["files"][blob["files"] > 4].sum()) for blob in blobs
    ]
    assert together.any(some, len(items)).tolist() == [bool((blob["files"] > 4).any()) for blob in blobs]
    places = list(range(0, len(items), 2))[::-1]
    assert together.of(places, len(items)).pack(len(places)) == [blobs[place].tobytes() for place in places]
    is_in = together.spread(some, len(items))
    for place, blob in enumerate(blobs):
        for signature in range(0, 301, 7):
            wanted = signature in blob["signature"][blob["files"] > 4]
            assert is_in(np.array([place]), np.array([signature], np.uint16)).tolist() == [wanted]


def test_choosing_changes_only_the_counts_in_scope() -> None:
    before = counts([(1, 4, 2, 40, 20)], [(2, 3, 1, 30, 10)])
    after = before.choose(np.array([True, False]), value=True)
    assert after.records.tolist() == [(1, 4, 4, 40, 40), (2, 3, 1, 30, 10)]
    assert selected(before.choose(np.array([True, True]), value=False)) == [0, 0]
    assert after.partial.tolist() == [False, True]


def test_counts_of_two_missions_are_kept_apart() -> None:
    cube = Cube.unpack(b"", 2)
    cube.enter(missions(0, 1), counts([(5, 4, 0, 40, 0)], [(5, 1, 1, 7, 7)]))
    assert cube.sums() == {"files": 5, "selected_files": 1, "bytes": 47, "selected_bytes": 7}
    again = Cube.unpack(cube.pack(), 2)
    assert again.cells.tolist() == cube.cells.tolist()
    assert len(cube.pack()) == 2 * MISSION_COUNT.itemsize


def test_items_of_one_mission_and_signature_add_up() -> None:
    cube = Cube.unpack(b"", 1)
    cube.enter(missions(0, 0, 0), counts(*[[(5, 1, 1, 2**40, 7)]] * 3))
    assert cube.sums() == {"files": 3, "selected_files": 3, "bytes": 3 * 2**40, "selected_bytes": 21}


def test_a_bulk_selection_reaches_items_that_have_not_heard_of_it_and_no_others() -> None:
    cube = Cube.unpack(b"", 1)
    cube.enter(missions(0), counts([(5, 8, 0, 80, 0), (6, 8, 0, 80, 0)]))
    cube.note(0, fit(np.array([False] * 5 + [True]), 7), 3, value=True)
    items = counts([(5, 4, 1, 40, 10), (6, 4, 1, 40, 10)], [(5, 4, 1, 40, 10)])
    assert selected(cube.settle(items, missions(0, 0), missions(2, 3))) == [4, 1, 1]
    assert selected(cube.settle(items, missions(0, 0), missions(3, 2))) == [1, 1, 4]
    assert cube.sums()["selected_files"] == 8


def test_a_bulk_selection_of_one_mission_leaves_the_other_alone() -> None:
    cube = Cube.unpack(b"", 2)
    cube.enter(missions(0, 1), counts([(5, 4, 0, 40, 0)], [(5, 3, 0, 30, 0)]))
    cube.note(1, fit(np.ones(6, np.bool_), 6), 1, value=True)
    assert selected(cube.settle(counts([(5, 4, 0, 40, 0)]), missions(0), missions(0))) == [0]
    assert cube.sums()["selected_files"] == 3


def test_an_entry_without_files_is_dropped_when_packed() -> None:
    cube = Cube.unpack(b"", 1)
    cube.enter(missions(0), counts([(5, 4, 0, 40, 0)]))
    cube.leave(missions(0), counts([(5, 4, 0, 40, 0)]))
    assert cube.pack() == b""


def test_a_mask_of_another_length_lets_nothing_unknown_through() -> None:
    assert fit(np.array([True]), 3).tolist() == [True, False, False]
    assert fit(np.array([True, True]), 1).tolist() == [True]


def test_counts_of_no_items_and_of_empty_ones_are_no_counts() -> None:
    for blobs in ([], [b"", b""]):
        one = Counts.unpack(blobs)
        assert len(one.records) == 0
        assert one.pack(len(blobs)) == blobs
        assert Cube.unpack(b"", 0).settle(one, missions(0, 0), missions(0, 0)).records.tolist() == []
