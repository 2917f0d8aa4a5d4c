"""The scan of what no index of a file covers: from front to back, some bytes at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs._core import crc32c
from recordfs.events.stored_index import FINGERPRINT_BYTES, StoredIndex
from recordfs.tensorboard.parts import Part, new_scanner

if TYPE_CHECKING:
    from collections.abc import Iterable

    from recordfs._core import EventScanner
    from recordfs.events.index import EventIndex
    from recordfs.filesystem import RandomAccessFile

__all__ = ["FileScan"]


class FileScan:
    """A scan from an offset on. One thread at a time may use it.

    The scanner has been fed the bytes from where the scan began to ``position``. It has no record whole from its own
    ``offset`` on; ``_before`` are the last bytes before that, by which the next feed knows the file again.

    Args:
        begin: Where to begin; a record has to begin there.
        before: The last bytes before that, at most ``FINGERPRINT_BYTES``.

    Attributes:
        position: Every byte before this one was scanned, or stands before ``begin``.
        is_sound: Whether every byte gave an event so far.
    """

    def __init__(self, begin: int = 0, before: bytes = b"") -> None:
        self.position = begin
        self.is_sound = True
        self._begin = self._boundary = begin
        self._before = before
        self._scanner: EventScanner | None = None

    @property
    def held_bytes(self) -> int:
        """How many bytes of events it holds as columns; they take about as much memory."""
        return self._boundary - self._begin

    def feed(
        self, indexes: Iterable[EventIndex], file: RandomAccessFile, end: int, known_bytes: tuple[int, bytes]
    ) -> bool:
        """Scan on.

        The bytes before are read once more: a file that was rewritten is not the old one made longer.

        Args:
            indexes: Of what comes before.
            file: The file.
            end: How far to scan.
            known_bytes: ``(offset, bytes)`` that were read already, up to ``end``; or no bytes.

        Returns:
            False if it is another file.
        """
        if self._scanner is None:
            self._scanner = new_scanner(self._begin, indexes)
        offset, known = known_bytes
        begin = self._boundary - len(self._before)
        if known and begin >= offset:
            data = known[begin - offset : end - offset]
        else:
            [data] = file.read_ranges([(begin, (offset if known else end) - begin)])
            data += known
        if not data.startswith(self._before):
            return False
        self._scanner.feed(data[self.position - begin :])
        self.position = max(self.position, begin + len(data))
        self._boundary = self._scanner.offset
        self._before = data[max(0, self._boundary - begin - FINGERPRINT_BYTES) : self._boundary - begin]
        self.is_sound = not self._scanner.loss_count
        return True

    def part(self, order: int) -> Part:
        """Return what was scanned; ``order`` is added to the order of its points. Something has to have been fed."""
        assert self._scanner is not None
        return Part(self._scanner, order)

    def losses(self) -> str | None:
        """Say what gave no event; None if everything did."""
        if self._scanner is None or self.is_sound:
            return None
        return f"{self._scanner.loss_count} places from byte {self._scanner.losses[0][0]} on give no event"

    def index(self) -> StoredIndex | None:
        """Return an index of what was scanned; None if no event was."""
        record = None if self._scanner is None else self._scanner.encode_index()
        return None if record is None else StoredIndex(self._boundary, crc32c(self._before), record)

    def after_index(self) -> FileScan:
        """Return the scan of what comes after that index."""
        scan = FileScan(self._boundary, self._before)
        scan.position = self._boundary
        return scan
