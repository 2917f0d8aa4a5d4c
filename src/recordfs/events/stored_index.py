"""Indexes that stand outside of the event files that they are of: in the local cache, or beside the files.

``recordfs events index`` puts one beside a file that has none, such as torch's. Its name does not contain the word by
which TensorBoard knows event files. What it is of is told by the bytes that the file has where the index ends.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, NamedTuple

from recordfs._core import crc32c
from recordfs.errors import DataLossError
from recordfs.events.index import TAIL_SIZE, EventIndex
from recordfs.records.stored_index_names import STORED_INDEX_PREFIX, stored_index_path

if TYPE_CHECKING:
    from recordfs.filesystem import RandomAccessFile

__all__ = ["STORED_INDEX_PREFIX", "IndexInFile", "StoredIndex", "fingerprint_of", "stored_index_path"]

MAGIC = b"RFSEVC01"
_HEADER = struct.Struct("<8sQI32s")
"""Magic, how many bytes of the event file the index covers, their fingerprint, the SHA-256 of the index's record."""

FINGERPRINT_BYTES = 4096


class StoredIndex(NamedTuple):
    """An index and what it is of.

    Attributes:
        covered: How many bytes of the event file it covers.
        fingerprint: The CRC-32C of the last 4 KiB of these.
        record: The record of the index, as if it stood in the file after these bytes.
    """

    covered: int
    fingerprint: int
    record: bytes

    def encode(self) -> bytes:
        """Return the bytes of a file that holds it."""
        digest = hashlib.sha256(self.record).digest()
        return _HEADER.pack(MAGIC, self.covered, self.fingerprint, digest) + self.record

    @classmethod
    def decode(cls, content: bytes) -> StoredIndex:
        """Read it from the bytes of a file.

        Raises:
            DataLossError: They are none.
        """
        if len(content) >= _HEADER.size:
            magic, covered, fingerprint, digest = _HEADER.unpack_from(content)
            record = content[_HEADER.size :]
            if magic == MAGIC and digest == hashlib.sha256(record).digest():
                return cls(covered, fingerprint, record)
        raise DataLossError("this is not the index of an event file, or it is incomplete")

    def event_index(self) -> EventIndex | None:
        """Return what the record says; None if it is not an index.

        Raises:
            DataLossError: It is damaged.
        """
        found = EventIndex.from_tail(self.record, self.covered + len(self.record))
        return found if isinstance(found, EventIndex) else None

    def is_of(self, file: RandomAccessFile) -> bool:
        """Tell whether a file begins with the bytes that the index is of."""
        return fingerprint_of(file, self.covered) == self.fingerprint

    def read_ranges(self, ranges: list[tuple[int, int]]) -> list[bytes]:
        """Return byte ranges of the event file as if it held the index; only such as lie in the index."""
        return [self.record[offset - self.covered : offset - self.covered + length] for offset, length in ranges]


class IndexInFile(NamedTuple):
    """A stored index that stays in its file: what is asked for is read from there, a block at a time.

    The blocks of an index have checksums of their own, so that the digest of the whole need not be checked.

    Attributes:
        covered: As in StoredIndex.
        fingerprint: As in StoredIndex.
        event_index: What the record says.
    """

    covered: int
    fingerprint: int
    event_index: EventIndex

    @classmethod
    def read(cls, file: RandomAccessFile, size: int) -> IndexInFile:
        """Read the directory of an index from the file of this size that holds it.

        Raises:
            DataLossError: The file is not an index, or not whole.
            Otherwise as reading does.
        """
        tail_offset = max(_HEADER.size, size - TAIL_SIZE)
        head, tail = file.read_ranges([(0, _HEADER.size), (tail_offset, max(0, size - tail_offset))])
        if len(head) < _HEADER.size or not head.startswith(MAGIC) or tail_offset + len(tail) != size:
            raise DataLossError("this is not the index of an event file, or it is incomplete", path=file.name)
        _, covered, fingerprint, _ = _HEADER.unpack(head)
        found = EventIndex.from_tail(tail, covered + size - _HEADER.size)
        if found is not None and not isinstance(found, EventIndex):
            begin = cls.place_of(covered, found.rows_offset)
            [block] = file.read_ranges([(begin, found.directory_end - found.rows_offset)])
            found = EventIndex(block, found)
        if found is None or found.unindexed:
            raise DataLossError("the index of an event file is incomplete", path=file.name)
        return cls(covered, fingerprint, found)

    @staticmethod
    def place_of(covered: int, offset: int) -> int:
        """Return where in its file a byte of an index stands, by its offset as if it stood in the event file."""
        return _HEADER.size + offset - covered


def fingerprint_of(file: RandomAccessFile, covered: int) -> int | None:
    """Return the fingerprint of the first bytes of a file; None if it has fewer."""
    begin = max(0, covered - FINGERPRINT_BYTES)
    data = file.read(begin, covered - begin)
    return crc32c(data) if len(data) == covered - begin else None
