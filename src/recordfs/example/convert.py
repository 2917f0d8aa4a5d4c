"""Record files of Examples and SequenceExamples to Parquet, JSON lines and npz, and back, on any filesystem."""

import io
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

from recordfs.errors import InvalidArgumentError
from recordfs.example.arrow import arrow_batches, pyarrow_module, read_arrow
from recordfs.example.doubles import Doubles
from recordfs.example.encode import encode_example, encode_examples, encode_sequence_example
from recordfs.example.features import Feature
from recordfs.example.jsonl import LineFeatures, line_to_features, record_to_line
from recordfs.example.line_kinds import LineKinds
from recordfs.example.npz import arrays_of_columns, columns_of_arrays
from recordfs.example.numpy_module import np
from recordfs.example.parse import ExampleParser
from recordfs.example.read import record_batches
from recordfs.example.schema import InferredFeatures, infer_features
from recordfs.example.sequence_table import SequenceTable, sequence_records
from recordfs.file_objects import open_input, open_output
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


class _Export(NamedTuple):
    """What to write where."""

    source: Any
    target: Any
    features: Mapping[str, Feature] | None
    sample: int | None
    sequence: bool
    progress: Progress
    reader_options: Mapping[str, Any]

    def batches(self, size: int = _BATCH_SIZE) -> Iterator[list[bytes]]:
        return record_batches(self.source, size, self.reader_options)

    def infer(self) -> InferredFeatures:
        size = _BATCH_SIZE if self.sample is None else min(self.sample, _BATCH_SIZE)
        inferred = infer_features(itertools.chain.from_iterable(self.batches(size)), sample=self.sample)
        if not self.sequence:
            inferred.check_examples()
        return inferred


def export_examples(
    source: Any,
    target: Any,
    *,
    to: str | None = None,
    features: Mapping[str, Feature] | None = None,
    sample: int | None = 1000,
    sequence: bool = False,
    progress: Progress | None = None,
    **reader_options: Any,
) -> int:
    """Write record files of Examples as one Parquet, JSON lines or npz file.

    Nothing is left out: a record that holds what has no place in the file, a message of another type among them, is an
    error. Parquet and JSON lines are written batch by batch in bounded memory; npz holds its columns in memory. The
    file appears whole or not at all where its filesystem can do that.

    Args:
        source: A path or pattern on any filesystem, or a list of them; read twice where features are inferred.
        target: The file to write, on any filesystem.
        to: ``"parquet"`` (needs pyarrow), ``"jsonl"`` or ``"npz"``; None goes by the target's name.
        features: Column name to feature, and only these are exported; None infers all. JSON lines hold every feature of
            every record.
        sample: Records to infer from; None looks at all. A later record with another feature, kind or length is an
            error. npz always looks at all.
        sequence: Whether the records are SequenceExamples: their feature lists become nested columns, in Parquet and
            JSON lines.
        progress: Called with the number of records done since the last call.
        **reader_options: As ``RecordReader`` takes them.

    Returns:
        The number of records.

    Raises:
        InvalidArgumentError: An unknown format; a record that is no Example or does not fit the features; no records to
            infer from; SequenceExamples without ``sequence``.
        MissingDependencyError: The format's package is not installed.
        NotFoundError and others: As reading and writing.
    """
    chosen = format_of(os.fspath(target)) if to is None else to
    export = _Export(source, target, features, sample, sequence, progress or (lambda _: None), reader_options)
    if sequence and features is not None:
        raise InvalidArgumentError("the features of SequenceExamples are inferred: features cannot be given as well")
    if chosen == "parquet":
        return _export_parquet_of_sequences(export) if sequence else _export_parquet(export)
    if chosen == "jsonl":
        return _export_jsonl(export)
    if chosen == "npz":
        return _export_npz(export)
    raise InvalidArgumentError(f"unknown format {chosen!r}; expected one of {', '.join(FORMATS)}")


def _export_parquet(export: _Export) -> int:
    pyarrow, parquet = pyarrow_module(), pyarrow_module("pyarrow.parquet")
    features = export.infer() if export.features is None else export.features
    examples = read_arrow(export.source, features, batch_size=_BATCH_SIZE, **export.reader_options)
    count = 0
    with open_output(export.target) as stream, parquet.ParquetWriter(stream, pyarrow.schema(examples)) as writer:
        for batch in examples.batches():
            writer.write_batch(pyarrow.record_batch(batch))
            count += len(batch)
            export.progress(len(batch))
    return count


def _export_parquet_of_sequences(export: _Export) -> int:
    pyarrow, parquet = pyarrow_module(), pyarrow_module("pyarrow.parquet")
    table = SequenceTable(pyarrow, export.infer())
    count = 0
    with open_output(export.target) as stream, parquet.ParquetWriter(stream, table.schema) as writer:
        for records in export.batches():
            writer.write_batch(table.batch(records, count))
            count += len(records)
            export.progress(len(records))
    return count


def _export_jsonl(export: _Export) -> int:
    count = 0
    with open_output(export.target) as stream:
        for records in export.batches():
            for place, record in enumerate(records):
                try:
                    line = record_to_line(record, sequence=export.sequence)
                except InvalidArgumentError as error:
                    raise InvalidArgumentError(f"record {count + place}: {error.message}") from error
                stream.write(line)
            count += len(records)
            export.progress(len(records))
    return count


def _export_npz(export: _Export) -> int:
    if export.sequence:
        raise InvalidArgumentError("an npz archive has no nested columns: export SequenceExamples to parquet or jsonl")
    records = []
    for batch in export.batches():
        records += batch
        export.progress(len(batch))
    if export.features is None:
        inferred = infer_features(records)
        inferred.check_examples()
        columns = ExampleParser(inferred, complete=True).parse(records)
    else:
        columns = ExampleParser(export.features).parse(records)
    arrays: dict[str, Any] = arrays_of_columns(columns)
    with open_output(export.target) as stream:
        # zipfile writes from front to back where it cannot seek.
        np.savez(stream, **arrays)
    return len(records)


class _Import(NamedTuple):
    """What to make of a file."""

    stream: BinaryIO
    sequence: bool
    doubles: Doubles


def import_examples(
    source: Any,
    target: Any,
    *,
    source_format: str | None = None,
    sequence: bool = False,
    doubles: Doubles = "round",
    progress: Progress | None = None,
    **options: Any,
) -> int:
    """Write a Parquet, JSON lines or npz file as a record file of Examples.

    Args:
        source: The file to read, on any filesystem; JSON lines are read twice, because a feature has one kind in all of
            them.
        target: The record file to write, on any filesystem.
        source_format: ``"parquet"`` (needs pyarrow), ``"jsonl"`` or ``"npz"``; None goes by the source's name.
        sequence: Whether to write SequenceExamples: columns of lists of lists become feature lists, as
            ``export_examples`` writes them.
        doubles: ``"round"`` writes the float32 nearest to a double, ``"refuse"`` makes one that no float32 equals an
            error.
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
    readers: dict[str, Callable[[_Import], Iterator[list[bytes]]]] = {
        "parquet": _read_parquet,
        "jsonl": _read_jsonl,
        "npz": _read_npz,
    }
    if chosen not in readers:
        raise InvalidArgumentError(f"unknown format {chosen!r}; expected one of {', '.join(FORMATS)}")
    count = 0
    with io.BufferedReader(open_input(source), 1 << 20) as stream, RecordWriter(target, **options) as writer:
        for batch in readers[chosen](_Import(stream, sequence, doubles)):
            writer.write_batch(batch)
            count += len(batch)
            if progress is not None:
                progress(len(batch))
    return count


def _read_parquet(wanted: _Import) -> Iterator[list[bytes]]:
    pyarrow, parquet = pyarrow_module(), pyarrow_module("pyarrow.parquet")
    try:
        file = parquet.ParquetFile(wanted.stream)
        batches = file.iter_batches(_BATCH_SIZE)
        if wanted.sequence:
            return (list(sequence_records(pyarrow, batch, wanted.doubles)) for batch in batches)
        return arrow_batches(pyarrow.RecordBatchReader.from_batches(file.schema_arrow, batches), wanted.doubles)
    except pyarrow.ArrowInvalid as error:
        raise InvalidArgumentError(f"not a Parquet file: {error}") from error


def _read_jsonl(wanted: _Import) -> Iterator[list[bytes]]:
    kinds = LineKinds()
    for number, features in _lines(wanted):
        kinds.see(number, features)
    wanted.stream.seek(0)
    lines = _lines(wanted)
    while batch := list(itertools.islice(lines, _BATCH_SIZE)):
        yield [_encode_line(number, kinds, features, wanted) for number, features in batch]


def _lines(wanted: _Import) -> Iterator[tuple[int, LineFeatures]]:
    for number, line in enumerate(wanted.stream, start=1):
        if line.strip():
            try:
                yield number, line_to_features(line, sequence=wanted.sequence)
            except InvalidArgumentError as error:
                raise InvalidArgumentError(f"line {number}: {error.message}") from error


def _encode_line(number: int, kinds: LineKinds, features: LineFeatures, wanted: _Import) -> bytes:
    try:
        context, feature_lists = kinds.settled(features)
        if wanted.sequence:
            return encode_sequence_example(context, feature_lists, doubles=wanted.doubles)
        return encode_example(context, doubles=wanted.doubles)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"line {number}: {error.message}") from error


def _read_npz(wanted: _Import) -> Iterator[list[bytes]]:
    import zipfile

    if wanted.sequence:
        raise InvalidArgumentError(
            "an npz archive has no nested columns: import SequenceExamples from parquet or jsonl"
        )
    try:
        with np.load(wanted.stream, allow_pickle=False) as archive:
            columns = columns_of_arrays(archive)
    except (ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise InvalidArgumentError(f"not an npz archive of plain arrays: {error}") from error
    yield encode_examples(columns, omit_empty=True, doubles=wanted.doubles)
