"""Columns straight from record files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Never, TypeVar, Unpack, cast, overload

from recordfs.example.bad_record import BadRecordError
from recordfs.example.features import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    RaggedFeature,
    VarLenFeature,
    checked_features,
)
from recordfs.example.parse import ExampleParser
from recordfs.example.record_batches import RecordBatches, check_batch_size, open_reader
from recordfs.open_files.letting_go import ClosesOnExit
from recordfs.whole_numbers import whole_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from recordfs.example.columns import Array, RaggedColumn
    from recordfs.example.keywords import ReaderKeywords
    from recordfs.records.reader import RecordReader
    from recordfs.records.report import ReadReport
    from recordfs.records.sources import Position

__all__ = ["ExampleReader", "read_examples"]

ColumnT = TypeVar("ColumnT")


class ExampleReader(ClosesOnExit, Generic[ColumnT]):
    """Batches of columns from record files that hold Examples, one batch in memory at a time.

    Made by ``read_examples``. Each ``iter()`` begins at the reader's ``start`` again. It can be pickled, as a
    ``RecordReader`` of paths can, and closes the files at the end of a ``with`` block. One thread at a time.
    """

    def __init__(
        self,
        reader: RecordReader,
        features: Mapping[str, Any],
        *,
        batch_size: int,
        threads: int,
        drop_remainder: bool,
    ) -> None:
        self._features = checked_features(features)
        self._parser = ExampleParser(features)
        self._reader = reader
        self._batch_size = check_batch_size(batch_size)
        self._threads = whole_number(threads, "threads", at_least=1)
        self._drop_remainder = drop_remainder

    def __iter__(self) -> Iterator[dict[str, ColumnT]]:
        """Iterate over the batches; see ``read_examples``."""
        in_place = self._threads == 1 and self._parser.can_parse_in_place()
        for records, columns in self._parsed_in_place() if in_place else self._parsed_from_lists():
            if self._drop_remainder and records < self._batch_size:
                return
            yield cast("dict[str, ColumnT]", columns)

    def _parsed_in_place(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The batches, parsed where the reader has the records."""
        first = 0
        try:
            for records, columns in self._parser.parse_reader(self._reader, self._batch_size):
                yield records, columns
                first += records
        except BadRecordError as error:
            path = None if error.offset is None else self._reader.tell().path
            message = _with_batch(error.message, first)
            raise BadRecordError(message, path=path, offset=error.offset, record=first + error.record) from None

    def _parsed_from_lists(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The batches, each parsed when all of its records are there."""
        batches = RecordBatches(self._reader, self._batch_size)
        for records in batches:
            try:
                columns = self._parser.parse(records, threads=self._threads)
            except BadRecordError as error:
                error.message = _with_batch(error.message, batches.first)
                raise batches.located(error) from None
            yield len(records), columns

    def tell(self) -> Position:
        """Where the record after the last batch begins: ``start=`` of a reader that goes on there."""
        return self._reader.tell()

    @property
    def report(self) -> ReadReport:
        """What was read and what was lost so far, as ``RecordReader.report``."""
        return self._reader.report

    def stop(self) -> None:
        """End every iteration before its next batch, from any thread."""
        self._reader.stop()

    def close(self) -> None:
        """Close the files. Idempotent."""
        self._reader.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_parser"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._parser = ExampleParser(self._features)


def _with_batch(message: str, first: int) -> str:
    return f"{message} (the batch begins with record {first} of what was read)"


# The first overload is for pyright, see ``parse_example``.
@overload
def read_examples(
    source: Any,
    features: Mapping[str, Never],
    *,
    batch_size: int,
    threads: int = 1,
    drop_remainder: bool = False,
    **reader_options: Unpack[ReaderKeywords],
) -> ExampleReader[Any]: ...
@overload
def read_examples(
    source: Any,
    features: Mapping[str, FixedLenFeature | FixedLenSequenceFeature],
    *,
    batch_size: int,
    threads: int = 1,
    drop_remainder: bool = False,
    **reader_options: Unpack[ReaderKeywords],
) -> ExampleReader[Array]: ...
@overload
def read_examples(
    source: Any,
    features: Mapping[str, VarLenFeature | RaggedFeature],
    *,
    batch_size: int,
    threads: int = 1,
    drop_remainder: bool = False,
    **reader_options: Unpack[ReaderKeywords],
) -> ExampleReader[RaggedColumn]: ...
@overload
def read_examples(
    source: Any,
    features: Mapping[str, Any],
    *,
    batch_size: int,
    threads: int = 1,
    drop_remainder: bool = False,
    **reader_options: Unpack[ReaderKeywords],
) -> ExampleReader[Any]: ...
def read_examples(
    source: Any,
    features: Mapping[str, Any],
    *,
    batch_size: int,
    threads: int = 1,
    drop_remainder: bool = False,
    **reader_options: Unpack[ReaderKeywords],
) -> ExampleReader[Any]:
    """Read batches of columns from record files that hold Examples, one batch in memory at a time.

    Args:
        source: What ``RecordReader`` takes: a path or pattern on any filesystem, an open file, an iterable of these;
            or a ``RecordReader``, which is read from its ``start``.
        features: Column name to feature; see ``ExampleParser``.
        batch_size: Records a batch, across files. The last batch may be smaller.
        threads: How many threads may decode a batch. With one, a large local file is read on by another meanwhile,
            which a process does for 16 files at a time.
        drop_remainder: Whether to leave out a smaller last batch, which ``tell`` and ``report`` then count as read.
        **reader_options: As ``RecordReader`` takes them; not for a ``RecordReader``.

    Returns:
        An iterable of columns, as ``parse_example`` gives them. ``tell`` says where to resume.

    Raises:
        InvalidArgumentError: A batch size or features that make no sense.
        NotFoundError and others: As ``RecordReader``.

    Iterating raises:
        BadRecordError: A record does not fit the features. It says which record of what was read, and its file and
            offset where that is known. The position is after the batch.
        TruncatedRecordError and others: As ``RecordReader``.
    """
    reader = open_reader("read_examples", source, reader_options)
    return ExampleReader(reader, features, batch_size=batch_size, threads=threads, drop_remainder=drop_remainder)
