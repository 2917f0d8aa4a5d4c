"""RecordFile: the records of one plain file as a sequence, any of them at once."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from recordfs._core import RecordTable
from recordfs.errors import (
    ClosedFileError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    RecordFSError,
    UnimplementedError,
)
from recordfs.open_files.letting_go import ClosesOnExit
from recordfs.paths import has_wildcards
from recordfs.records.compression import detect_compression
from recordfs.records.index import RecordIndex, default_index_path, index_fits, read_index, scan_index
from recordfs.redaction import redact
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from recordfs.filesystem import FileSystem, RandomAccessFile
    from recordfs.paths import PathInput

__all__ = ["RecordFile"]

_BATCH = 256
"""Records read at a time by who iterates."""


class RecordFile(ClosesOnExit, Sequence[bytes]):
    """The records of a plain record file by their number: ``len(file)``, ``file[i]``, ``file[a:b]``, and many at once.

    This is what a map-style dataset of PyTorch is, and what its DataLoader asks for batches with ``__getitems__``: in
    any order, each batch in as few reads as it takes, each record checked. No position is kept.

    Args:
        path: A record file on any filesystem, uncompressed.
        index: Where its index is, or a RecordIndex. None takes the index beside it (``<path>.idx``) if that fits the
            file; else one is made in memory, for which records' headers are read, and of small records all of the file.
            ``build_index``, or ``RecordWriter(index=True)``, saves that.
        verify_checksums: Whether to compare the checksums of payloads. Those of lengths always are, and so is each
            record's length with the index.
        file_system: The filesystem of both paths, instead of the registered ones.
        options: For the registered filesystem.

    Takes 16 bytes of memory a record. Safe to use from many threads, and in forked children. It can be pickled, with
    its index; so it is sent to workers that are spawned.

    Raises:
        InvalidArgumentError: The file is compressed: its records have no place in the file that one could jump to.
        FailedPreconditionError: The index that was given is not of this file.
        TruncatedRecordError, CorruptRecordError: Without an index, the file is broken.
        DataLossError: The index is malformed.
        NotFoundError and others: As opening the file.
    """

    def __init__(
        self,
        path: PathInput,
        index: PathInput | RecordIndex | None = None,
        *,
        verify_checksums: bool = True,
        file_system: FileSystem | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._verify_checksums = verify_checksums
        self._given = (file_system, options)
        self._file_system, self._name = resolve(path, file_system=file_system, options=options)
        try:
            file = self._file_system.new_random_access_file(self._name)
        except NotFoundError as error:
            if has_wildcards(self._name):
                raise NotFoundError(
                    f"{error.message}; a RecordFile takes one file, not a pattern: make one for each match",
                    path=self._name,
                ) from error
            raise
        try:
            self._index = self._find_index(file, index)
            self._read_from(file)
        except BaseException:
            file.close()
            raise

    def _find_index(self, file: RandomAccessFile, given: PathInput | RecordIndex | None) -> RecordIndex:
        compression = detect_compression(file)
        if compression:
            raise InvalidArgumentError(
                f"a {compression} file has no records that can be read by number; read it with RecordReader",
                path=self._name,
            )
        many = self._file_system.capabilities(self._name).memory_region
        if isinstance(given, RecordIndex):
            index = given
        else:
            file_system, options = self._given
            try:
                index = read_index(
                    default_index_path(self._name) if given is None else given, file_system=file_system, options=options
                )
            except NotFoundError:
                if given is not None:
                    raise
                return scan_index(file)
        if index_fits(index, file, many=many):
            return index
        if given is None:
            return scan_index(file)
        raise FailedPreconditionError(
            f"the index is not of this file: it ends at byte {index.end}, the file at {file.size()}, or other records "
            "stand where it leads; build it again with build_index",
            path=self._name,
        )

    def _read_from(self, file: RandomAccessFile) -> None:
        """Take over an open file."""
        self._file = file
        self._closed = False
        index = self._index
        self._table = RecordTable(self._name, index.offsets, index.sizes, verify_checksums=self._verify_checksums)
        try:
            self._table.attach(file.fileno())
        except UnimplementedError:
            self._has_descriptor = False
        else:
            self._has_descriptor = True

    @property
    def name(self) -> str:
        """The file's full path."""
        return self._name

    @property
    def record_index(self) -> RecordIndex:
        """Where each record lies."""
        return self._index

    def __len__(self) -> int:
        return len(self._index)

    @overload
    def __getitem__(self, number: int, /) -> bytes: ...
    @overload
    def __getitem__(self, number: slice, /) -> list[bytes]: ...
    def __getitem__(self, number: int | slice, /) -> bytes | list[bytes]:
        """Return a record, or a list of those in a slice; negative numbers count from the end.

        Raises:
            OutOfRangeError: There is no such record; it is an IndexError too.
            As ``__getitems__``.
        """
        if isinstance(number, slice):
            return self.__getitems__(range(*number.indices(len(self))))
        return self.__getitems__((operator.index(number),))[0]

    def __getitems__(self, numbers: Iterable[int], /) -> list[bytes]:
        """Return many records, in the order asked.

        Neighbours are read together, so a batch costs less than its records one by one; on an object store, where each
        read is a request, much less.

        Args:
            numbers: Numbers of records, in any order and as often as you like; a NumPy array too.

        Raises:
            OutOfRangeError: There is no such record; it is an IndexError too.
            CorruptRecordError: A record is broken, or not as long as the index says: the file was rewritten.
            TruncatedRecordError: The file was cut short.
            ClosedFileError: This was closed.
            Whatever reading raises.
        """
        if self._closed:
            raise ClosedFileError("the file has been closed", path=self._name)
        numbers = numbers if isinstance(numbers, Sequence) else list(numbers)
        if self._has_descriptor:
            try:
                return self._table.read(numbers)
            except RecordFSError:
                raise
            except OSError:
                pass  # the file itself says what that is
        return self._table.decode(numbers, self._file.read_ranges(self._table.ranges(numbers)))

    def __iter__(self) -> Iterator[bytes]:
        for begin in range(0, len(self), _BATCH):
            yield from self.__getitems__(range(begin, min(begin + _BATCH, len(self))))

    def close(self) -> None:
        """Let go of the file. Idempotent; every further call but ``len`` raises ClosedFileError."""
        self._closed = True
        self._table.detach()
        self._file.close()

    def __getstate__(self) -> dict[str, Any]:
        kept = ("_name", "_given", "_verify_checksums", "_index")
        return {name: self.__dict__[name] for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        file_system, options = self._given
        self._file_system, _ = resolve(self._name, file_system=file_system, options=options)
        self._read_from(self._file_system.new_random_access_file(self._name))

    def __repr__(self) -> str:
        return f"<RecordFile {redact(self._name)}: {len(self)} records>"
