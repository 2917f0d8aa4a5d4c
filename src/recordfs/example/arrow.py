"""Examples to Arrow and back through the Arrow PyCapsule interface, which needs no pyarrow.

Polars, DuckDB, pandas, pyarrow and others take these objects as they are and use their memory. One value a record is a
column of its type; a fixed number of values is a fixed-size list; any other is a large list. Records without a feature
are nulls.

Source: the Arrow specification, "The Arrow PyCapsule Interface".
"""

from __future__ import annotations

import importlib
import itertools
from typing import TYPE_CHECKING, Any, Protocol, Unpack

from recordfs import _core
from recordfs.errors import InvalidArgumentError, InvalidContentError, MissingDependencyError
from recordfs.example.bad_record import BadRecordError
from recordfs.example.doubles import Doubles, are_refused
from recordfs.example.features import (
    Feature,
    FixedLenFeature,
    FixedLenSequenceFeature,
    RaggedFeature,
    SparseFeature,
    checked_features,
)
from recordfs.example.keywords import ReaderKeywords, WriterKeywords, check_keywords
from recordfs.example.native_features import native_features
from recordfs.example.record_batches import MAX_BATCH_BYTES, RecordBatches, check_batch_size, open_reader
from recordfs.example.schema import InferredFeatures, infer_features, infer_from_lists
from recordfs.records.writer import RecordWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from recordfs.records.reader import RecordReader

__all__ = [
    "ArrowExamples",
    "arrow_batches",
    "arrow_examples",
    "from_arrow",
    "inferred_from_reader",
    "pyarrow_module",
    "read_arrow",
    "read_table",
    "to_arrow",
    "write_table",
]

# Records a batch: large enough that a batch costs nothing, small enough to stay in a cache with records of a few KB.
_BATCH_SIZE = 1024

# Records looked at to infer the features of a file.
_SAMPLE = 1000


class Batches(Protocol):
    """Lists of records, gone through once."""

    first: int
    """How many records there were before the last list."""

    def __iter__(self) -> Iterator[list[bytes]]:
        """Iterate over the lists."""

    def located(self, error: BadRecordError) -> BadRecordError:
        """The error about a record of the last list, with what is known of the record's place."""


class _HeldBatches:
    """Lists cut from records in memory."""

    def __init__(self, records: list[bytes]) -> None:
        self.first = 0
        self._records = records

    def __iter__(self) -> Iterator[list[bytes]]:
        for first in range(0, len(self._records), _BATCH_SIZE):
            self.first = first
            yield self._records[first : first + _BATCH_SIZE]

    def located(self, error: BadRecordError) -> BadRecordError:
        return BadRecordError(error.message, record=self.first + error.record)


class ArrowExamples:
    """Examples as an Arrow table that is decoded while it is read: one batch in memory at a time.

    It has ``__arrow_c_stream__``, so it can be given to ``polars.DataFrame``, ``pyarrow.table``, DuckDB and all others
    that take Arrow streams; each time the records are read again. An error in a record comes out of the consumer, as
    its own exception with recordfs's message.

    Args:
        features: Column name to feature. From ``infer_features``: what a record lacks is null, also where every record
            of the sample had it, and what a record has that the sample had not is an error. Of other features only
            those are read that are given.
        batches: Begins again with the lists of records.
        threads: How many threads may decode a batch.

    Raises:
        InvalidArgumentError: A ``FixedLenSequenceFeature``, whose padding Arrow does not need; two columns of one key;
            features made of several keys; features inferred from SequenceExamples, whose feature lists would be left
            out.
    """

    def __init__(self, features: Mapping[str, Any], batches: Callable[[], Batches], *, threads: int = 1) -> None:
        self._batches = batches
        chosen = _arrow_features(features)
        plans, places = native_features(chosen)
        if len(plans) != len(places):
            raise InvalidArgumentError("two columns of one key cannot be read into one Arrow table")
        inferred_from = None
        if isinstance(features, InferredFeatures):
            features.check_examples()
            inferred_from = features.records
            plans = [(key, kind, layout, size, "absent", None) for key, kind, layout, size, _, _ in plans]
        columns = [
            (name, list(feature.shape) if isinstance(feature, FixedLenFeature) else None)
            for name, feature in chosen.items()
        ]
        self._parser = _core.ArrowExampleParser(plans, columns, threads, inferred_from)

    def __arrow_c_schema__(self) -> object:
        """The schema, in a capsule."""
        return self._parser.schema()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """All batches, in a capsule. A requested schema is a wish, and is not granted."""
        return self._parser.stream(iter(self._batches()))

    def batches(self) -> Iterator[Any]:
        """Yield the batches one by one: objects with ``__arrow_c_array__``.

        Raises:
            BadRecordError: A record that does not fit the features. Where it is is known where the records come from
                files.
        """
        batches = self._batches()
        for records in batches:
            try:
                batch = self._parser.parse(records, batches.first)
            except BadRecordError as error:
                raise batches.located(error) from None
            yield batch

    def to_pyarrow(self) -> Any:
        """Everything as a ``pyarrow.Table``.

        Raises:
            MissingDependencyError: pyarrow is not installed.
            BadRecordError: A record that does not fit the features.
        """
        pyarrow = pyarrow_module()
        schema = pyarrow.schema(self)
        return pyarrow.Table.from_batches([pyarrow.record_batch(batch) for batch in self.batches()], schema=schema)


def _arrow_features(features: Mapping[str, Any]) -> dict[str, Feature]:
    """The features as Arrow has them: of an inferred one that is missing now and then only the length counts."""
    if isinstance(features, InferredFeatures):
        return features.regardless_of_missing()
    checked = checked_features(features)
    for name, feature in checked.items():
        if isinstance(feature, FixedLenSequenceFeature):
            raise InvalidArgumentError(
                f"feature {name!r}: a FixedLenSequenceFeature pads its records; for Arrow ask for it as VarLenFeature"
            )
        if isinstance(feature, SparseFeature) or (isinstance(feature, RaggedFeature) and feature.partitions):
            raise InvalidArgumentError(
                f"feature {name!r} is made of several; for Arrow ask for each of its keys as VarLenFeature"
            )
    return checked


def pyarrow_module(name: str = "pyarrow") -> Any:
    """The module pyarrow, or one of its own.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependencyError("this needs pyarrow: pip install 'recordfs[arrow]'") from error


def to_arrow(records: Iterable[bytes], features: Mapping[str, Any] | None = None, *, threads: int = 1) -> ArrowExamples:
    """Return serialized Examples as an Arrow table.

    Args:
        records: The records; other than a list they are put into one.
        features: Column name to feature; None infers them from all records.
        threads: How many threads may decode.

    Raises:
        InvalidArgumentError: Features that make no sense; with None, no records, or one that is not an Example.
    """
    held = records if isinstance(records, list) else list(records)
    chosen = infer_features(held) if features is None else features
    return ArrowExamples(chosen, lambda: _HeldBatches(held), threads=threads)


def read_arrow(
    source: Any,
    features: Mapping[str, Any] | None = None,
    *,
    sample: int | None = _SAMPLE,
    batch_size: int = _BATCH_SIZE,
    threads: int = 1,
    **reader_options: Unpack[ReaderKeywords],
) -> ArrowExamples:
    """Return record files of Examples as an Arrow table that is read as it is consumed, in bounded memory.

    Args:
        source: A path or pattern on any filesystem, or a list of them, as ``RecordReader`` takes.
        features: Column name to feature; None infers them from the first ``sample`` records. A later record that has
            another feature, kind or length then is an error that says so.
        sample: Records to infer from; None looks at all of them first.
        batch_size: Records a batch; fewer where they are large: a batch ends once they have 32 MiB.
        threads: How many threads may decode a batch.
        **reader_options: As ``RecordReader`` takes them.

    Raises:
        InvalidArgumentError: Features or sizes that make no sense; records that are no Examples.
        NotFoundError and others: As ``RecordReader``.
    """
    reader = open_reader("read_arrow", source, reader_options)
    return arrow_examples(reader, features, sample=sample, batch_size=batch_size, threads=threads)


def arrow_examples(
    reader: RecordReader, features: Mapping[str, Any] | None, *, sample: int | None, batch_size: int, threads: int
) -> ArrowExamples:
    """``read_arrow`` of a reader that is open."""
    batch_size = check_batch_size(batch_size)
    if features is None:
        features = inferred_from_reader(reader, sample, batch_size)
    return ArrowExamples(
        features, lambda: RecordBatches(reader, batch_size, max_bytes=MAX_BATCH_BYTES), threads=threads
    )


def inferred_from_reader(reader: RecordReader, sample: int | None, batch_size: int) -> InferredFeatures:
    """``infer_features`` of the first records of a reader.

    Raises:
        BadRecordError: As ``infer_features``, with the record's place in the files.
        InvalidContentError: There are no records.
    """
    size = batch_size if sample is None else min(batch_size, sample)
    batches = RecordBatches(reader, size, max_bytes=MAX_BATCH_BYTES)
    try:
        return infer_from_lists(batches, sample=sample)
    except BadRecordError as error:
        raise batches.located_in_stream(error) from None
    except InvalidContentError as error:
        error.path = reader.path_of(0)  # there are no records, in this file or in any other
        raise


def read_table(
    source: Any,
    features: Mapping[str, Any] | None = None,
    *,
    threads: int = 1,
    **reader_options: Unpack[ReaderKeywords],
) -> Any:
    """Read record files of Examples into a ``pyarrow.Table``, in memory.

    Args:
        source: As ``read_arrow``.
        features: Column name to feature; None infers them from all records.
        threads: How many threads may decode.
        **reader_options: As ``RecordReader`` takes them.

    Raises:
        MissingDependencyError: pyarrow is not installed.
        InvalidArgumentError and others: As ``read_arrow``.
    """
    pyarrow_module()
    reader = open_reader("read_table", source, reader_options)
    return arrow_examples(reader, features, sample=None, batch_size=_BATCH_SIZE, threads=threads).to_pyarrow()


def from_arrow(data: Any, *, doubles: Doubles = "round") -> Iterator[bytes]:
    """Yield Arrow data as serialized Examples, one record for each row, a few thousand or 32 MiB of them at a time.

    Integers and booleans become int64 features, floats float32 ones, strings and binary bytes ones; lists become their
    values. A null is a feature that the record does not have.

    Args:
        data: Anything with ``__arrow_c_stream__``: a pyarrow or Polars table, a DuckDB result, a pandas frame, a record
            batch reader, an ``ArrowExamples``.
        doubles: ``"round"`` writes the float32 nearest to a double, ``"refuse"`` makes one that no float32 equals an
            error.

    Yields:
        Serialized Examples.

    Raises:
        InvalidArgumentError: At once: no Arrow data. While iterating: a type or a value that a feature cannot hold, a
            null within a list, lists of lists of variable length. The message names the column.
    """
    return itertools.chain.from_iterable(arrow_batches(data, doubles))


def arrow_batches(data: Any, doubles: Doubles) -> Iterator[list[bytes]]:
    """The records of ``from_arrow``, in lists."""
    export = getattr(data, "__arrow_c_stream__", None)
    if export is None:
        raise InvalidArgumentError(f"expected an object with __arrow_c_stream__, found {type(data).__name__}")
    return _core.ArrowRecords(export(), are_refused(doubles))


def write_table(data: Any, path: Any, *, doubles: Doubles = "round", **writer_options: Unpack[WriterKeywords]) -> int:
    """Write Arrow data as a record file of Examples.

    Args:
        data: As ``from_arrow`` takes.
        path: Where to, on any filesystem.
        doubles: As ``from_arrow``.
        **writer_options: As ``RecordWriter`` takes them, such as ``compression="GZIP"``.

    Returns:
        The number of records.

    Raises:
        InvalidArgumentError: As ``from_arrow``.
        PermissionDeniedError and others: As ``RecordWriter``. What was written before stays, unless ``atomic=True``.
    """
    check_keywords("write_table", writer_options, WriterKeywords)
    count = 0
    batches = arrow_batches(data, doubles)
    with RecordWriter(path, **writer_options) as writer:
        for batch in batches:
            writer.write_batch(batch)
            count += len(batch)
    return count
