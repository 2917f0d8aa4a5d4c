"""Reading a file through the native scanner: the one loop that verifying, counting, indexing and repairing share."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from recordfs import errors
from recordfs.errors import InternalError
from recordfs.records import read_ahead

if TYPE_CHECKING:
    from collections.abc import Callable

    from recordfs._core import RecordScanner
    from recordfs.errors import DataLossError
    from recordfs.filesystem import RandomAccessFile

__all__ = ["DEFAULT_MAX_RECORD_SIZE", "fault_error", "scan_file"]

DEFAULT_MAX_RECORD_SIZE = 2**31
"""Payloads that claim more bytes than this are corrupt unless the caller knows better."""

CHUNK = 256 * 1024
"""Bytes a read: a call into Python does not count any more, and the bytes are still in the processor's cache."""


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
            is read ahead.
        progress: Called, in this thread, with the offset reached after every 256 KiB to 1 MiB.

    Returns:
        False if a fault has ended the scan; ``scanner.fault`` says which.

    Raises:
        InternalError: The file's ``read_into`` returned what it cannot.
        Whatever reading raises.
    """
    if every_byte and end is not None and read_ahead.pays(file, end - offset):
        return _scan_ahead(file, scanner, offset, end, progress)
    plain = not scanner.compressed
    buffer = bytearray(CHUNK)
    while end is None or offset < end:
        left = CHUNK if end is None else end - offset
        skippable = scanner.skippable
        if end is not None and skippable > CHUNK:
            # Seeking past a payload that is not checked beats reading it. Without a known end it might end inside.
            count = min(skippable, left)
            scanner.skip(count)
        else:
            place = memoryview(buffer)[: min(CHUNK, left)]
            count = file.read_into(offset, place)
            if not 0 <= count <= len(place):
                raise InternalError(f"read_into of {len(place)} bytes returned {count}", path=file.name, offset=offset)
            if count == 0:
                break
            if not scanner.feed(place[:count]):
                return False
            del place
            if read_ahead.is_exported(buffer):
                # The file kept a view, against the contract, and may still write there: leave it the memory.
                buffer = bytearray(CHUNK)
        offset = scanner.position if plain else offset + count
        if progress is not None:
            progress(offset)
    return scanner.finish()


def _scan_ahead(
    file: RandomAccessFile,
    scanner: RecordScanner,
    offset: int,
    end: int,
    progress: Callable[[int], object] | None,
) -> bool:
    """Do the same with chunks that other threads read meanwhile."""
    plain = not scanner.compressed
    while offset < end:
        with closing(read_ahead.chunks_ahead(file, offset, end)) as chunks:
            for chunk in chunks:
                if not scanner.feed(chunk):
                    return False
                fed = offset + len(chunk)
                offset = scanner.position if plain else fed
                if progress is not None:
                    progress(offset)
                if offset != fed:
                    break  # it looks into a broken record, so what was read ahead is not what it wants next
            else:
                break  # all of them, perhaps fewer than expected
    return scanner.finish()


def fault_error(fault: tuple[int, str, str], path: str) -> DataLossError:
    """Return the exception for what a scanner calls a fault."""
    offset, class_name, message = fault
    if offset == 0 and class_name == "CorruptRecordError":
        message += "; this is perhaps no TFRecord file"
    error: DataLossError = getattr(errors, class_name)(message, path=path, offset=offset)
    return error
