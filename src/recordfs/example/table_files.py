"""Parquet, JSON lines and npz files as lists of serialized Examples and SequenceExamples."""

from __future__ import annotations

import codecs
import zipfile
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from recordfs.errors import InvalidArgumentError, InvalidContentError, RecordFSError
from recordfs.example.arrow import arrow_batches, pyarrow_module
from recordfs.example.encode import encode_example, encode_examples, encode_sequence_example
from recordfs.example.jsonl import LineFeatures, line_to_features
from recordfs.example.line_kinds import LineKinds
from recordfs.example.npz import columns_of_arrays
from recordfs.example.numpy_module import np
from recordfs.example.record_batches import MAX_BATCH_BYTES, in_lists
from recordfs.example.sequence_table import sequence_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recordfs.example.doubles import Doubles

__all__ = ["TABLE_READERS", "TableFile"]

_BATCH_SIZE = 4096

# Bytes that are read at once of a column of Parquet, where there are few columns.
_BUFFER_SIZE = 4 << 20


class TableFile(NamedTuple):
    """What to make records of, and how."""

    stream: BinaryIO
    #: Bytes in the stream.
    size: int
    sequence: bool
    doubles: Doubles
    #: Takes how many of the bytes are done.
    on_offset: Callable[[int], object]


def _read_parquet(table: TableFile) -> Iterator[list[bytes]]:
    pyarrow_module()  # or say what is missing
    try:
        yield from _parquet_batches(table)
    except (RecordFSError, MemoryError):
        raise
    except Exception as error:  # pyarrow says in many classes what is wrong with a file
        raise InvalidContentError(f"not a Parquet file, or a broken one: {error}") from error


def _parquet_batches(table: TableFile) -> Iterator[list[bytes]]:
    pyarrow, parquet = pyarrow_module(), pyarrow_module("pyarrow.parquet")
    metadata = parquet.read_metadata(table.stream)
    # Unless told so, pyarrow reads all of the file ahead, or at least the whole of a row group.
    buffer_size = min(MAX_BATCH_BYTES // max(metadata.num_columns, 1), _BUFFER_SIZE)
    file = parquet.ParquetFile(
        table.stream,
        metadata=metadata,
        pre_buffer=False,
        buffer_size=max(buffer_size, 1),
        page_checksum_verification=True,
    )
    batches = _counted(file.iter_batches(_rows_at_once(metadata)), table, metadata.num_rows)
    if table.sequence:
        for batch in batches:
            yield list(sequence_records(pyarrow, batch, table.doubles))
    else:
        reader = pyarrow.RecordBatchReader.from_batches(file.schema_arrow, batches)
        yield from arrow_batches(reader, table.doubles)


def _rows_at_once(metadata: Any) -> int:
    """How many rows a batch has, so that large ones need no more memory than small ones."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    largest = max((group.total_byte_size // group.num_rows for group in groups if group.num_rows), default=0)
    return max(1, min(_BATCH_SIZE, MAX_BATCH_BYTES // max(largest, 1)))


def _counted(batches: Iterator[Any], table: TableFile, rows: int) -> Iterator[Any]:
    """Tell how far a Parquet file is done by its rows, because its columns are read here and there.

    Raises:
        InvalidContentError: Other than ``rows`` came: the footer, which has no checksum, is broken.
    """
    done = 0
    for batch in batches:
        yield batch
        done += batch.num_rows
        table.on_offset(table.size * done // max(rows, 1))
    if done != rows:
        raise InvalidContentError(f"a broken Parquet file: expected {rows} rows, as its footer says, found {done}")


def _read_jsonl(table: TableFile) -> Iterator[list[bytes]]:
    kinds = LineKinds()
    for number, features in _lines(table):
        kinds.see(number, features)
    table.stream.seek(0)
    records = (_encode_line(number, kinds, features, table) for number, features in _lines(table))
    for batch in in_lists(records, _BATCH_SIZE, MAX_BATCH_BYTES):
        table.on_offset(table.stream.tell())
        yield batch


def _lines(table: TableFile) -> Iterator[tuple[int, LineFeatures]]:
    for number, line in enumerate(table.stream, start=1):
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)  # which many programs on Windows begin a file with
        if line.strip():
            try:
                yield number, line_to_features(line, sequence=table.sequence)
            except InvalidArgumentError as error:
                raise InvalidArgumentError(f"line {number}: {error.message}") from error


def _encode_line(number: int, kinds: LineKinds, features: LineFeatures, table: TableFile) -> bytes:
    try:
        context, feature_lists = kinds.settled(features)
        if table.sequence:
            return encode_sequence_example(context, feature_lists, doubles=table.doubles)
        return encode_example(context, doubles=table.doubles)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"line {number}: {error.message}") from error


def _read_npz(table: TableFile) -> Iterator[list[bytes]]:
    if not zipfile.is_zipfile(table.stream):
        raise InvalidContentError("not an npz archive: it does not end as a zip file does")
    table.stream.seek(0)
    try:
        with np.load(table.stream, allow_pickle=False) as archive:
            columns = columns_of_arrays(archive)
    except (RecordFSError, MemoryError):
        raise
    except Exception as error:  # NumPy, zipfile and zlib say in many classes what is wrong with a file
        raise InvalidContentError(f"not an npz archive of plain arrays, or a broken one: {error}") from error
    yield encode_examples(columns, omit_empty=True, doubles=table.doubles)


TABLE_READERS: dict[str, Callable[[TableFile], Iterator[list[bytes]]]] = {
    "parquet": _read_parquet,
    "jsonl": _read_jsonl,
    "npz": _read_npz,
}
"""By the format's name: what yields the records of such a file."""
