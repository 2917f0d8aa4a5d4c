"""Records from files, list by list, with the place of each that turns out to be bad. Needs no NumPy."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

from recordfs.errors import InvalidArgumentError
from recordfs.example.bad_record import BadRecordError
from recordfs.example.keywords import ReaderKeywords, check_keywords
from recordfs.records.reader import RecordReader
from recordfs.records.sources import Position
from recordfs.whole_numbers import whole_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from recordfs._core import RecordBatches as NativeRecordBatches

__all__ = ["MAX_BATCH_BYTES", "RecordBatches", "check_batch_size", "in_lists", "open_reader"]

Record = TypeVar("Record", bound="bytes | bytearray | memoryview")

MAX_BATCH_BYTES = 32 << 20
"""Where a batch is only a step of the way, it ends once its records have so many bytes. As columns, and as they are
written, they take a few times that; 4,096 records of 8 MiB at once would take 100 GiB."""

# What a record takes in a file besides its payload: the length, and two checksums.
_FRAME_SIZE = 16


def check_batch_size(size: int) -> int:
    """Return how many records a batch has.

    Raises:
        InvalidArgumentError: It is not at least 1.
        TypeError: It is not a whole number.
    """
    return min(whole_number(size, "batch_size", at_least=1), sys.maxsize)


class RecordBatches:
    """Lists of records from files, in one go: it knows where in the files the records of the last list are.

    Args:
        reader: Is read from its ``start``, and stays open.
        size: Records a list; the last one may be shorter.
        max_bytes: A list ends early with the record that brings its data to so many bytes.

    Raises:
        InvalidArgumentError: A size below 1.
    """

    def __init__(self, reader: RecordReader, size: int, *, max_bytes: int | None = None) -> None:
        self.first = 0
        """How many records there were before the last list."""
        self._reader = reader
        self._size = check_batch_size(size)
        self._max_bytes = max_bytes
        self._records: list[bytes] = []
        self._lists: NativeRecordBatches | None = None

    def __iter__(self) -> Iterator[list[bytes]]:
        self._lists = self._reader.begin().batches(self._size, self._max_bytes)
        for records in self._lists:
            self.first += len(self._records)
            self._records = records
            yield records

    @property
    def position(self) -> Position:
        """Where the record after the last list begins."""
        return self._reader.tell()

    def located(self, error: BadRecordError) -> BadRecordError:
        """The same error about a record of the last list, with the record's place."""
        place = self._place_of(error.record)
        return BadRecordError(
            error.message,
            path=None if place is None else place.path,
            offset=None if place is None else place.offset,
            record=self.first + error.record,
        )

    def located_in_stream(self, error: BadRecordError) -> BadRecordError:
        """The same for an error that counts records from the first one on."""
        return self.located(BadRecordError(error.message, record=error.record - self.first))

    def _place_of(self, number: int) -> Position | None:
        """Where a record of the last list begins; None if it is of another."""
        if self._lists is None or not 0 <= number < len(self._records):
            return None
        source, end = self._lists.end_of(number)
        return Position(self._reader.path_of(source), end - len(self._records[number]) - _FRAME_SIZE)


def in_lists(records: Iterable[Record], size: int, max_bytes: int) -> Iterator[list[Record]]:
    """Yield lists of up to ``size`` records, each of which ends once it has ``max_bytes``."""
    batch: list[Record] = []
    held = 0
    for record in records:
        batch.append(record)
        held += len(record)
        if len(batch) == size or held >= max_bytes:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def open_reader(function: str, source: Any, keywords: ReaderKeywords) -> RecordReader:
    """The reader for a source; one that is a reader already is taken as it is.

    Raises:
        InvalidArgumentError: Keywords for a reader that is open.
        TypeError: A keyword that no reader has.
        NotFoundError and others: As ``RecordReader``.
    """
    check_keywords(function, keywords, ReaderKeywords)
    if not isinstance(source, RecordReader):
        return RecordReader(source, **keywords)
    if keywords:
        raise InvalidArgumentError(f"an open reader takes no more options: {', '.join(keywords)}")
    return source
