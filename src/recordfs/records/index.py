"""Index files: where each record of a plain record file lies.

One line a record, ``offset size`` in decimal: where its header begins, and its bytes with header and footer. This is
what DALI's ``tfrecord2idx`` and the ``tfrecord`` package write and read.

Whether an index tells of the file beside it is looked up in the file, because times and sizes lie: one that was put in
the place of another by ``rsync -t``, ``cp -p`` or ``mv`` keeps its old time, and may have the same size.
"""

from __future__ import annotations

import struct
from array import array
from typing import TYPE_CHECKING, Any

from recordfs._core import RecordScanner, masked_crc32c
from recordfs.errors import DataLossError, InvalidArgumentError, NotFoundError, RecordFSError
from recordfs.paths import basename, path_to_str
from recordfs.records.compression import detect_compression
from recordfs.records.index_lines import (
    LONGEST_LINE,
    blocks_of_lines,
    entry_of,
    last_entry_of,
    numbers_of,
    sample_numbers,
    sampled_entries,
)
from recordfs.records.scan import DEFAULT_MAX_RECORD_SIZE, checked_max_record_size, fault_error, scan_file, size_to_scan
from recordfs.records.stored_index_names import STORED_INDEX_PREFIX, stored_index_path
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from recordfs.filesystem import FileSystem, RandomAccessFile
    from recordfs.paths import PathInput

__all__ = [
    "INDEX_SUFFIX",
    "RecordIndex",
    "build_index",
    "check_index_is_another_file",
    "default_index_path",
    "index_fits",
    "is_index_fresh",
    "last_entry",
    "read_index",
    "remove_stale_index",
    "scan_index",
    "without_indexes",
]

INDEX_SUFFIX = ".idx"

RECORD_OVERHEAD = 16
"""Bytes that a record has beyond its payload: a header of 12 and a footer of 4."""

_HEADER_SIZE = 12

_LINES_AT_ONCE = 256 << 10
"""Bytes of index lines that are written together: one call to the file for some fifteen thousand records."""


def default_index_path(path: PathInput) -> str:
    """Return where the index of a record file is kept unless the caller says otherwise: ``<path>.idx``."""
    return path_to_str(path) + INDEX_SUFFIX


class RecordIndex:
    """Where the records of one file lie, in the file's order. Read-only; safe to use from many threads.

    ``len(index)`` is the number of records, ``index[i]`` the ``(offset, size)`` of one, in bytes.
    """

    __slots__ = ("_offsets", "_sizes")

    def __init__(self, offsets: array[int], sizes: array[int]) -> None:
        self._offsets = offsets
        self._sizes = sizes

    @property
    def offsets(self) -> array[int]:
        """Where each record begins, as unsigned 64-bit numbers. Not to be changed."""
        return self._offsets

    @property
    def sizes(self) -> array[int]:
        """The bytes of each record with header and footer, as unsigned 64-bit numbers. Not to be changed."""
        return self._sizes

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, position: int) -> tuple[int, int]:
        return self._offsets[position], self._sizes[position]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._offsets, self._sizes, strict=True)

    @property
    def end(self) -> int:
        """Where the last record ends; 0 without records."""
        return self._offsets[-1] + self._sizes[-1] if self._offsets else 0


def build_index(
    path: PathInput,
    index_path: PathInput | None = None,
    *,
    verify_checksums: bool = False,
    max_record_size: int = DEFAULT_MAX_RECORD_SIZE,
    progress: Callable[[int], object] | None = None,
    file_system: FileSystem | None = None,
    options: Mapping[str, Any] | None = None,
) -> int:
    """Write the index of a plain record file and return the number of records.

    The index appears whole or not at all where its filesystem has atomic writes. Memory does not depend on the file.

    Args:
        path: The record file.
        index_path: Where the index goes; ``<path>.idx`` if None.
        verify_checksums: Whether to check payloads on the way; lengths always are.
        max_record_size: Payloads that claim more bytes than this are corrupt.
        progress: Called now and then with the offset reached in the file.
        file_system: The filesystem of both paths, instead of the registered ones.
        options: For the registered filesystem.

    Raises:
        InvalidArgumentError: The file is compressed: its records have no place in the file that one could jump to. Or
            the index would replace the file.
        TruncatedRecordError, CorruptRecordError: The file is broken; no new index is published.
        NotFoundError and others: As opening either file.
    """
    target = default_index_path(path) if index_path is None else index_path
    index_file_system, index_name = resolve(target, file_system=file_system, options=options)
    file_system, name = resolve(path, file_system=file_system, options=options)
    check_index_is_another_file(file_system, name, index_file_system, index_name)
    with file_system.new_random_access_file(name) as file:
        compression = detect_compression(file)
        if compression:
            raise InvalidArgumentError(f"a {compression} file cannot have an index; write it uncompressed", path=name)
        size = size_to_scan(file)
        scanner = RecordScanner(
            end=size,
            verify_checksums=verify_checksums,
            max_record_size=checked_max_record_size(max_record_size),
            index=True,
        )
        atomic = index_file_system.capabilities(index_name).atomic_write
        with index_file_system.new_writable_file(index_name, atomic=atomic) as index_file:

            def write_lines(offset: int) -> None:
                if lines := scanner.take_index(_LINES_AT_ONCE):
                    index_file.append(lines)
                if progress is not None:
                    progress(offset)

            scan_file(file, scanner, end=size, every_byte=verify_checksums, progress=write_lines)
            fault = scanner.fault
            if fault is not None:
                raise fault_error(fault, name)
            index_file.append(scanner.take_index())
    return scanner.records


def scan_index(file: RandomAccessFile) -> RecordIndex:
    """Return the index of an open plain record file, without writing it.

    Raises:
        TruncatedRecordError, CorruptRecordError: The file is broken.
        Whatever reading raises.
    """
    offsets, sizes = array("Q"), array("Q")
    size = size_to_scan(file)
    scanner = RecordScanner(end=size, verify_checksums=False, index=True)

    def take(_offset: int) -> None:
        numbers = array("Q", map(int, scanner.take_index().split()))
        offsets.extend(numbers[0::2])
        sizes.extend(numbers[1::2])

    scan_file(file, scanner, end=size, progress=take)
    fault = scanner.fault
    if fault is not None:
        raise fault_error(fault, file.name)
    return RecordIndex(offsets, sizes)


def read_index(
    index_path: PathInput,
    *,
    file_system: FileSystem | None = None,
    options: Mapping[str, Any] | None = None,
) -> RecordIndex:
    """Read an index file, made by recordfs, DALI or the ``tfrecord`` package.

    Takes 16 bytes of memory a record.

    Raises:
        DataLossError: A line is not two numbers, or the records are out of order or overlap; ``offset`` is that of the
            block of lines concerned.
        NotFoundError and others: As opening the file.
    """
    file_system, name = resolve(index_path, file_system=file_system, options=options)
    offsets, sizes = array("Q"), array("Q")
    with file_system.new_random_access_file(name) as file:
        for block_offset, block in blocks_of_lines(file):
            numbers = numbers_of(block, name, block_offset)
            offsets.extend(numbers[0::2])
            sizes.extend(numbers[1::2])
    end = 0
    for line, (offset, size) in enumerate(zip(offsets, sizes, strict=True), start=1):
        if offset < end or size < RECORD_OVERHEAD:
            raise DataLossError(
                f"line {line} of the index gives a record of {size} bytes at {offset}; records have at least "
                f"{RECORD_OVERHEAD} bytes, and the one before ends at {end}. Build the index again with build_index",
                path=name,
            )
        end = offset + size
    return RecordIndex(offsets, sizes)


def check_index_is_another_file(
    file_system: FileSystem, path: str, index_file_system: FileSystem, index_path: str
) -> None:
    """Refuse an index that would be written over the records that it describes.

    Raises:
        InvalidArgumentError: Both paths lead to one file.
    """
    if file_system is index_file_system and file_system.canonical_path(path) == file_system.canonical_path(index_path):
        raise InvalidArgumentError("the index would replace the records: give it a path of its own", path=path)


def is_index_fresh(
    path: PathInput,
    index_path: PathInput | None = None,
    *,
    file_system: FileSystem | None = None,
    options: Mapping[str, Any] | None = None,
) -> bool:
    """Tell whether an index is there, is no older than its record file, ends where that ends, and leads to its records.

    Up to some thousand records are looked up one by one, of more a sample that is spread over the file; payloads are
    not read. A missing or malformed index is not fresh.

    Raises:
        NotFoundError and others: As ``FileSystem.stat`` and opening the record file.
    """
    target = default_index_path(path) if index_path is None else index_path
    index_file_system, index_name = resolve(target, file_system=file_system, options=options)
    file_system, name = resolve(path, file_system=file_system, options=options)
    statistics = file_system.stat(name)
    try:
        index_statistics = index_file_system.stat(index_name)
        # A store that keeps no times says 0.
        if statistics.mtime_nsec and 0 < index_statistics.mtime_nsec < statistics.mtime_nsec:
            return False
        with index_file_system.new_random_access_file(index_name) as index_file:
            last = last_entry_of(index_file)
            if last is None:
                return index_statistics.length == statistics.length == 0
            if sum(last) != statistics.length:
                return False
            entries = sampled_entries(index_file, many=file_system.capabilities(name).memory_region)
    except NotFoundError:
        return False
    if entries is None:
        return False
    with file_system.new_random_access_file(name) as file:
        return _headers_agree(file, [*entries, last])


def index_fits(index: RecordIndex, file: RandomAccessFile, *, many: bool) -> bool:
    """Tell whether an index leads to a file's records, from its beginning to its end, as far as a sample of them tells.

    An index that leaves records out is none of the file: whoever counted by it would miss them.

    Args:
        index: The index.
        file: The record file.
        many: Whether to look up many records, because reading costs little.
    """
    # Its entries ascend and do not overlap, so they leave nothing out if their sizes add up to the end.
    if index.end != file.size() or sum(index.sizes) != index.end:
        return False
    return _headers_agree(file, (index[number] for number in sample_numbers(len(index), many=many)))


def _headers_agree(file: RandomAccessFile, entries: Iterable[tuple[int, int]]) -> bool:
    """Tell whether a record of the size that an index gives begins wherever it says so."""
    wanted = list(entries)
    headers = file.read_ranges([(offset, _HEADER_SIZE) for offset, _ in wanted])
    for (_, size), header in zip(wanted, headers, strict=True):
        if len(header) < _HEADER_SIZE:
            return False
        length, checksum = struct.unpack("<QI", header)
        if length + RECORD_OVERHEAD != size or checksum != masked_crc32c(header[:8]):
            return False
    return True


def last_entry(file_system: FileSystem, index_name: str) -> tuple[int, int] | None:
    """Return the last ``(offset, size)`` of an index; None if it is empty or its last line is not an entry.

    Raises:
        As ``FileSystem.new_random_access_file``.
    """
    with file_system.new_random_access_file(index_name) as file:
        return last_entry_of(file)


def remove_stale_index(file_system: FileSystem, name: str) -> None:
    """Delete the index beside a record file that was rewritten without one; a file that is no index stays.

    An index that cannot be looked at or deleted stays too: whoever uses it finds that it is not fresh.
    """
    index_name = default_index_path(name)
    try:
        with file_system.new_random_access_file(index_name) as file:
            start = file.read(0, LONGEST_LINE)
            first = entry_of(start.partition(b"\n")[0])
            if start and (first is None or first[0] != 0 or last_entry_of(file) is None):
                return
        file_system.delete_file(index_name)
    except RecordFSError:
        return


def without_indexes(paths: list[str]) -> list[str]:
    """Leave out the indexes of record files, and of event files, that are among the paths themselves."""
    among = set(paths)
    indexes = {path for path in paths if path.endswith(INDEX_SUFFIX) and path.removesuffix(INDEX_SUFFIX) in among}
    if any(basename(path).startswith(STORED_INDEX_PREFIX) for path in paths):
        indexes |= {stored_index_path(path) for path in paths}
    return [path for path in paths if path not in indexes]
