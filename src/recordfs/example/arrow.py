"""Examples to Arrow and back through the Arrow PyCapsule interface, which needs no pyarrow.

Polars, DuckDB, pandas, pyarrow and others take these objects as they are and use their memory. One value a record is a
column of its type; a fixed number of values is a fixed-size list; any other is a large list. Records without a feature
are nulls.

Source: the Arrow specification, "The Arrow PyCapsule Interface".
"""

import importlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from recordfs import _core
from recordfs.errors import InvalidArgumentError, MissingDependencyError
from recordfs.example.doubles import Doubles, are_refused
from recordfs.example.features import (
    Feature,
    FixedLenFeature,
    FixedLenSequenceFeature,
    RaggedFeature,
    SparseFeature,
    checked_features,
)
from recordfs.example.parse import native_features
from recordfs.example.read import record_batches
from recordfs.example.schema import InferredFeatures, infer_features
from recordfs.records.writer import RecordWriter

__all__ = [
    "ArrowExamples",
    "arrow_batches",
    "from_arrow",
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


class ArrowExamples:
    """Examples as an Arrow table that is decoded while it is read: one batch in memory at a time.

    It has ``__arrow_c_stream__``, so it can be given to ``polars.DataFrame``, ``pyarrow.table``, DuckDB and all others
    that take Arrow streams; each time the records are read anew. An error in a record comes out of the consumer, as its
    own exception with recordfs's message.

    Args:
        features: Column name to feature. From ``infer_features``: what a record lacks is null, also where every record
            of the sample had it, and what a record has that the sample had not is an error. Of other features only
            those are read that are given.
        batches: Makes a new iterator of lists of records.
        threads: How many threads may decode a batch.

    Raises:
        InvalidArgumentError: A ``FixedLenSequenceFeature``, whose padding Arrow does not need; two columns of one key;
            features made of several keys; features inferred from SequenceExamples, whose feature lists would be left
            out.
    """

    def __init__(
        self, features: Mapping[str, Feature], batches: Callable[[], Iterator[list[bytes]]], *, threads: int = 1
    ) -> None:
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
        return self._parser.stream(self._batches())

    def batches(self) -> Iterator[Any]:
        """The batches one by one: objects with ``__arrow_c_array__``.

        Raises:
            InvalidArgumentError: A record that does not fit the features.
        """
        first = 0
        for records in self._batches():
            yield self._parser.parse(records, first)
            first += len(records)

    def to_pyarrow(self) -> Any:
        """Everything as a ``pyarrow.Table``.

        Raises:
            MissingDependencyError: pyarrow is not installed.
            InvalidArgumentError: A record that does not fit the features.
        """
        pyarrow = pyarrow_module()
        schema = pyarrow.schema(self)
        return pyarrow.Table.from_batches([pyarrow.record_batch(batch) for batch in self.batches()], schema=schema)


def _arrow_features(features: Mapping[str, Feature]) -> dict[str, Feature]:
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


def to_arrow(
    records: Iterable[bytes], features: Mapping[str, Feature] | None = None, *, threads: int = 1
) -> ArrowExamples:
    """Serialized Examples as an Arrow table.

    Args:
        records: The records; other than a list they are put into one.
        features: Column name to feature; None infers them from all records.
        threads: How many threads may decode.

    Raises:
        InvalidArgumentError: Features that make no sense; with None, no records, or one that is no Example.
    """
    held = records if isinstance(records, list) else list(records)
    chosen = infer_features(held) if features is None else features
    return ArrowExamples(chosen, lambda: _cut(held), threads=threads)


def _cut(records: list[bytes]) -> Iterator[list[bytes]]:
    return (records[start : start + _BATCH_SIZE] for start in range(0, len(records), _BATCH_SIZE))


def read_arrow(
    source: Any,
    features: Mapping[str, Feature] | None = None,
    *,
    sample: int | None = _SAMPLE,
    batch_size: int = _BATCH_SIZE,
    threads: int = 1,
    **reader_options: Any,
) -> ArrowExamples:
    """Record files of Examples as an Arrow table that is read as it is consumed, in bounded memory.

    Args:
        source: A path or pattern on any filesystem, or a list of them, as ``RecordReader`` takes.
        features: Column name to feature; None infers them from the first ``sample`` records. A later record that has
            another feature, kind or length then is an error that says so.
        sample: Records to infer from; None looks at all of them first.
        batch_size: Records a batch.
        threads: How many threads may decode a batch.
        **reader_options: As ``RecordReader`` takes them.

    Raises:
        InvalidArgumentError: Features or sizes that make no sense; records that are no Examples.
        NotFoundError and others: As ``RecordReader``.
    """

    def batches(size: int = batch_size) -> Iterator[list[bytes]]:
        return record_batches(source, size, reader_options)

    if features is None:
        size = batch_size if sample is None else min(batch_size, sample)
        features = infer_features(itertools.chain.from_iterable(batches(size)), sample=sample)
    return ArrowExamples(features, batches, threads=threads)


def read_table(
    source: Any, features: Mapping[str, Feature] | None = None, *, threads: int = 1, **reader_options: Any
) -> Any:
    """Record files of Examples as a ``pyarrow.Table``, in memory.

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
    if features is None:
        records = itertools.chain.from_iterable(record_batches(source, _BATCH_SIZE, reader_options))
        return to_arrow(records, threads=threads).to_pyarrow()
    return read_arrow(source, features, threads=threads, **reader_options).to_pyarrow()


def from_arrow(data: Any, *, doubles: Doubles = "round") -> Iterator[bytes]:
    """Arrow data as serialized Examples, one record for each row, one batch in memory at a time.

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
    """The records of ``from_arrow``, a list for each of its batches."""
    export = getattr(data, "__arrow_c_stream__", None)
    if export is None:
        raise InvalidArgumentError(f"expected an object with __arrow_c_stream__, found {type(data).__name__}")
    return _core.ArrowRecords(export(), are_refused(doubles))


def write_table(data: Any, path: Any, *, doubles: Doubles = "round", **writer_options: Any) -> int:
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
    count = 0
    batches = arrow_batches(data, doubles)
    with RecordWriter(path, **writer_options) as writer:
        for batch in batches:
            writer.write_batch(batch)
            count += len(batch)
    return count
