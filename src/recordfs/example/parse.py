"""Serialized Examples to columns, with the results and errors of ``tf.io.parse_example`` and its siblings."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Never, TypeAlias, overload

from recordfs import _core
from recordfs.errors import InvalidArgumentError
from recordfs.example.bad_record import BadRecordError
from recordfs.example.columns import Array, Column, RaggedColumn, SparseColumn, as_splits, object_array
from recordfs.example.composite import Rows, Where, partitioned, sparse_column
from recordfs.example.features import (
    Feature,
    FixedLenFeature,
    FixedLenSequenceFeature,
    RaggedFeature,
    SparseFeature,
    UniformRowLength,
    VarLenFeature,
    checked_features,
)
from recordfs.example.native_features import native_features
from recordfs.example.numpy_module import np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from recordfs.records.reader import RecordReader

__all__ = ["ExampleParser", "parse_example", "parse_sequence_example", "parse_single_example"]

BytesLike: TypeAlias = bytes | bytearray | memoryview

# Parsers kept for calls with the same features, which are nearly always those of the call before.
_CACHED_PARSERS = 32


class ExampleParser:
    """Turns serialized Examples into columns; made once for a set of features. Safe to use from many threads.

    Args:
        features: What to read: column name to feature. The name is the key in the message, except where the feature
            names its keys.
        complete: Whether these are all features that the records may have, so that nothing is left out silently: a
            record with another feature, or of another type, is an error.

    Raises:
        InvalidArgumentError: Something that is not a feature; a ``FixedLenSequenceFeature`` without ``allow_missing``
            (as in TensorFlow); one key asked for as two different things.
    """

    def __init__(self, features: Mapping[str, Any], *, complete: bool = False) -> None:
        self._features = checked_features(features)
        for name, feature in self._features.items():
            if isinstance(feature, FixedLenSequenceFeature) and not feature.allow_missing:
                raise InvalidArgumentError(
                    f"feature {name!r}: a FixedLenSequenceFeature of an Example needs allow_missing=True"
                )
        plans, places = native_features(self._features)
        self._native = _core.ExampleParser(plans, complete)
        named = list(zip(self._features.items(), places, strict=True))
        self._batch = {name: _batch_column_maker(name, feature, keys) for (name, feature), keys in named}
        self._single = {name: _single_value_maker(name, feature, keys) for (name, feature), keys in named}

    def parse(self, serialized: Iterable[BytesLike], *, threads: int = 1) -> dict[str, Any]:
        """Return the columns of a batch, as ``parse_example`` does.

        Args:
            serialized: One bytes-like object a record.
            threads: How many threads may decode, this one included. Small batches use fewer.

        Raises:
            InvalidArgumentError: ``threads`` is below 1.
            BadRecordError: As ``parse_example``.
        """
        if threads < 1:
            raise InvalidArgumentError(f"threads has to be at least 1, found {threads}")
        return self._columns(self._native.parse(serialized, threads))

    def can_parse_in_place(self) -> bool:
        """Tell whether ``parse_reader`` knows all features: padding needs the whole batch at once."""
        return not any(isinstance(feature, FixedLenSequenceFeature) for feature in self._features.values())

    def parse_reader(self, reader: RecordReader, batch_size: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the records of a reader, from its ``start``: their number and columns, batch by batch.

        Yields:
            What ``parse`` gives of the same records, which never become Python objects here.

        Raises:
            BadRecordError: As ``parse``, with the record's offset; the reader's position is in the same file. The
                records of the batch are given up.
            TruncatedRecordError and others: As ``RecordReader.batches``.
        """
        for records, native in self._native.batches(reader.begin(), batch_size):
            yield records, self._columns(native)

    def _columns(self, native: list[Any]) -> dict[str, Any]:
        return {name: make(native) for name, make in self._batch.items()}

    def parse_single(self, serialized: BytesLike) -> dict[str, Any]:
        """Return the values of one record. See ``parse_single_example``."""
        native = self._native.parse_single(serialized)
        return {name: make(native) for name, make in self._single.items()}


# The first overload is for pyright, to which a dict of several kinds of features has values of a type unknown: it takes
# the first one that fits, and would hold every column for an array.
@overload
def parse_example(
    serialized: Iterable[BytesLike], features: Mapping[str, Never], *, threads: int = 1
) -> dict[str, Any]: ...
@overload
def parse_example(
    serialized: Iterable[BytesLike],
    features: Mapping[str, FixedLenFeature | FixedLenSequenceFeature],
    *,
    threads: int = 1,
) -> dict[str, Array]: ...
@overload
def parse_example(
    serialized: Iterable[BytesLike], features: Mapping[str, VarLenFeature | RaggedFeature], *, threads: int = 1
) -> dict[str, RaggedColumn]: ...
@overload
def parse_example(
    serialized: Iterable[BytesLike], features: Mapping[str, Any], *, threads: int = 1
) -> dict[str, Any]: ...
def parse_example(serialized: Iterable[BytesLike], features: Mapping[str, Any], *, threads: int = 1) -> dict[str, Any]:
    """Parse a batch of serialized Examples into columns, as ``tf.io.parse_example`` does.

    Numbers are decoded with the GIL released. Bytes-like objects that can be written to are copied first.

    Args:
        serialized: One bytes-like object a record.
        features: Column name to feature; see ``ExampleParser``.
        threads: How many threads may decode, this one included. Small batches use fewer.

    Returns:
        For each name, in the order of ``features``: for a ``FixedLenFeature`` an array of shape ``(batch, *shape)``,
        for a ``FixedLenSequenceFeature`` one of shape ``(batch, longest, *shape)``, for a ``SparseFeature`` a
        ``SparseColumn``, otherwise a ``RaggedColumn``.
        Arrays are int64, float32 or, for bytes, object arrays of ``bytes``; all are writable and own their memory.

    Raises:
        BadRecordError: A record is not an Example; a required feature is missing; a feature has another kind or another
            number of values than asked for. The message names record and feature. It is an InvalidArgumentError.
    """
    return _parser_for(features).parse(serialized, threads=threads)


def parse_single_example(serialized: BytesLike, features: Mapping[str, Any]) -> dict[str, Any]:
    """Parse one serialized Example, as ``tf.io.parse_single_example`` does.

    Args:
        serialized: The record.
        features: Name to feature; see ``ExampleParser``.

    Returns:
        For each name: for a ``FixedLenFeature`` an array of its shape (``()``: a NumPy scalar or ``bytes``), for a
        ``FixedLenSequenceFeature`` one of shape ``(steps, *shape)``, for a ``SparseFeature`` a ``SparseColumn`` without
        the dimension of records, for a ``RaggedFeature`` with partitions the record's rows, otherwise a one-dimensional
        array.

    Raises:
        BadRecordError: As ``parse_example``.
    """
    return _parser_for(features).parse_single(serialized)


def parse_sequence_example(
    serialized: Iterable[BytesLike],
    context_features: Mapping[str, Any] | None = None,
    sequence_features: Mapping[str, Any] | None = None,
    *,
    complete: bool = False,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Array]]:
    """Parse a batch of serialized SequenceExamples, as ``tf.io.parse_sequence_example`` does.

    Args:
        serialized: One bytes-like object a record.
        context_features: Name to ``FixedLenFeature``, ``VarLenFeature`` or ``RaggedFeature``.
        sequence_features: Name to ``FixedLenSequenceFeature``, ``VarLenFeature`` or ``RaggedFeature``.
        complete: As ``ExampleParser``, for both.

    Returns:
        The context's columns as ``parse_example`` gives them; the feature lists' columns, arrays of shape
        ``(batch, longest, *shape)`` padded with zeros or ``b""``, or two-level ``RaggedColumn``s; and for each
        ``FixedLenSequenceFeature`` the number of steps of each record, int64 of shape ``(batch,)``.

    Raises:
        BadRecordError: As ``parse_example``; also a step with another number of values than its shape has.
    """
    context = checked_features({} if context_features is None else context_features)
    lists = checked_features({} if sequence_features is None else sequence_features)
    _check_sequence_features(context, lists)
    context_plans, context_places = native_features(context)
    list_plans, list_places = native_features(lists)
    parser = _core.SequenceExampleParser(context_plans, list_plans, complete)
    native_context, native_lists = parser.parse(serialized)
    columns = {
        name: _batch_column_maker(name, feature, keys)(native_context)
        for (name, feature), keys in zip(context.items(), context_places, strict=True)
    }
    list_columns: dict[str, Column] = {}
    lengths: dict[str, Array] = {}
    for (name, feature), keys in zip(lists.items(), list_places, strict=True):
        values, step_splits, row_splits, steps = native_lists[keys[0]]
        outer = np.frombuffer(row_splits, np.int64)
        flat = _flat_array(values, feature.dtype)
        if isinstance(feature, FixedLenSequenceFeature):
            list_columns[name] = flat.reshape(len(outer) - 1, steps, *feature.shape)
            lengths[name] = np.diff(outer)
            continue
        inner = Rows(flat, np.frombuffer(step_splits, np.int64))
        cuts = [native_lists[key] for key in keys[1:]]
        list_columns[name] = RaggedColumn(
            _stepwise_column(name, feature, inner, outer, cuts), as_splits(outer, _splits_dtype(feature))
        )
    return columns, list_columns, lengths


def _stepwise_column(name: str, feature: Feature, steps: Rows, outer: Array, cuts: list[Any]) -> RaggedColumn:
    """The steps of all records, cut into rows where the feature has partitions."""
    splits_dtype = _splits_dtype(feature)
    if not isinstance(feature, RaggedFeature) or not feature.partitions:
        return RaggedColumn(steps.values, as_splits(steps.splits, splits_dtype))

    def where(step: int) -> str:
        record = int(np.searchsorted(outer, step, side="right")) - 1
        return f"record {record} of the batch, feature {name!r}: step {step - int(outer[record])} of the feature list"

    rows = []
    for values, step_splits, row_splits, _ in cuts:
        if not np.array_equal(np.frombuffer(row_splits, np.int64), outer):
            raise InvalidArgumentError(f"feature list {name!r} and one that cuts it have different numbers of steps")
        rows.append(Rows(np.frombuffer(values, np.int64), np.frombuffer(step_splits, np.int64)))
    try:
        return partitioned(where, steps, _with_cuts(feature, rows), splits_dtype)
    except BadRecordError as error:
        error.record = int(np.searchsorted(outer, error.record, side="right")) - 1  # of the step it was the number
        raise


def _with_cuts(feature: RaggedFeature, rows: list[Rows]) -> list[tuple[Any, Rows | None]]:
    """Each partition with what its key holds; a uniform row length has no key."""
    remaining = iter(rows)
    return [
        (partition, None if isinstance(partition, UniformRowLength) else next(remaining))
        for partition in feature.partitions
    ]


def _check_sequence_features(context: Mapping[str, Feature], lists: Mapping[str, Feature]) -> None:
    for name, feature in context.items():
        if isinstance(feature, FixedLenSequenceFeature):
            raise InvalidArgumentError(f"context feature {name!r} cannot be a FixedLenSequenceFeature")
        if isinstance(feature, SparseFeature):
            raise InvalidArgumentError(
                f"context feature {name!r} cannot be a SparseFeature: ask for its keys one by one"
            )
    for name, feature in lists.items():
        if isinstance(feature, FixedLenFeature | SparseFeature):
            raise InvalidArgumentError(
                f"feature list {name!r} has to be a FixedLenSequenceFeature, VarLenFeature or RaggedFeature, "
                f"found {feature!r}"
            )
        if isinstance(feature, FixedLenSequenceFeature) and feature.default_value is not None:
            raise InvalidArgumentError(f"feature list {name!r} cannot have a default_value: it is padded with zeros")


def _parser_for(features: Mapping[str, Any]) -> ExampleParser:
    """A parser made before for equal features, if they can be told equal."""
    if not isinstance(features, dict):
        features = checked_features(features)
    # The text tells 0.0 from -0.0, which are equal.
    key = tuple((name, type(feature), feature, repr(feature)) for name, feature in features.items())
    try:
        return _cached_parser(key)
    except TypeError:  # a default value that cannot be hashed, such as an array
        return ExampleParser(features)


@functools.lru_cache(maxsize=_CACHED_PARSERS)
def _cached_parser(key: tuple[tuple[str, type, Feature, str], ...]) -> ExampleParser:
    return ExampleParser({name: feature for name, _, feature, _ in key})


# Of each key: native values, row splits, number of records, padded number of steps.
NativeColumns: TypeAlias = list[tuple[Any, Any, int, int]]


def _batch_column_maker(name: str, feature: Feature, places: list[int]) -> Callable[[NativeColumns], Column]:
    """What makes this feature's column over the native memory."""
    dtype, place = feature.dtype, places[0]

    def where(record: int) -> str:
        return f"record {record} of the batch, feature {name!r}"

    match feature:
        case FixedLenFeature(()):
            return lambda native: _flat_array(native[place][0], dtype)
        case FixedLenFeature(shape):
            return lambda native: _flat_array(native[place][0], dtype).reshape(native[place][2], *shape)
        case FixedLenSequenceFeature(shape):
            return lambda native: _flat_array(native[place][0], dtype).reshape(*native[place][2:], *shape)
        case SparseFeature() | RaggedFeature(partitions=(_, *_)):
            return lambda native: _composite_column(where, feature, [native[place] for place in places])
    splits_dtype = _splits_dtype(feature)
    return lambda native: RaggedColumn(
        _flat_array(native[place][0], dtype), as_splits(np.frombuffer(native[place][1], np.int64), splits_dtype)
    )


def _single_value_maker(name: str, feature: Feature, places: list[int]) -> Callable[[NativeColumns], Any]:
    """What makes one record's values."""
    dtype, place = feature.dtype, places[0]

    def where(_: int) -> str:
        return f"feature {name!r}"

    match feature:
        case FixedLenFeature(()):
            return lambda native: _flat_array(native[place][0], dtype)[0]
        case FixedLenFeature(shape):
            return lambda native: _flat_array(native[place][0], dtype).reshape(shape)
        case FixedLenSequenceFeature(shape):
            return lambda native: _flat_array(native[place][0], dtype).reshape(native[place][3], *shape)
        case SparseFeature() | RaggedFeature(partitions=(_, *_)):
            return lambda native: _of_one(_composite_column(where, feature, [native[place] for place in places]))
    return lambda native: _flat_array(native[place][0], dtype)


def _composite_column(
    where: Where, feature: SparseFeature | RaggedFeature, native: NativeColumns
) -> RaggedColumn | SparseColumn:
    """The column that several keys make."""
    values, *others = (Rows(column[0], np.frombuffer(column[1], np.int64)) for column in native)
    rows = Rows(_flat_array(values.values, feature.dtype), values.splits)
    parts = [Rows(np.frombuffer(other.values, np.int64), other.splits) for other in others]
    if isinstance(feature, SparseFeature):
        return sparse_column(where, feature, rows, parts)
    return partitioned(where, rows, _with_cuts(feature, parts), feature.row_splits_dtype)


def _of_one(column: RaggedColumn | SparseColumn) -> Array | RaggedColumn | SparseColumn:
    """The only record's part of a column."""
    if isinstance(column, SparseColumn):
        return SparseColumn(column.indices[:, 1:], column.values, column.dense_shape[1:])
    return column.values


def _flat_array(values: Any, dtype: type) -> Array:
    return object_array(values) if dtype is bytes else np.frombuffer(values, dtype)


def _splits_dtype(feature: Feature) -> type:
    return feature.row_splits_dtype if isinstance(feature, RaggedFeature) else np.int64
