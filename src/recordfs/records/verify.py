"""Checking a record file from end to end: how much is in it, and exactly where and how it is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs._core import COMPRESSION_PREFIX_SIZE, RecordScanner
from recordfs._core import detect_compression as detect_from_prefix
from recordfs.errors import TruncatedRecordError
from recordfs.records.compression import compression_name, detect_compression
from recordfs.records.scan import (
    CHUNK,
    DEFAULT_MAX_RECORD_SIZE,
    checked_max_record_size,
    fault_error,
    scan_file,
    size_to_scan,
)
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from recordfs.errors import DataLossError
    from recordfs.filesystem import FileSystem, RandomAccessFile
    from recordfs.paths import PathInput

__all__ = ["Count", "LostRange", "VerifyReport", "count_as_far_as_written", "count_records", "verify_file"]


class LostRange(NamedTuple):
    """Bytes of a file that hold no sound record.

    Attributes:
        offset: Where the broken record begins, in bytes of the uncompressed stream.
        end: Where the next sound record begins, or the stream ends.
        error: What is wrong, with ``path`` and ``offset``: a TruncatedRecordError, a CorruptRecordError, or another
            DataLossError for damage to the compression, after which nothing can be read.
    """

    offset: int
    end: int
    error: DataLossError


class VerifyReport(NamedTuple):
    """What a record file holds, and what it lost.

    Attributes:
        path: The file.
        file_size: Its size in bytes as stored.
        compression: ``""``, ``"GZIP"`` or ``"ZLIB"``.
        records: Sound records.
        payload_bytes: Bytes in their payloads.
        stream_size: Bytes of the uncompressed stream that could be read; ``file_size`` for a plain file.
        lost: The lost ranges in order, the first thousand of them. Records that lie nested in a lost payload may have
            been counted as records where the payload's length was broken too.
        lost_ranges: How many there are.
        lost_bytes: How many bytes are in them.
        truncated_tail: Whether the file ends inside a record, as it does while its writer is at work or when that
            died. ``repair_tail`` can cut it off.
        unfinished_stream: Whether a compressed stream has no trailer, for the same reasons.
    """

    path: str
    file_size: int
    compression: str
    records: int
    payload_bytes: int
    stream_size: int
    lost: list[LostRange]
    lost_ranges: int
    lost_bytes: int
    truncated_tail: bool
    unfinished_stream: bool

    @property
    def sound(self) -> bool:
        """Whether nothing at all is wrong."""
        return self.lost_ranges == 0 and not self.unfinished_stream

    @property
    def error(self) -> DataLossError | None:
        """The first thing that is wrong with the records, or None. An unfinished stream alone is none."""
        return self.lost[0].error if self.lost else None


def verify_file(
    path: PathInput,
    *,
    compression: str | int | None = "auto",
    verify_checksums: bool = True,
    max_record_size: int = DEFAULT_MAX_RECORD_SIZE,
    progress: Callable[[int], object] | None = None,
    file_system: FileSystem | None = None,
    options: Mapping[str, Any] | None = None,
) -> VerifyReport:
    """Read a record file from end to end and report what is sound and what is not.

    Goes on after broken records: by their length where its checksum holds and the file is long enough, else by
    searching byte by byte for the next sound header. Sound records that lead out of the length that a torn record of a
    plain file claims are found too. Memory does not depend on the file.

    Args:
        path: One file.
        compression: ``"auto"``, or as ``RecordWriter`` takes it.
        verify_checksums: Whether to check payloads; lengths always are.
        max_record_size: Payloads that claim more bytes than this are corrupt.
        progress: Called now and then with the number of stored bytes read so far.
        file_system: The filesystem of the path, instead of the registered one.
        options: For the registered filesystem.

    Raises:
        NotFoundError, PermissionDeniedError and others as ``FileSystem.new_random_access_file``. Never for what is
        wrong with the records.
    """
    file_system, name = resolve(path, file_system=file_system, options=options)
    with _open_as_it_is(file_system, name) as file:
        size = size_to_scan(file)
        beginning, kind = _beginning_of(file_system, file, size, compression)
        scanner = RecordScanner(
            end=None if kind else size,
            verify_checksums=verify_checksums,
            max_record_size=checked_max_record_size(max_record_size),
            resync=True,
            compression=kind,
        )
        _scan(file, scanner, beginning, size, every_byte=verify_checksums, progress=progress)
    return _report(scanner, name, size, kind)


def _open_as_it_is(file_system: FileSystem, path: str) -> RandomAccessFile:
    """Open a file to be read from end to end as it is now: on a store far away by one look, however large it is."""
    if not file_system.capabilities(path).detects_replacement:
        return file_system.new_random_access_file(path)
    known = file_system.stat(path)
    if known.is_directory or known.version is None:
        return file_system.new_random_access_file(path)
    return file_system.new_pinned_random_access_file(path, known)


def _beginning_of(
    file_system: FileSystem, file: RandomAccessFile, size: int, compression: str | int | None
) -> tuple[bytes, str]:
    """Return the first bytes of a file and how it is compressed; nothing of what costs no request to read again."""
    if compression != "auto":
        return b"", compression_name(compression)
    if not file_system.capabilities(file.name).detects_replacement:
        return b"", detect_compression(file)
    beginning = file.read(0, min(size, CHUNK))
    return beginning, detect_from_prefix(beginning[:COMPRESSION_PREFIX_SIZE], at_end=True) or ""


def _scan(
    file: RandomAccessFile,
    scanner: RecordScanner,
    beginning: bytes,
    size: int,
    *,
    every_byte: bool,
    progress: Callable[[int], object] | None,
) -> None:
    """Feed a file to a scanner, its beginning first, which has been read already."""
    if not beginning or scanner.feed(beginning):
        scan_file(file, scanner, offset=len(beginning), end=size, every_byte=every_byte, progress=progress)


def _report(scanner: RecordScanner, path: str, file_size: int, compression: str) -> VerifyReport:
    """Put together what a finished scan with resync found."""
    end = scanner.position
    lost = [
        LostRange(offset, stop, fault_error((offset, error, message), path))
        for offset, stop, error, message in scanner.lost
    ]
    ranges, lost_bytes = scanner.lost_ranges, scanner.lost_bytes
    # With resync only damage to the compression is a fault; what was read after the last record goes with it.
    fault = scanner.fault
    if fault is not None:
        lost.append(LostRange(fault[0], end, fault_error(fault, path)))
        ranges += 1
        lost_bytes += end - fault[0]
    truncated = bool(lost) and lost[-1].end == end and isinstance(lost[-1].error, TruncatedRecordError)
    return VerifyReport(
        path=path,
        file_size=file_size,
        compression=compression,
        records=scanner.records,
        payload_bytes=scanner.payload_bytes,
        stream_size=end,
        lost=lost,
        lost_ranges=ranges,
        lost_bytes=lost_bytes,
        truncated_tail=truncated,
        unfinished_stream=scanner.unfinished_stream,
    )


def count_records(
    path: PathInput,
    *,
    compression: str | int | None = "auto",
    verify_checksums: bool = False,
    max_record_size: int = DEFAULT_MAX_RECORD_SIZE,
    progress: Callable[[int], object] | None = None,
    file_system: FileSystem | None = None,
    options: Mapping[str, Any] | None = None,
) -> int:
    """Return how many records a file holds.

    Arguments as ``verify_file``; payloads are not checked unless asked, and large ones not read.

    Raises:
        TruncatedRecordError: The file ends inside a record.
        CorruptRecordError, DataLossError: It is broken in another way.
        NotFoundError and others: As ``FileSystem.new_random_access_file``.
    """
    return count_as_far_as_written(
        path,
        compression=compression,
        verify_checksums=verify_checksums,
        max_record_size=max_record_size,
        progress=progress,
        file_system=file_system,
        options=options,
    ).records


class Count(NamedTuple):
    """How many records a file holds, and whether its compressed stream has no trailer, so that some may be missing."""

    records: int
    unfinished_stream: bool


def count_as_far_as_written(
    path: PathInput,
    *,
    compression: str | int | None = "auto",
    verify_checksums: bool = False,
    max_record_size: int = DEFAULT_MAX_RECORD_SIZE,
    progress: Callable[[int], object] | None = None,
    file_system: FileSystem | None = None,
    options: Mapping[str, Any] | None = None,
) -> Count:
    """Count records as ``count_records`` does, and tell whether the file has its end."""
    file_system, name = resolve(path, file_system=file_system, options=options)
    with _open_as_it_is(file_system, name) as file:
        size = size_to_scan(file)
        beginning, kind = _beginning_of(file_system, file, size, compression)
        scanner = RecordScanner(
            end=None if kind else size,
            verify_checksums=verify_checksums,
            max_record_size=checked_max_record_size(max_record_size),
            compression=kind,
        )
        _scan(file, scanner, beginning, size, every_byte=verify_checksums, progress=progress)
    fault = scanner.fault
    if fault is not None:
        raise fault_error(fault, name)
    return Count(scanner.records, scanner.unfinished_stream)
