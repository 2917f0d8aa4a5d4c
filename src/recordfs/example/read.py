"""Columns straight from record files."""

from collections.abc import Iterator, Mapping
from typing import Any

from recordfs.errors import InvalidArgumentError
from recordfs.example.columns import Column
from recordfs.example.features import Feature
from recordfs.example.parse import ExampleParser
from recordfs.records.reader import RecordReader

__all__ = ["read_examples", "record_batches"]


def read_examples(
    source: Any,
    features: Mapping[str, Feature],
    *,
    batch_size: int,
    threads: int = 1,
    drop_remainder: bool = False,
    **reader_options: Any,
) -> Iterator[dict[str, Column]]:
    """Batches of columns from record files that hold Examples, one batch in memory at a time.

    Args:
        source: What ``RecordReader`` takes: a path or pattern on any filesystem, an open file, an iterable of these;
            or a ``RecordReader``, which is read from its ``start`` and not closed.
        features: Column name to feature; see ``ExampleParser``.
        batch_size: Records a batch, across files. The last batch may be smaller.
        threads: How many threads may decode a batch.
        drop_remainder: Whether to leave out a smaller last batch.
        **reader_options: As ``RecordReader`` takes them; not for a ``RecordReader``.

    Yields:
        Columns, as ``parse_example`` gives them.

    Raises:
        InvalidArgumentError: At once: a batch size or features that make no sense. While iterating: a record that does
            not fit the features; the message says which record of the stream.
        TruncatedRecordError and others: As ``RecordReader``, while iterating.
    """
    parser = ExampleParser(features)
    batches = record_batches(source, batch_size, reader_options)
    return _columns(parser, batches, batch_size if drop_remainder else 1, threads)


def _columns(
    parser: ExampleParser, batches: Iterator[list[bytes]], smallest: int, threads: int
) -> Iterator[dict[str, Column]]:
    first = 0
    for batch in batches:
        if len(batch) < smallest:
            return
        try:
            yield parser.parse(batch, threads=threads)
        except InvalidArgumentError as error:
            raise InvalidArgumentError(
                f"{error.message} (the batch begins with record {first} of what was read)", path=error.path
            ) from error
        first += len(batch)


def record_batches(source: Any, batch_size: int, reader_options: Mapping[str, Any]) -> Iterator[list[bytes]]:
    """Lists of ``batch_size`` records, the last one perhaps shorter.

    Raises:
        InvalidArgumentError: A batch size below 1, or reader options for a reader that is open.
    """
    if batch_size < 1:
        raise InvalidArgumentError(f"batch_size must be at least 1, found {batch_size}")
    if isinstance(source, RecordReader):
        if reader_options:
            raise InvalidArgumentError(f"an open reader takes no more options: {', '.join(reader_options)}")
        return source.batches(batch_size)
    return _opened(RecordReader(source, **reader_options), batch_size)


def _opened(reader: RecordReader, batch_size: int) -> Iterator[list[bytes]]:
    with reader:
        yield from reader.batches(batch_size)
