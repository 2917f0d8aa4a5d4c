"""Record files of Examples to Parquet, JSON lines and npz, and back, on any filesystem."""

import io
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from recordfs.errors import InvalidArgumentError
from recordfs.example.arrow import arrow_batches, pyarrow_module, read_arrow
from recordfs.example.encode import encode_example, encode_examples
from recordfs.example.features import Feature
from recordfs.example.jsonl import example_to_json, json_to_features
from recordfs.example.npz import arrays_of_columns, columns_of_arrays
from recordfs.example.numpy_module import np
from recordfs.example.parse import parse_example
from recordfs.example.read import record_batches
from recordfs.example.schema import InferredFeatures, infer_features
from recordfs.example.streams import open_input, open_output
from recordfs.records.writer import RecordWriter

__all__ = ["FORMATS", "export_examples", "format_of", "import_examples"]

FORMATS = ("parquet", "jsonl", "npz")

# Records a batch, and so a row group of Parquet.
_BATCH_SIZE = 4096

Progress = Callable[[int], object]


def format_of(path: str) -> str:
    """The format that a file's name ends with.

    Raises:
        InvalidArgumentError: None of them.
    """
    for name in FORMATS:
        if path.endswith(f".{name}"):
            return name
    raise InvalidArgumentError(f"the name does not tell the format; expected one of {', '.join(FORMATS)}", path=path)


def export_examples(
    source: Any,
    target: Any,
    *,
    to: str | None = None,
    features: Mapping[str, Feature] | None = None,
    sample: int | None = 1000,
    progress: Progress | None = None,
    **reader_options: Any,
) -> int:
    """Write record files of Examples as one Parquet, JSON lines or npz file.

    Parquet and JSON lines are written batch by batch in bounded memory; npz holds its columns in memory. The file
    appears whole or not at all where its filesystem can do that.

    Args:
        source: A path or pattern on any filesystem, or a list of them; read twice where features are inferred.
        target: The file to write, on any filesystem.
        to: ``"parquet"`` (needs pyarrow), ``"jsonl"`` or ``"npz"``; None goes by the target's name.
        features: Column name to feature; None infers them. JSON lines hold every feature of every record.
        sample: Records to infer from; None looks at all. npz always looks at all.
        progress: Called with the number of records done since the last call.
        **reader_options: As ``RecordReader`` takes them.

    Returns:
        The number of records.

    Raises:
        InvalidArgumentError: An unknown format; a record that is no Example or does not fit the features; no records to
            infer from.
        MissingDependencyError: The format's package is not installed.
        NotFoundError and others: As reading and writing.
    """
    chosen = format_of(os.fspath(target)) if to is None else to
    notify = progress or (lambda _: None)
    if chosen == "parquet":
        return _export_parquet(source, target, features, sample, notify, reader_options)
    if chosen == "jsonl":
        return _export_jsonl(source, target, notify, reader_options)
    if chosen == "npz":
        return _export_npz(source, target, features, notify, reader_options)
    raise InvalidArgumentError(f"unknown format {chosen!r}; expected one of {', '.join(FORMATS)}")


def _export_parquet(
    source: Any,
    target: Any,
    features: Mapping[str, Feature] | None,
    sample: int | None,
    notify: Progress,
    reader_options: Mapping[str, Any],
) -> int:
    pyarrow, parquet = pyarrow_module(), pyarrow_module("pyarrow.parquet")
    if features is None:
        features = _infer(source, reader_options, sample)
    examples = read_arrow(source, features, batch_size=_BATCH_SIZE, **reader_options)
    count = 0
    with open_output(target) as stream, parquet.ParquetWriter(stream, pyarrow.schema(examples)) as writer:
        for batch in examples.batches():
            writer.write_batch(pyarrow.record_batch(batch))
            count += len(batch)
            notify(len(batch))
    return count


def _infer(source: Any, reader_options: Mapping[str, Any], sample: int | None) -> InferredFeatures:
    size = _BATCH_SIZE if sample is None else min(sample, _BATCH_SIZE)
    return infer_features(itertools.chain.from_iterable(record_batches(source, size, reader_options)), sample=sample)


def _export_jsonl(source: Any, target: Any, notify: Progress, reader_options: Mapping[str, Any]) -> int:
    count = 0
    with open_output(target) as stream:
        for batch in record_batches(source, _BATCH_SIZE, reader_options):
            for place, record in enumerate(batch):
                try:
                    line = example_to_json(record)
                except InvalidArgumentError as error:
                    raise InvalidArgumentError(f"record {count + place}: {error.message}") from error
                stream.write(line.encode("utf-8", "surrogatepass") + b"\n")
            count += len(batch)
            notify(len(batch))
    return count


def _export_npz(
    source: Any,
    target: Any,
    features: Mapping[str, Feature] | None,
    notify: Progress,
    reader_options: Mapping[str, Any],
) -> int:
    records = []
    for batch in record_batches(source, _BATCH_SIZE, reader_options):
        records += batch
        notify(len(batch))
    columns = parse_example(records, infer_features(records) if features is None else features)
    arrays: dict[str, Any] = arrays_of_columns(columns)
    with open_output(target) as stream:
        # zipfile writes from front to back where it cannot seek.
        np.savez(stream, **arrays)
    return len(records)


def import_examples(
    source: Any, target: Any, *, source_format: str | None = None, progress: Progress | None = None, **options: Any
) -> int:
    """Write a Parquet, JSON lines or npz file as a record file of Examples.

    Args:
        source: The file to read, on any filesystem.
        target: The record file to write, on any filesystem.
        source_format: ``"parquet"`` (needs pyarrow), ``"jsonl"`` or ``"npz"``; None goes by the source's name.
        progress: Called with the number of records done since the last call.
        **options: As ``RecordWriter`` takes them, such as ``compression="GZIP"``.

    Returns:
        The number of records.

    Raises:
        InvalidArgumentError: An unknown format, or something in the file that a feature cannot hold.
        MissingDependencyError: The format's package is not installed.
        NotFoundError and others: As reading and writing.
    """
    chosen = format_of(os.fspath(source)) if source_format is None else source_format
    readers: dict[str, Callable[[BinaryIO], Iterator[list[bytes]]]] = {
        "parquet": _read_parquet,
        "jsonl": _read_jsonl,
        "npz": _read_npz,
    }
    if chosen not in readers:
        raise InvalidArgumentError(f"unknown format {chosen!r}; expected one of {', '.join(FORMATS)}")
    count = 0
    with io.BufferedReader(open_input(source), 1 << 20) as stream, RecordWriter(target, **options) as writer:
        for batch in readers[chosen](stream):
            writer.write_batch(batch)
            count += len(batch)
            if progress is not None:
                progress(len(batch))
    return count


def _read_parquet(stream: BinaryIO) -> Iterator[list[bytes]]:
    pyarrow, parquet = pyarrow_module(), pyarrow_module("pyarrow.parquet")
    try:
        file = parquet.ParquetFile(stream)
        batches = file.iter_batches(_BATCH_SIZE)
        return arrow_batches(pyarrow.RecordBatchReader.from_batches(file.schema_arrow, batches))
    except pyarrow.ArrowInvalid as error:
        raise InvalidArgumentError(f"not a Parquet file: {error}") from error


def _read_jsonl(stream: BinaryIO) -> Iterator[list[bytes]]:
    numbered = enumerate(stream, start=1)
    while lines := list(itertools.islice(numbered, _BATCH_SIZE)):
        yield [_encode_line(number, line) for number, line in lines if line.strip()]


def _encode_line(number: int, line: bytes) -> bytes:
    try:
        return encode_example(json_to_features(line))
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"line {number}: {error.message}") from error


def _read_npz(stream: BinaryIO) -> Iterator[list[bytes]]:
    import zipfile

    try:
        with np.load(stream, allow_pickle=False) as archive:
            columns = columns_of_arrays(archive)
    except (ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise InvalidArgumentError(f"not an npz archive of plain arrays: {error}") from error
    yield encode_examples(columns, omit_empty=True)
