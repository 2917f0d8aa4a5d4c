"""Bytes on their way to or from a store: in memory while they are few, in a temporary file when they become many."""

from __future__ import annotations

import io
import os
import tempfile
from typing import TYPE_CHECKING

from recordfs.open_files.buffers import byte_view

if TYPE_CHECKING:
    from typing import IO

    from typing_extensions import Buffer

__all__ = ["SpooledBytes"]


class SpooledBytes(io.RawIOBase):
    """A file to write and read, which nobody else can name. One thread at a time, but for ``read_at``.

    Two things set it apart from ``tempfile.SpooledTemporaryFile``. Where the disk has no room it loses nothing: what
    it holds stays where it is, and the write can be made again. And it may be read in forked children: no position is
    the system's, which a parent and its children would share.

    Args:
        most_in_memory: Bytes beyond which all of them go to a temporary file, which is made in ``tempfile``'s directory
            and has no name.
    """

    def __init__(self, most_in_memory: int) -> None:
        super().__init__()
        self._most_in_memory = most_in_memory
        self._memory = bytearray()
        self._disk: IO[bytes] | None = None
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def size(self) -> int:
        """Return how many bytes there are."""
        return len(self._memory) if self._disk is None else os.fstat(self._disk.fileno()).st_size

    def read_at(self, offset: int, n: int) -> bytes:
        """Return up to ``n`` bytes from an offset, fewer only at the end; the position stays. Thread-safe."""
        disk = self._disk
        if disk is None:
            with memoryview(self._memory) as view:
                return bytes(view[offset : offset + n])
        parts = []
        left = max(0, min(n, self.size() - offset))
        while left and (part := os.pread(disk.fileno(), left, offset)):
            parts.append(part)
            offset += len(part)
            left -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readinto(self, buffer: Buffer) -> int:
        """Read into a writable buffer and return how many bytes came, 0 at the end."""
        with memoryview(buffer) as given, given.cast("B") as view:
            data = self.read_at(self._position, len(view))
            view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def readall(self) -> bytes:
        """Return everything from the position on."""
        data = self.read_at(self._position, self.size())
        self._position += len(data)
        return data

    def write(self, data: Buffer) -> int:
        """Write all of ``data`` at the position, or raise; the position is then where it was."""
        with byte_view(data) as view:
            end = self._position + len(view)
            if self._disk is None and end > self._most_in_memory:
                self._move_to_disk()
            if self._disk is None:
                self._memory[self._position : end] = view
            else:
                _write_all(self._disk, self._position, view)
            self._position = end
            return len(view)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position and return it."""
        start = (0, self._position, self.size())[whence]
        if start + offset < 0:
            raise ValueError(f"cannot seek to the negative position {start + offset}")
        self._position = start + offset
        return self._position

    def truncate(self, size: int | None = None) -> int:
        """Cut off what lies past ``size``, by default the position, and return it; the position stays."""
        size = self._position if size is None else size
        if self._disk is None:
            del self._memory[size:]
        elif size < self.size():
            os.ftruncate(self._disk.fileno(), size)
        return size

    def close(self) -> None:
        """Let go of the bytes."""
        super().close()
        self._memory = bytearray()
        disk, self._disk = self._disk, None
        if disk is not None:
            disk.close()

    def _move_to_disk(self) -> None:
        disk = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed by close)
        try:
            with memoryview(self._memory) as view:
                _write_all(disk, 0, view)
        except BaseException:
            disk.close()
            raise
        self._disk, self._memory = disk, bytearray()


def _write_all(disk: IO[bytes], offset: int, view: memoryview) -> None:
    done = 0
    while done < len(view):
        with view[done:] as rest:
            done += os.pwrite(disk.fileno(), rest, offset + done)
