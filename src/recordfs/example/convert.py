"""Record files of Examples and SequenceExamples to Parquet, JSON lines and npz, and back, on any filesystem."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Unpack

from recordfs.errors import FailedPreconditionError, InvalidArgumentError
from recordfs.example.arrow import arrow_batches, arrow_examples, inferred_from_reader, pyarrow_module
from recordfs.example.bad_record import BadRecordError
from recordfs.example.encode import encode_example, encode_examples, encode_sequence_example
from recordfs.example.jsonl import LineFeatures, line_to_features, record_to_line
from recordfs.example.keywords import ReaderKeywords, WriterKeywords, check_keywords
from recordfs.example.line_kinds import LineKinds
from recordfs.example.npz import arrays_of_columns, columns_of_arrays
from recordfs.example.numpy_module import np
from recordfs.example.parse import ExampleParser
from recordfs.example.record_batches import MAX_BATCH_BYTES, RecordBatches, in_lists, open_reader
from recordfs.example.schema import InferredFeatures, infer_features
from recordfs.example.sequence_table import SequenceTable, sequence_records
from recordfs.file_objects import open_input, open_output
from recordfs.records.writer import RecordWriter
from recordfs.records.writer_factory import writer_factory_for
from recordfs.registry import resolve

if TYPE_CHECKING:
    from recordfs.example.doubles import Doubles
    from recordfs.example.features import Feature
    from recordfs.records.reader import RecordReader
    from recordfs.records.sources import Position

__all__ = ["FORMATS", "export_examples", "format_of", "import_examples"]

FORMATS = ("parquet", "jsonl", "npz")

# Records a batch, and so a row group of Parquet.
_BATCH_SIZE = 4096

# Bytes that are read at once of a column of Parquet, where they are few columns.
_BUFFER_SIZE = 4 << 20

Progress = Callable[[int], object]


def format_of(path: str) -> str:
    """The format that a file's name ends with.

    Raises:
        InvalidArgumentError: None of them.
    """
    for name in FORMATS:
        if path.endswith(f".{name}"):
            return name
    # Examples have lists of values, which CSV has not; scalars of event files have none, and are often asked for.
    hint = "; `recordfs events export` writes the scalars of event files as CSV" if path.endswith(".csv") else ""
    raise InvalidArgumentError(
        f"the format cannot be told from the name; expected one of {', '.join(FORMATS)}{hint}", path=path
    )


class _Export(NamedTuple):
    """What to write where."""

    reader: RecordReader
    target: Any
    features: Mapping[str, Feature] | None
    sample: int | None
    sequence: bool
    progress: Progress
    on_position: Callable[[Position], object]

    def batches(self) -> RecordBatches:
        return RecordBatches(self.reader, _BATCH_SIZE, max_bytes=MAX_BATCH_BYTES)

    def advance(self, records: int) -> None:
        self.progress(records)
        self.on_position(self.reader.tell())

    def infer(self) -> InferredFeatures:
        inferred = inferred_from_reader(self.reader, self.sample, _BATCH_SIZE)
        if not self.sequence:
            inferred.check_examples()
        return inferred


def export_examples(
    source: Any,
    target: Any,
    *,
    target_format: str | None = None,
    features: Mapping[str, Feature] | None = None,
    sample: int | None = 1000,
    sequence: bool = False,
    progress: Progress | None = None,
    on_position: Callable[[Position], object] | None = None,
    **reader_options: Unpack[ReaderKeywords],
) -> int:
    """Write record files of Examples as one Parquet, JSON lines or npz file.

    Nothing is left out: a record that holds what has no place in the file, a message of another type among them, is an
    error. Parquet and JSON lines are written batch by batch in bounded memory; npz holds its columns in memory. The
    file appears whole or not at all where its filesystem can do that.

    Args:
        source: A path or pattern on any filesystem, or a list of them; read twice where features are inferred.
        target: The file to write, on any filesystem.
        target_format: ``"parquet"`` (needs pyarrow), ``"jsonl"`` or ``"npz"``; None goes by the target's name.
        features: Column name to feature, and only these are exported; None infers all. JSON lines hold every feature of
            every record.
        sample: Records to infer from; None looks at all. A later record with another feature, kind or length is an
            error. npz always looks at all.
        sequence: Whether the records are SequenceExamples: their feature lists become nested columns, in Parquet and
            JSON lines.
        progress: Called with the number of records done since the last call.
        on_position: Called with how far the source has been read.
        **reader_options: As ``RecordReader`` takes them.

    Returns:
        The number of records.

    Raises:
        BadRecordError: A record that is not an Example or does not fit the features.
        InvalidArgumentError: An unknown format; no records to infer from; SequenceExamples without ``sequence``.
        MissingDependencyError: The format's package is not installed.
        NotFoundError and others: As reading and writing.
    """
    chosen = format_of(os.fspath(target)) if target_format is None else target_format
    exports: dict[str, Callable[[_Export], int]] = {
        "parquet": _export_parquet_of_sequences if sequence else _export_parquet,
        "jsonl": _export_jsonl,
        "npz": _export_npz,
    }
    if chosen not in exports:
        raise InvalidArgumentError(f"unknown format {chosen!r}; expected one of {', '.join(FORMATS)}")
    if sequence and features is not None:
        raise InvalidArgumentError("the features of SequenceExamples are inferred: features cannot be given as well")
    reader = open_reader("export_examples", source, reader_options)
    try:
        return exports[chosen](
            _Export(reader, target, features, sample, sequence, progress or _ignore, on_position or _ignore)
        )
    finally:
        if reader is not source:
            reader.close()


def _ignore(_: object) -> None:
    """For a caller who does not want to know."""


def _export_parquet(export: _Export) -> int:
    pyarrow, parquet = pyarrow_module(), pyarrow_module("pyarrow.parquet")
    features = export.infer() if export.features is None else export.features
    examples = arrow_examples(export.reader, features, sample=None, batch_size=_BATCH_SIZE, threads=1)
    _check_columns(pyarrow.schema(examples).names)
    count = 0
    with open_output(export.target) as stream, parquet.ParquetWriter(stream, pyarrow.schema(examples)) as writer:
        for batch in examples.batches():
            writer.write_batch(pyarrow.record_batch(batch))
            count += len(batch)
            export.advance(len(batch))
    return count


def _export_parquet_of_sequences(export: _Export) -> int:
    pyarrow, parquet = pyarrow_module(), pyarrow_module("pyarrow.parquet")
    table = SequenceTable(pyarrow, export.infer())
    _check_columns(table.schema.names)
    count = 0
    batches = export.batches()
    with open_output(export.target) as stream, parquet.ParquetWriter(stream, table.schema) as writer:
        for records in batches:
            try:
                batch = table.batch(records, count)
            except BadRecordError as error:
                raise batches.located(error) from None
            writer.write_batch(batch)
            count += len(records)
            export.advance(len(records))
    return count


def _check_columns(names: Collection[str]) -> None:
    """Refuse to write a table without columns: it has no rows, whatever was put into it."""
    if not names:
        raise InvalidArgumentError(
            "there is no feature to make a column of, and a table without columns has no rows; JSON lines can hold "
            "records without features"
        )


def _export_jsonl(export: _Export) -> int:
    count = 0
    batches = export.batches()
    with open_output(export.target) as stream:
        for records in batches:
            lines = []
            for place, record in enumerate(records):
                try:
                    lines.append(record_to_line(record, sequence=export.sequence))
                except InvalidArgumentError as error:
                    bad = BadRecordError(f"record {count + place}: {error.message}", record=place)
                    raise batches.located(bad) from None
            stream.write(b"".join(lines))
            count += len(records)
            export.advance(len(records))
    return count


def _export_npz(export: _Export) -> int:
    if export.sequence:
        raise InvalidArgumentError("an npz archive has no nested columns: export SequenceExamples to parquet or jsonl")
    records = []
    for batch in export.batches():
        records += batch
        export.advance(len(batch))
    try:
        if export.features is None:
            inferred = infer_features(records)
            inferred.check_examples()
            columns = ExampleParser(inferred, complete=True).parse(records)
        else:
            columns = ExampleParser(export.features).parse(records)
    except BadRecordError as error:
        # Where each record was has not been kept; it is read again up to the one that is to be told.
        with contextlib.suppress(FailedPreconditionError):  # by a file object that cannot seek back
            batches = export.batches()
            for batch in batches:
                if error.record < batches.first + len(batch):
                    raise batches.located_in_stream(error) from None
        raise
    _check_columns(columns)
    arrays: dict[str, Any] = arrays_of_columns(columns)
    with open_output(export.target) as stream:
        # zipfile writes from front to back where it cannot seek.
        np.savez(stream, **arrays)
    return len(records)


class _Import(NamedTuple):
    """What to make of a file."""

    stream: BinaryIO
    #: Bytes in the stream.
    size: int
    sequence: bool
    doubles: Doubles
    #: Takes how many of the bytes are done.
    on_offset: Callable[[int], object]


def import_examples(
    source: Any,
    target: Any,
    *,
    source_format: str | None = None,
    sequence: bool = False,
    doubles: Doubles = "round",
    progress: Progress | None = None,
    on_offset: Callable[[int], object] | None = None,
    **options: Unpack[WriterKeywords],
) -> int:
    """Write a Parquet, JSON lines or npz file as a record file of Examples.

    The record file appears whole or not at all where its filesystem can do that, unless ``atomic``, ``append`` or
    ``require_flush`` are given.

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
        on_offset: Called with how many bytes of the source are done.
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
    check_keywords("import_examples", options, WriterKeywords)
    notify = progress or _ignore
    count = 0
    with io.BufferedReader(open_input(source), 1 << 20) as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        with RecordWriter(target, **_whole_if_possible(target, options)) as writer:
            for batch in _told_of_source(
                source, readers[chosen](_Import(stream, size, sequence, doubles, on_offset or _ignore))
            ):
                writer.write_batch(batch)
                count += len(batch)
                notify(len(batch))
    return count


def _whole_if_possible(target: Any, options: WriterKeywords) -> WriterKeywords:
    """Ask for a file that appears whole or not at all, unless the caller said how to open it, or it has no path."""
    said = options.keys() & {"append", "atomic", "require_flush"}
    if said or not isinstance(target, str | bytes | os.PathLike) or writer_factory_for(target) is not None:
        return options
    file_system, name = resolve(target, file_system=options.get("file_system"), options=options.get("options"))
    return {**options, "atomic": file_system.capabilities(name).atomic_write}


def _told_of_source(source: Any, batches: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
    """Name the source in what is wrong with it."""
    try:
        yield from batches
    except InvalidArgumentError as error:
        if error.path is None and isinstance(source, str | os.PathLike):
            error.path = os.fspath(source)
        raise


def _read_parquet(wanted: _Import) -> Iterator[list[bytes]]:
    pyarrow, parquet = pyarrow_module(), pyarrow_module("pyarrow.parquet")
    try:
        metadata = parquet.read_metadata(wanted.stream)
        # Unless told so, pyarrow reads all of the file ahead, or at least the whole of a row group.
        buffer_size = min(MAX_BATCH_BYTES // max(metadata.num_columns, 1), _BUFFER_SIZE)
        file = parquet.ParquetFile(wanted.stream, metadata=metadata, pre_buffer=False, buffer_size=max(buffer_size, 1))
        batches = _counted(file.iter_batches(_rows_at_once(metadata)), wanted, metadata.num_rows)
        if wanted.sequence:
            return (list(sequence_records(pyarrow, batch, wanted.doubles)) for batch in batches)
        return arrow_batches(pyarrow.RecordBatchReader.from_batches(file.schema_arrow, batches), wanted.doubles)
    except pyarrow.ArrowInvalid as error:
        raise InvalidArgumentError(f"not a Parquet file: {error}") from error


def _rows_at_once(metadata: Any) -> int:
    """How many rows a batch has, so that large ones need no more memory than small ones."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    largest = max((group.total_byte_size // group.num_rows for group in groups if group.num_rows), default=0)
    return max(1, min(_BATCH_SIZE, MAX_BATCH_BYTES // max(largest, 1)))


def _counted(batches: Iterator[Any], wanted: _Import, rows: int) -> Iterator[Any]:
    """Tell how far a Parquet file is done by its rows, because its columns are read here and there."""
    done = 0
    for batch in batches:
        yield batch
        done += batch.num_rows
        wanted.on_offset(wanted.size * done // max(rows, 1))


def _read_jsonl(wanted: _Import) -> Iterator[list[bytes]]:
    kinds = LineKinds()
    for number, features in _lines(wanted):
        kinds.see(number, features)
    wanted.stream.seek(0)
    records = (_encode_line(number, kinds, features, wanted) for number, features in _lines(wanted))
    for batch in in_lists(records, _BATCH_SIZE, MAX_BATCH_BYTES):
        wanted.on_offset(wanted.stream.tell())
        yield batch


def _lines(wanted: _Import) -> Iterator[tuple[int, LineFeatures]]:
    for number, line in enumerate(wanted.stream, start=1):
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)  # which many programs on Windows begin a file with
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
