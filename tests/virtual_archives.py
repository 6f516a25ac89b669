"""Virtual archives for tests: held in memory, written to disk with holes for members, or only imagined."""

import io
from collections.abc import Mapping
from pathlib import Path

from retrieval.virtual import FileRange, VirtualArchive


def read(plan: VirtualArchive, files: Mapping[str, bytes], start: int = 0, stop: int | None = None) -> bytes:
    contents = list(files.values())
    return b"".join(
        contents[piece.index][piece.offset : piece.offset + piece.length]
        if isinstance(piece, FileRange)
        else piece
        for piece in plan.segments(start, stop)
    )


def written(plan: VirtualArchive, path: Path, contents: Mapping[int, bytes]) -> Path:
    """The archive on disk; members that `contents` does not hold are holes, read as zeros."""
    with path.open("wb") as file:
        for piece in plan.segments():
            if isinstance(piece, bytes):
                file.write(piece)
            elif piece.index in contents:
                file.write(contents[piece.index][piece.offset : piece.offset + piece.length])
            else:
                file.seek(piece.length, io.SEEK_CUR)
    return path


class Imagined(io.RawIOBase):
    """The archive as a seekable file that is nowhere: members are zeros, whatever their size."""

    def __init__(self, plan: VirtualArchive) -> None:
        self.plan, self.at = plan, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.plan.length}[whence]
        if at < 0:
            raise OSError("before the beginning")
        self.at = at
        return self.at

    def tell(self) -> int:
        return self.at

    def read(self, size: int | None = -1) -> bytes:
        stop = self.plan.length if size is None or size < 0 else min(self.at + size, self.plan.length)
        pieces = self.plan.segments(min(self.at, stop), stop)
        data = b"".join(bytes(one.length) if isinstance(one, FileRange) else one for one in pieces)
        self.at += len(data)
        return data
