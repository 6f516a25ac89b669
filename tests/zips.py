"""Zips for tests: how they are planned, and the CRC-32 of their holes."""

import zlib
from collections.abc import Mapping

from retrieval.zipplan import Inline, Member, ZipPlan


def planned(files: Mapping[str, bytes], tail: Mapping[str, bytes] | None = None) -> ZipPlan:
    members = [Member(path, len(data), zlib.crc32(data)) for path, data in files.items()]
    return ZipPlan(members, [Inline(path, data) for path, data in (tail or {}).items()])


def zeros_crc32(size: int, crc: int = 0) -> int:
    block = bytes(1 << 20)
    for _ in range(size >> 20):
        crc = zlib.crc32(block, crc)
    return zlib.crc32(bytes(size & 0xFFFFF), crc)
