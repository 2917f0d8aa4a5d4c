"""Serialized Examples to columns, with the results and errors of ``tf.io.parse_example`` and its siblings."""

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from recordfs import _core
from recordfs.errors import InvalidArgumentError
from recordfs.example.columns import Array, Column, RaggedColumn, object_array
from recordfs.example.features import (
    Feature,
    FixedLenFeature,
    FixedLenSequenceFeature,
    RaggedFeature,
    VarLenFeature,
    checked_features,
    default_values,
)
from recordfs.example.numpy_module import np

__all__ = ["ExampleParser", "native_features", "parse_example", "parse_sequence_example", "parse_single_example"]

BytesLike: TypeAlias = bytes | bytearray | memoryview

# Parsers kept for calls with the same features, which are nearly always those of the call before.
_CACHED_PARSERS = 32


class ExampleParser:
    """Turns serialized Examples into columns; made once for a set of features. Safe to use from many threads.

    Args:
        features: What to read: column name to feature. The name is the key in the message, except where a
            ``RaggedFeature`` has a ``value_key``.
        complete: Whether these are all features that the records may have, so that nothing is left out in silence: a
            record with another feature, or of another type, is an error.

    Raises:
        InvalidArgumentError: Something that is no feature; a ``FixedLenSequenceFeature`` without ``allow_missing``
            (as in TensorFlow); one key asked for as two different things.
    """

    def __init__(self, features: Mapping[str, Feature], *, complete: bool = False) -> None:
        self._features = checked_features(features)
        for name, feature in self._features.items():
            if isinstance(feature, FixedLenSequenceFeature) and not feature.allow_missing:
                raise InvalidArgumentError(
                    f"feature {name!r}: a FixedLenSequenceFeature of an Example needs allow_missing=True"
                )
        plans, places = native_features(self._features)
        self._native = _core.ExampleParser(plans, complete)
        names = list(zip(self._features.items(), places, strict=True))
        self._batch = [(name, place, batch_column_maker(feature)) for (name, feature), place in names]
        self._single = [(name, place, _single_value_maker(feature)) for (name, feature), place in names]

    def parse(self, serialized: Iterable[BytesLike], *, threads: int = 1) -> dict[str, Column]:
        """The columns of a batch. See ``parse_example``."""
        if threads < 1:
            raise InvalidArgumentError(f"threads must be at least 1, found {threads}")
        native = self._native.parse(serialized, threads)
        return {name: make(*native[place]) for name, place, make in self._batch}

    def parse_single(self, serialized: BytesLike) -> dict[str, Any]:
        """The values of one record. See ``parse_single_example``."""
        native = self._native.parse_single(serialized)
        return {name: make(*native[place]) for name, place, make in self._single}


def parse_example(
    serialized: Iterable[BytesLike], features: Mapping[str, Feature], *, threads: int = 1
) -> dict[str, Column]:
    """Parse a batch of serialized Examples into columns, as ``tf.io.parse_example`` does.

    Numbers are decoded with the GIL released. Bytes-like objects that can be written to are copied first.

    Args:
        serialized: One bytes-like object a record.
        features: Column name to feature; see ``ExampleParser``.
        threads: How many threads may decode, this one included. Small batches use fewer.

    Returns:
        For each name, in the order of ``features``: for a ``FixedLenFeature`` an array of shape ``(batch, *shape)``,
        for a ``FixedLenSequenceFeature`` one of shape ``(batch, longest, *shape)``, otherwise a ``RaggedColumn``.
        Arrays are int64, float32 or, for bytes, object arrays of ``bytes``; all are writable and own their memory.

    Raises:
        InvalidArgumentError: A record is no Example; a required feature is missing; a feature has another kind or
            another number of values than asked for. The message names record and feature.
    """
    return _parser_for(features).parse(serialized, threads=threads)


def parse_single_example(serialized: BytesLike, features: Mapping[str, Feature]) -> dict[str, Any]:
    """Parse one serialized Example, as ``tf.io.parse_single_example`` does.

    Args:
        serialized: The record.
        features: Name to feature; see ``ExampleParser``.

    Returns:
        For each name: for a ``FixedLenFeature`` an array of its shape (``()``: a NumPy scalar or ``bytes``), for a
        ``FixedLenSequenceFeature`` one of shape ``(steps, *shape)``, otherwise a one-dimensional array.

    Raises:
        InvalidArgumentError: As ``parse_example``.
    """
    return _parser_for(features).parse_single(serialized)


def parse_sequence_example(
    serialized: Iterable[BytesLike],
    context_features: Mapping[str, Feature] | None = None,
    sequence_features: Mapping[str, Feature] | None = None,
    *,
    complete: bool = False,
) -> tuple[dict[str, Column], dict[str, Column], dict[str, Array]]:
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
        InvalidArgumentError: As ``parse_example``; also a step with another number of values than its shape has.
    """
    context = checked_features({} if context_features is None else context_features)
    lists = checked_features({} if sequence_features is None else sequence_features)
    _check_sequence_features(context, lists)
    context_plans, context_places = native_features(context)
    list_plans, list_places = native_features(lists)
    parser = _core.SequenceExampleParser(context_plans, list_plans, complete)
    native_context, native_lists = parser.parse(serialized)
    columns = {
        name: batch_column_maker(feature)(*native_context[place])
        for (name, feature), place in zip(context.items(), context_places, strict=True)
    }
    list_columns: dict[str, Column] = {}
    lengths: dict[str, Array] = {}
    for (name, feature), place in zip(lists.items(), list_places, strict=True):
        values, step_splits, row_splits, steps = native_lists[place]
        outer = np.frombuffer(row_splits, np.int64)
        flat = _flat_array(values, feature.dtype)
        if isinstance(feature, FixedLenSequenceFeature):
            list_columns[name] = flat.reshape(len(outer) - 1, steps, *feature.shape)
            lengths[name] = np.diff(outer)
        else:
            splits = _splits_dtype(feature)
            inner = RaggedColumn(flat, _as_splits(np.frombuffer(step_splits, np.int64), splits))
            list_columns[name] = RaggedColumn(inner, _as_splits(outer, splits))
    return columns, list_columns, lengths


def _check_sequence_features(context: Mapping[str, Feature], lists: Mapping[str, Feature]) -> None:
    for name, feature in context.items():
        if isinstance(feature, FixedLenSequenceFeature):
            raise InvalidArgumentError(f"context feature {name!r} cannot be a FixedLenSequenceFeature")
    for name, feature in lists.items():
        if isinstance(feature, FixedLenFeature):
            raise InvalidArgumentError(f"feature list {name!r} must be a FixedLenSequenceFeature, found {feature!r}")
        if isinstance(feature, FixedLenSequenceFeature) and feature.default_value is not None:
            raise InvalidArgumentError(f"feature list {name!r} cannot have a default_value: it is padded with zeros")


def _parser_for(features: Mapping[str, Feature]) -> ExampleParser:
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


_KINDS: dict[type, str] = {bytes: "bytes", np.float32: "float32", np.int64: "int64"}

NativeFeature: TypeAlias = tuple[str, str, str, int, str, list[Any] | None]


def native_features(features: Mapping[str, Feature]) -> tuple[list[NativeFeature], list[int]]:
    """The native parser's description of the features, and for each of them its place in it.

    Columns that read the same key (by ``value_key``) share a place.

    Raises:
        InvalidArgumentError: Something that is no feature, or one key asked for as two different things.
    """
    plans: dict[str, NativeFeature] = {}
    keys = []
    for name, feature in features.items():
        plan = _native_feature(name, feature)
        keys.append(plan[0])
        if plans.setdefault(plan[0], plan) != plan:
            raise InvalidArgumentError(f"feature {name!r}: the key {plan[0]!r} is asked for as two different things")
    places = {key: place for place, key in enumerate(plans)}
    return list(plans.values()), [places[key] for key in keys]


def _native_feature(name: str, feature: Feature) -> NativeFeature:
    if not isinstance(name, str):
        raise InvalidArgumentError(f"a feature's name must be a str, found {name!r}")
    match feature:
        case FixedLenFeature(shape, dtype, None):
            return (name, _KINDS[dtype], "fixed", math.prod(shape), "refuse", None)
        case FixedLenFeature(shape, dtype, default):
            elements = math.prod(shape)
            # As in TensorFlow, a default without values is none.
            return (name, _KINDS[dtype], "fixed", elements, "default" if elements else "refuse",
                    default_values(default, dtype, elements) or None)  # fmt: skip
        case FixedLenSequenceFeature(shape, dtype, allow_missing, default):
            padding = None if default is None else default_values(default, dtype, 1)
            missing = "absent" if allow_missing else "refuse"
            return (name, _KINDS[dtype], "sequence", math.prod(shape), missing, padding)
        case VarLenFeature(dtype):
            return (name, _KINDS[dtype], "ragged", 0, "absent", None)
        case RaggedFeature(dtype, value_key, _):
            return (value_key or name, _KINDS[dtype], "ragged", 0, "absent", None)
        case _:
            raise InvalidArgumentError(
                f"feature {name!r} must be a FixedLenFeature, VarLenFeature, RaggedFeature or "
                f"FixedLenSequenceFeature, found {feature!r}"
            )


# Native values, row splits, number of records, padded number of steps.
_Maker: TypeAlias = Callable[[Any, Any, int, int], Any]


def batch_column_maker(feature: Feature) -> _Maker:
    """What makes this feature's column over the native memory."""
    dtype = feature.dtype
    match feature:
        case FixedLenFeature(()):
            return lambda values, _splits, _rows, _steps: _flat_array(values, dtype)
        case FixedLenFeature(shape):
            return lambda values, _splits, rows, _steps: _flat_array(values, dtype).reshape(rows, *shape)
        case FixedLenSequenceFeature(shape):
            return lambda values, _splits, rows, steps: _flat_array(values, dtype).reshape(rows, steps, *shape)
    splits_dtype = _splits_dtype(feature)
    return lambda values, splits, _rows, _steps: RaggedColumn(
        _flat_array(values, dtype), _as_splits(np.frombuffer(splits, np.int64), splits_dtype)
    )


def _single_value_maker(feature: Feature) -> _Maker:
    """What makes one record's values."""
    dtype = feature.dtype
    match feature:
        case FixedLenFeature(()):
            return lambda values, _splits, _rows, _steps: _flat_array(values, dtype)[0]
        case FixedLenFeature(shape):
            return lambda values, _splits, _rows, _steps: _flat_array(values, dtype).reshape(shape)
        case FixedLenSequenceFeature(shape):
            return lambda values, _splits, _rows, steps: _flat_array(values, dtype).reshape(steps, *shape)
    return lambda values, _splits, _rows, _steps: _flat_array(values, dtype)


def _flat_array(values: Any, dtype: type) -> Array:
    return object_array(values) if dtype is bytes else np.frombuffer(values, dtype)


def _splits_dtype(feature: Feature) -> type:
    return feature.row_splits_dtype if isinstance(feature, RaggedFeature) else np.int64


def _as_splits(splits: Array, dtype: type) -> Array:
    if dtype is np.int32 and splits[-1] > np.iinfo(np.int32).max:
        raise InvalidArgumentError("more values than int32 row splits can count: use row_splits_dtype=numpy.int64")
    return splits.astype(dtype, copy=False)
