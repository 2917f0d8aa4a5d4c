"""Records from files, list by list, with the place of each that turns out to be bad. Needs no NumPy."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Any

from recordfs.errors import InvalidArgumentError
from recordfs.example.bad_record import BadRecordError
from recordfs.example.keywords import ReaderKeywords, check_keywords
from recordfs.records.reader import RecordReader
from recordfs.records.sources import Position
from recordfs.whole_numbers import whole_number

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RecordBatches", "check_batch_size", "open_reader"]

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
    """Lists of records from files, in one go: it knows where in the files the last list began.

    Args:
        reader: Is read from its ``start``, and stays open.
        size: Records a list; the last one may be shorter.

    Raises:
        InvalidArgumentError: A size below 1.
    """

    def __init__(self, reader: RecordReader, size: int) -> None:
        self.first = 0
        """How many records there were before the last list."""
        self._reader = reader
        self._size = check_batch_size(size)
        self._records: list[bytes] = []
        self._begin: Position | None = None

    def __iter__(self) -> Iterator[list[bytes]]:
        lists = self._reader.batches(self._size)
        begin = self._reader.tell()
        for records in lists:
            self.first += len(self._records)
            self._records, self._begin = records, begin
            yield records
            begin = self._reader.tell()

    @property
    def position(self) -> Position:
        """Where the record after the last list begins."""
        return self._reader.tell()

    def located(self, error: BadRecordError) -> BadRecordError:
        """The same error about a record of the last list, with the record's place where that can be told."""
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
        """Where a record of the last list begins; None where the records of the list do not follow each other."""
        if not 0 <= number < len(self._records):
            return None
        begin, end = self._begin, self._reader.tell()
        sizes = [len(record) + _FRAME_SIZE for record in self._records]
        before = sum(sizes[:number])
        if begin is not None and begin.path == end.path and begin.offset + sum(sizes) == end.offset:
            return Position(end.path, begin.offset + before)
        # Another file has begun with one of the records, and all from there on are in it.
        in_last = list(itertools.accumulate(reversed(sizes)))
        if end.offset in in_last and number >= len(sizes) - in_last.index(end.offset) - 1:
            return Position(end.path, end.offset - sum(sizes[number:]))
        return None


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
