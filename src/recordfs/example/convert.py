"""Record files of Examples and SequenceExamples to Parquet, JSON lines and npz, and back, on any filesystem."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

from recordfs.errors import FailedPreconditionError, InvalidArgumentError, InvalidContentError
from recordfs.example.arrow import arrow_examples, inferred_from_reader, pyarrow_module
from recordfs.example.bad_record import BadRecordError
from recordfs.example.jsonl import record_to_line
from recordfs.example.keywords import ReaderKeywords, WriterKeywords, check_keywords
from recordfs.example.npz import arrays_of_columns
from recordfs.example.numpy_module import np
from recordfs.example.parse import ExampleParser
from recordfs.example.record_batches import MAX_BATCH_BYTES, RecordBatches, open_reader
from recordfs.example.schema import InferredFeatures, infer_features
from recordfs.example.sequence_table import SequenceTable
from recordfs.example.table_files import TABLE_READERS, TableFile
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
        InvalidArgumentError: An unknown format.
        InvalidContentError: No records to infer from; SequenceExamples without ``sequence``; a name that npz cannot
            hold.
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
    except InvalidContentError as error:
        if error.path is None and not isinstance(error, BadRecordError):
            error.path = reader.path_of(0)
        raise
    finally:
        if reader is not source:
            reader.close()


def _ignore(_: object) -> None:
    """For a caller who does not want to know."""


def _export_parquet(export: _Export) -> int:
    pyarrow = pyarrow_module()
    features = export.infer() if export.features is None else export.features
    _check_parquet_names(features)
    examples = arrow_examples(export.reader, features, sample=None, batch_size=_BATCH_SIZE, threads=1)
    count = 0
    with open_output(export.target) as stream, _parquet_writer(stream, pyarrow.schema(examples)) as writer:
        for batch in examples.batches():
            writer.write_batch(pyarrow.record_batch(batch))
            count += len(batch)
            export.advance(len(batch))
    return count


def _export_parquet_of_sequences(export: _Export) -> int:
    pyarrow = pyarrow_module()
    table = SequenceTable(pyarrow, export.infer())
    _check_parquet_names(table.schema.names)
    count = 0
    batches = export.batches()
    with open_output(export.target) as stream, _parquet_writer(stream, table.schema) as writer:
        for records in batches:
            try:
                batch = table.batch(records, count)
            except BadRecordError as error:
                raise batches.located(error) from None
            writer.write_batch(batch)
            count += len(records)
            export.advance(len(records))
    return count


def _parquet_writer(stream: Any, schema: Any) -> Any:
    # pyarrow writes checksums only where it is told to; without, a flipped bit comes back as another value.
    return pyarrow_module("pyarrow.parquet").ParquetWriter(stream, schema, write_page_checksum=True)


def _check_columns(names: Collection[str]) -> None:
    """Refuse to write a table without columns: it has no rows, whatever was put into it."""
    if not names:
        raise InvalidContentError(
            "there is no feature to make a column of, and a table without columns has no rows; JSON lines can hold "
            "records without features"
        )


def _check_parquet_names(names: Collection[str]) -> None:
    """Refuse names that Arrow ends at their first NUL."""
    _check_columns(names)
    for name in names:
        if "\0" in name:
            raise InvalidContentError(f"feature {name!r}: no column of Parquet has a NUL in its name; export to jsonl")


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
        InvalidArgumentError: An unknown format, or SequenceExamples of npz.
        InvalidContentError: The file is not of its format or broken, or holds what a feature cannot.
        MissingDependencyError: The format's package is not installed.
        NotFoundError and others: As reading and writing.
    """
    chosen = format_of(os.fspath(source)) if source_format is None else source_format
    if chosen not in TABLE_READERS:
        raise InvalidArgumentError(f"unknown format {chosen!r}; expected one of {', '.join(FORMATS)}")
    if sequence and chosen == "npz":
        raise InvalidArgumentError(
            "an npz archive has no nested columns: import SequenceExamples from parquet or jsonl"
        )
    check_keywords("import_examples", options, WriterKeywords)
    notify = progress or _ignore
    count = 0
    with io.BufferedReader(open_input(source), 1 << 20) as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        with RecordWriter(target, **_whole_if_possible(target, options)) as writer:
            table = TableFile(stream, size, sequence, doubles, on_offset or _ignore)
            for batch in _told_of_source(source, TABLE_READERS[chosen](table)):
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
    """Say of what is wrong with the source that it is, and name it."""
    try:
        yield from batches
    except InvalidArgumentError as error:
        path = os.fsdecode(source) if isinstance(source, str | bytes | os.PathLike) else error.path
        raise InvalidContentError(error.message, path=path, offset=error.offset) from error
