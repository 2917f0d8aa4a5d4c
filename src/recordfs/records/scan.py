"""Reading a file through the native scanner: the one loop that verifying, counting, indexing and repairing share."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from recordfs import errors
from recordfs.errors import InternalError, UnimplementedError
from recordfs.records import read_ahead
from recordfs.whole_numbers import whole_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from recordfs._core import RecordScanner
    from recordfs.errors import DataLossError
    from recordfs.filesystem import RandomAccessFile

__all__ = ["DEFAULT_MAX_RECORD_SIZE", "checked_max_record_size", "fault_error", "scan_file", "size_to_scan"]

DEFAULT_MAX_RECORD_SIZE = 2**31
"""Payloads that claim more bytes than this are corrupt unless the caller knows better."""

CHUNK = 256 * 1024
"""Bytes a read: a call into Python does not count any more, and the bytes are still in the processor's cache."""

AHEAD_AFTER = 2 << 20
"""Bytes wanted one after the other after which a local file is read ahead: with nothing to skip, getting bytes out of
the page cache takes longer than looking at them."""


def checked_max_record_size(size: int) -> int:
    """Return the longest payload in bytes that a caller expects; no file has a longer one than a signed number can say.

    Raises:
        TypeError: It is not a whole number.
        InvalidArgumentError: It is negative.
    """
    return min(whole_number(size, "max_record_size"), 2**63 - 1)


def size_to_scan(file: RandomAccessFile) -> int:
    """Return the size in bytes of a file that is to be looked at up to its end.

    Raises:
        UnimplementedError: The file says that it has no bytes and gives some, as those of ``/proc`` do: what is not
            looked at must not count as sound.
    """
    size = file.size()
    if not size and file.read(0, 1) and not (size := file.size()):  # asked again: a writer may just have begun
        raise UnimplementedError(
            "this file reports a size of 0, but is not empty: copy it to one that knows its size, or read it "
            "with RecordReader",
            path=file.name,
        )
    return size


def scan_file(
    file: RandomAccessFile,
    scanner: RecordScanner,
    *,
    offset: int = 0,
    end: int | None = None,
    every_byte: bool = False,
    progress: Callable[[int], object] | None = None,
) -> bool:
    """Feed a file to a scanner.

    Args:
        file: What to read.
        scanner: Takes the bytes. It has to have been made for the same ``offset`` (of a plain file).
        offset: Where in the file to begin.
        end: Where to stop; without it, where the file ends.
        every_byte: Whether the scanner looks at every byte, so that there is nothing to skip: then a large local file
            is read ahead from the beginning, else once it turns out that there is nothing to skip.
        progress: Called, in this thread, with the offset reached after every 256 KiB to 1 MiB.

    Returns:
        False if a fault has ended the scan; ``scanner.fault`` says which.

    Raises:
        InternalError: The file's ``read_into`` returned what it cannot.
        Whatever reading raises.
    """
    scan = _Scan(file, scanner, offset, end, progress)
    # How many bytes were wanted one after the other, with nothing to skip.
    wanted = AHEAD_AFTER if every_byte else 0
    buffer = bytearray(CHUNK)
    while end is None or scan.offset < end:
        if end is not None and wanted >= AHEAD_AFTER and read_ahead.pays(file, end - scan.offset):
            if not scan.feed_ahead(end):
                break
            wanted = 0
            continue
        skippable = scanner.skippable
        if end is not None and skippable > CHUNK:
            # Seeking past a payload that is not checked beats reading it. Without a known end it might end inside.
            scan.skip(min(skippable, end - scan.offset))
            wanted = 0
            continue
        count = scan.feed(buffer)
        if not count:
            break
        wanted += count
        if read_ahead.is_exported(buffer):
            # The file kept a view, against the contract, and may still write there: leave it the memory.
            buffer = bytearray(CHUNK)
    return scanner.fault is None and scanner.finish()


class _Scan:
    """One scan under way: ``offset`` is where in the file the scanner wants to go on."""

    def __init__(
        self,
        file: RandomAccessFile,
        scanner: RecordScanner,
        offset: int,
        end: int | None,
        progress: Callable[[int], object] | None,
    ) -> None:
        self._file = file
        self._scanner = scanner
        self.offset = offset
        self._end = end
        self._progress = progress
        # What is fed to a decompressing scanner says nothing of where it wants to go on.
        self._may_look_back = not scanner.compressed

    def feed(self, buffer: bytearray) -> int:
        """Feed one read; return its size, 0 where the file ends or a fault has ended the scan."""
        # The views are not released here but let go: a file that kept one would make that an error.
        place = memoryview(buffer)[: CHUNK if self._end is None else min(CHUNK, self._end - self.offset)]
        count = self._file.read_into(self.offset, place)
        if not 0 <= count <= len(place):
            raise InternalError(
                f"read_into of {len(place)} bytes returned {count}", path=self._file.name, offset=self.offset
            )
        if not count or not self._scanner.feed(place[:count]):
            return 0
        self._move_on(self.offset + count)
        return count

    def feed_ahead(self, end: int) -> bool:
        """Feed chunks that other threads read meanwhile, as long as the scanner wants one after the other.

        Returns:
            False if the file has ended, or a fault the scan.
        """
        with closing(read_ahead.chunks_ahead(self._file, self.offset, end)) as chunks:
            for chunk in chunks:
                if not self._scanner.feed(chunk):
                    return False
                fed = self.offset + len(chunk)
                self._move_on(fed)
                # It looks into a broken record, or has a long payload to skip: what was read ahead is in vain.
                if self.offset != fed or self._scanner.skippable > CHUNK:
                    return True
        return False

    def skip(self, count: int) -> None:
        """Go past payload that is not checked."""
        self._scanner.skip(count)
        self._move_on(self.offset + count)

    def _move_on(self, offset: int) -> None:
        self.offset = self._scanner.position if self._may_look_back else offset
        if self._progress is not None:
            self._progress(self.offset)


def fault_error(fault: tuple[int, str, str], path: str) -> DataLossError:
    """Return the exception for what a scanner calls a fault."""
    offset, class_name, message = fault
    if offset == 0 and class_name == "CorruptRecordError":
        message += "; this is perhaps no TFRecord file"
    error: DataLossError = getattr(errors, class_name)(message, path=path, offset=offset)
    return error
