"""One data file that is being written: appends tensors and tells where each lies and what its checksum is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs._core import bundle_strings_header, crc32c_of_still_memory, mask_crc32c, masked_crc32c
from recordfs.checkpoint.array_memory import byte_view_of
from recordfs.checkpoint.publishing import make_durable, open_for_publishing
from recordfs.checkpoint.replacement import delete_if_there, statistics_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from recordfs.checkpoint.array_reader import Array
    from recordfs.checkpoint.replacement import Replacement
    from recordfs.filesystem import FileSystem

__all__ = ["DataWriter", "Place"]

Place = tuple[int, int, int, int]
"""Data file, offset, size in bytes, masked checksum: what an entry of the index says."""

_PIECE = 1 << 20
"""Bytes that are checked and then appended at once: few enough to be in the cache for both."""

_SMALL = 32 << 10
"""Tensors below this many bytes are gathered and appended together."""

_GATHERED = 256 << 10
"""Bytes that are gathered."""


class DataWriter:
    """Writes one data file, to replace what is there now and nothing that comes later. One thread at a time.

    Args:
        file_system: Serves the path.
        path: The file.
        shard: Its number.
        alignment: Every tensor begins at a multiple of this many bytes.
        replacement: Where what is there goes.
    """

    def __init__(
        self, file_system: FileSystem, path: str, shard: int, *, alignment: int, replacement: Replacement
    ) -> None:
        self._file_system = file_system
        self._path = path
        self._shard = shard
        self._alignment = alignment
        self._replacement = replacement
        self._replaced = statistics_of(file_system, path)
        written = replacement.path_to_write(path, self._replaced)
        self._file = open_for_publishing(file_system, written, exclusive=self._replaced is None)
        self._appended = self._file.tell()
        self._gathered: list[bytes] = []
        self._gathered_size = 0

    @property
    def shard(self) -> int:
        """The file's number."""
        return self._shard

    @property
    def size(self) -> int:
        """The bytes taken so far."""
        return self._appended + self._gathered_size

    def append_array(self, array: Array) -> Place:
        """Append a contiguous array of the processor's byte order."""
        offset = self._begin()
        size = array.nbytes
        if size < _SMALL:
            data = array.tobytes()
            self._gather(data)
            return (self._shard, offset, size, masked_crc32c(data))
        self.hand_on()
        crc = 0
        try:
            with byte_view_of(array) as view:
                for start in range(0, size, _PIECE):
                    with view[start : start + _PIECE] as piece:
                        crc = crc32c_of_still_memory(piece, crc)
                        self._file.append(piece)
        finally:
            # After a failure in the middle the pieces before it stay as a gap, which is legal.
            self._appended = self._file.tell()
        return (self._shard, offset, size, mask_crc32c(crc))

    def append_joined(self, data: bytes, note: Callable[[int], object]) -> None:
        """Append small tensors that lie one after the other.

        Args:
            data: Their bytes.
            note: Called with the offset of the first before they are taken. If it raises, they are not.
        """
        if self._gathered_size + len(data) >= _GATHERED:
            self.hand_on()
        note(self.size)
        self._gathered.append(data)
        self._gathered_size += len(data)

    def append_strings(self, elements: list[bytes]) -> Place:
        """Append a string tensor."""
        offset = self._begin()
        header, size, crc = bundle_strings_header(elements)
        for data in (header, *elements):
            self._gather(data)
        return (self._shard, offset, size, crc)

    def _begin(self) -> int:
        """Return where the next tensor begins, after the zeros that its alignment needs."""
        if self._alignment > 1:
            gap = -self.size % self._alignment
            if gap:
                self._gather(bytes(gap))
        return self.size

    def _gather(self, data: bytes) -> None:
        self._gathered.append(data)
        self._gathered_size += len(data)
        if self._gathered_size >= _GATHERED:
            self.hand_on()

    def hand_on(self) -> None:
        """Append what was gathered. What cannot be appended stays gathered."""
        if self._gathered:
            self._file.append(b"".join(self._gathered))
            self._appended = self._file.tell()
            self._gathered.clear()
            self._gathered_size = 0

    def finish(self, *, durable: bool) -> None:
        """Hand everything to the filesystem, to stay if it can promise that; nothing is published yet."""
        self.hand_on()
        if durable:
            make_durable(self._file_system, self._file)

    def publish(self) -> None:
        """Make the file visible under its name.

        Raises:
            AlreadyExistsError: Another saver published a file of that name meanwhile.
        """
        self._replacement.publish(self._file, self._path, self._replaced)

    def discard(self) -> None:
        """Let go of the file. Where it cannot vanish, what is left is data that no index leads to."""
        if self._file.atomic:
            self._file.discard()
        else:
            self._file.close()
        if self._file.name != self._path:  # closed, perhaps, and not in its place
            delete_if_there(self._file_system, self._file.name)
