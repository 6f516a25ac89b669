"""The compressor of this installation: ISA-L, ten times as fast as zlib at about the same size.

Remembered sizes of what it made hold only as long as it makes the same bytes again, so its name has in it whatever
might change them: version, level, and what it made of a probe, as ISA-L has code of its own for each kind of processor.
"""

import random
import zlib
from functools import cache
from typing import cast

from isal import ISAL_VERSION, isal_zlib

from retrieval.gzplan import Compressor

LEVEL = 1
_FAST = 1
_DAMAGED = cast("type[Exception]", isal_zlib.error)
_PROBE_BYTES = 1 << 18


def new() -> Compressor:
    """A compressor of raw deflate (RFC 1951)."""
    return isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, -15)


@cache
def name() -> str:
    """What deflates here; another name wherever other bytes might come out."""
    compressor = new()
    made = compressor.compress(_probe()) + compressor.flush()
    return f"isa-l {ISAL_VERSION} level {LEVEL} {zlib.crc32(made):08x}"


def squeezed(data: bytes) -> bytes:
    """The data in the zlib format (RFC 1950), whose checksum shows damage."""
    return isal_zlib.compress(data, level=_FAST)


def expanded(data: bytes) -> bytes:
    """What `squeezed` was given. Raises ValueError when it is damaged."""
    try:
        return isal_zlib.decompress(data)
    except _DAMAGED as error:
        raise ValueError(f"damaged: {error}") from error


def _probe() -> bytes:
    """Noise, text, and numbers with a noisy low half, as files of the archive have them."""
    noise = random.Random(1).randbytes(_PROBE_BYTES)  # noqa: S311  # always the same
    half = bytearray(noise)
    half[::2] = bytes(len(half[::2]))
    return noise[: _PROBE_BYTES // 4] + bytes(half) + b"SIMPLE  =                    T / conforms" * 2000
