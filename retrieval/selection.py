"""Keys in order, packed small: what a retrieval was asked for, from the click until every file has its row."""

import numpy as np

from basket.cube import Blob, Ints
from retrieval.compression import expanded, squeezed


def pack(keys: Ints) -> bytes:
    """Keys of any order; those that follow each other closely, as an observation's do, take a few bits each."""
    return squeezed(np.diff(keys, prepend=np.int64(0)).astype("<i8").tobytes())


def unpack(blob: Blob) -> Ints:
    """The keys that `pack` packed."""
    steps = np.frombuffer(expanded(bytes(blob)), "<i8")
    return np.cumsum(steps, dtype=np.int64)
