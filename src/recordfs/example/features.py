"""What a column is to hold: TensorFlow's features by their names, checked when they are made.

Source of names, fields and defaults: ``tensorflow/python/ops/parsing_config.py``.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self, TypeAlias

from recordfs.errors import InvalidArgumentError
from recordfs.example.numpy_module import np

__all__ = [
    "Feature",
    "FixedLenFeature",
    "FixedLenSequenceFeature",
    "Partition",
    "RaggedFeature",
    "SparseFeature",
    "VarLenFeature",
    "checked_features",
]

# More values than this in one record cannot come out of a message, which is smaller than 2 GiB.
_MAX_ELEMENTS = 2**31 - 1


def _checked_dtype(dtype: Any) -> type:
    """``bytes``, ``numpy.float32`` or ``numpy.int64``, from any spelling of them.

    Raises:
        InvalidArgumentError: Any other type; a message has no other.
    """
    known = bytes if dtype is bytes else _known_dtype(dtype, (np.float32, np.int64))
    if known is not None:
        return known
    raise InvalidArgumentError(f"a feature's dtype has to be bytes, numpy.float32 or numpy.int64, found {dtype!r}")


def _known_dtype(dtype: Any, known: tuple[type, ...]) -> type | None:
    """The one of NumPy's types that ``dtype`` means, None if it means another or nothing."""
    try:
        found = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError):  # the last two for texts that look like several fields
        return None
    return found.type if found.isnative and found.type in known else None


def _checked_shape(shape: int | Sequence[int]) -> tuple[int, ...]:
    """The shape as a tuple of numbers; a number is the shape of so many values.

    Raises:
        InvalidArgumentError: A dimension is negative, unknown or no number, or the product is beyond any record.
    """
    try:
        sizes = (shape,) if hasattr(shape, "__index__") else tuple(shape)
        dimensions = tuple(operator.index(size) for size in sizes)
    except TypeError:
        raise InvalidArgumentError(
            f"a feature's shape has to be an integer or a sequence of integers, found {shape!r}"
        ) from None
    if min(dimensions, default=0) < 0 or math.prod(dimensions) > _MAX_ELEMENTS:
        raise InvalidArgumentError(f"a feature's shape has to have known dimensions of 0 or more, found {shape!r}")
    return dimensions


class _FixedLenFields(NamedTuple):
    shape: tuple[int, ...]
    dtype: type
    default_value: object


class FixedLenFeature(_FixedLenFields):
    """The same number of values in every record: a column of shape ``(batch, *shape)``.

    Args:
        shape: Of one record's values; ``()`` for one value, a number for so many.
        dtype: ``bytes``, ``numpy.float32`` or ``numpy.int64``.
        default_value: Used for records without the feature (or with an empty one): as many values as the shape has.
            Without it such a record is an error.

    Raises:
        InvalidArgumentError: Not such a shape, type or default.
    """

    __slots__ = ()

    def __new__(cls, shape: int | Sequence[int], dtype: Any, default_value: Any = None) -> Self:
        """Check and make."""
        self = super().__new__(cls, _checked_shape(shape), _checked_dtype(dtype), default_value)
        if default_value is not None:
            default_values(default_value, self.dtype, math.prod(self.shape))
        return self


class _VarLenFields(NamedTuple):
    dtype: type


class VarLenFeature(_VarLenFields):
    """Any number of values in each record: a ``RaggedColumn``, which also has TensorFlow's sparse form.

    Args:
        dtype: ``bytes``, ``numpy.float32`` or ``numpy.int64``.

    Raises:
        InvalidArgumentError: Not such a type.
    """

    __slots__ = ()

    def __new__(cls, dtype: Any) -> Self:
        """Check and make."""
        return super().__new__(cls, _checked_dtype(dtype))


class RowSplits(NamedTuple):
    """Where each row begins, and the end of the last: one value more than rows."""

    key: str


class RowLengths(NamedTuple):
    """How many values each row has."""

    key: str


class RowStarts(NamedTuple):
    """Where each row begins."""

    key: str


class RowLimits(NamedTuple):
    """Where each row ends."""

    key: str


class ValueRowIds(NamedTuple):
    """The row of each value, ascending."""

    key: str


class UniformRowLength(NamedTuple):
    """So many values in every row."""

    length: int


KeyedPartition: TypeAlias = RowSplits | RowLengths | RowStarts | RowLimits | ValueRowIds
Partition: TypeAlias = KeyedPartition | UniformRowLength


class _RaggedFields(NamedTuple):
    dtype: type
    value_key: str | None
    partitions: tuple[Partition, ...]
    row_splits_dtype: type
    validate: bool


class RaggedFeature(_RaggedFields):
    """Any number of values in each record, cut into rows by other features: a ``RaggedColumn``.

    Args:
        dtype: ``bytes``, ``numpy.float32`` or ``numpy.int64``.
        value_key: The key in the message, if it is not the column's name.
        partitions: What cuts a record's values into rows, from the outermost to the innermost:
            ``RaggedFeature.RowSplits(key)``, ``RowLengths``, ``RowStarts``, ``RowLimits`` or ``ValueRowIds`` of an
            int64 feature, or ``UniformRowLength(length)``.
        row_splits_dtype: ``numpy.int32`` or ``numpy.int64``.
        validate: Without meaning here: partitions that do not fit a record's values are always an error.

    Raises:
        InvalidArgumentError: Not such a type, key or partition.
    """

    __slots__ = ()

    RowSplits = RowSplits
    RowLengths = RowLengths
    RowStarts = RowStarts
    RowLimits = RowLimits
    ValueRowIds = ValueRowIds
    UniformRowLength = UniformRowLength

    def __new__(
        cls,
        dtype: Any,
        value_key: str | None = None,
        partitions: Sequence[Partition] = (),
        row_splits_dtype: Any = np.int32,
        validate: bool = False,
    ) -> Self:
        """Check and make."""
        if value_key is not None:
            _check_key("value_key", value_key)
        if not isinstance(partitions, list | tuple):
            raise InvalidArgumentError(f"partitions have to be a list or tuple, found {partitions!r}")
        splits = _known_dtype(row_splits_dtype, (np.int32, np.int64))
        if splits is None:
            raise InvalidArgumentError(
                f"row_splits_dtype has to be numpy.int32 or numpy.int64, found {row_splits_dtype!r}"
            )
        checked = tuple(_checked_partition(partition) for partition in partitions)
        return super().__new__(cls, _checked_dtype(dtype), value_key, checked, splits, bool(validate))


def _check_key(what: str, key: object) -> None:
    if not _is_text(key) or not key:
        raise InvalidArgumentError(f"{what} has to be a text that is not empty, found {key!r}")


def _checked_partition(partition: Any) -> Partition:
    match partition:
        case UniformRowLength(length):
            if not hasattr(length, "__index__") or not 0 < operator.index(length) <= _MAX_ELEMENTS:
                raise InvalidArgumentError(f"a uniform row length has to be a number above 0, found {length!r}")
            return UniformRowLength(operator.index(length))
        case RowSplits(key) | RowLengths(key) | RowStarts(key) | RowLimits(key) | ValueRowIds(key):
            _check_key("a partition's key", key)
            return partition
    raise InvalidArgumentError(
        f"a partition has to be RaggedFeature.RowSplits or one of its siblings, found {partition!r}"
    )


class _SparseFields(NamedTuple):
    index_key: str | tuple[str, ...]
    value_key: str
    dtype: type
    size: int | tuple[int, ...]
    already_sorted: bool


class SparseFeature(_SparseFields):
    """Values of one feature at the places that other features give: a ``SparseColumn`` of shape ``(batch, *size)``.

    Args:
        index_key: The int64 feature that gives the place of each value, or a list of them, one for each dimension.
        value_key: The feature with the values.
        dtype: Of the values: ``bytes``, ``numpy.float32`` or ``numpy.int64``.
        size: The number of places, or a list with that of each dimension.
        already_sorted: Whether the values of each record stand in the order of their places, and need no sorting.

    Raises:
        InvalidArgumentError: Not such a key, type or size.
    """

    __slots__ = ()

    def __new__(
        cls,
        index_key: str | Sequence[str],
        value_key: str,
        dtype: Any,
        size: int | Sequence[int],
        already_sorted: bool = False,
    ) -> Self:
        """Check and make."""
        keys = index_key if isinstance(index_key, str) else tuple(index_key)
        for key in (keys,) if isinstance(keys, str) else keys:
            _check_key("index_key", key)
        _check_key("value_key", value_key)
        sizes = _checked_shape(size)
        if isinstance(keys, str) != hasattr(size, "__index__") or len(sizes) != (
            1 if isinstance(keys, str) else len(keys)
        ):
            raise InvalidArgumentError(
                f"size has to be a number for one index_key, or a list as long as that of the keys, found {size!r}"
            )
        if not sizes:
            raise InvalidArgumentError("a SparseFeature needs an index_key")
        chosen = sizes[0] if isinstance(keys, str) else sizes
        return super().__new__(cls, keys, value_key, _checked_dtype(dtype), chosen, bool(already_sorted))


class _FixedLenSequenceFields(NamedTuple):
    shape: tuple[int, ...]
    dtype: type
    allow_missing: bool
    default_value: object


class FixedLenSequenceFeature(_FixedLenSequenceFields):
    """Any number of steps in each record, each of the same shape: a column of shape ``(batch, steps, *shape)``.

    Records with fewer steps than the longest of their batch are padded, so the column takes the longest record's
    memory for every record of the batch.

    Args:
        shape: Of one step; ``()`` for one value a step, a number for so many. It has to have at least one value.
        dtype: ``bytes``, ``numpy.float32`` or ``numpy.int64``.
        allow_missing: Whether a record may do without the feature; it then has no steps. ``parse_example`` needs True.
        default_value: One value for the padding; zero or ``b""`` without it. Not for ``parse_sequence_example``.

    Raises:
        InvalidArgumentError: Not such a shape, type or default.
    """

    __slots__ = ()

    def __new__(
        cls, shape: int | Sequence[int], dtype: Any, allow_missing: bool = False, default_value: Any = None
    ) -> Self:
        """Check and make."""
        self = super().__new__(cls, _checked_shape(shape), _checked_dtype(dtype), bool(allow_missing), default_value)
        if math.prod(self.shape) == 0:
            raise InvalidArgumentError(f"a step has to have at least one value, found the shape {shape!r}")
        if default_value is not None:
            default_values(default_value, self.dtype, 1)
        return self


Feature: TypeAlias = FixedLenFeature | VarLenFeature | RaggedFeature | FixedLenSequenceFeature | SparseFeature


def checked_features(features: Mapping[str, Any]) -> dict[str, Feature]:
    """A copy of what a user calls features; what each is, is checked where it is used.

    Raises:
        InvalidArgumentError: It is not a mapping, or a name is not text that UTF-8 can spell.
    """
    if not isinstance(features, Mapping):
        raise InvalidArgumentError(f"features have to be a mapping from names to features, found {features!r}")
    for name in features:
        if not _is_text(name):
            raise InvalidArgumentError(f"a feature's name has to be text, found {name!r}")
    return dict(features)


def _is_text(name: object) -> bool:
    """Tell whether something is a str that UTF-8 can spell, as all keys of a message are."""
    if not isinstance(name, str):
        return False
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def default_values(value: Any, dtype: type, count: int) -> list[Any]:
    """The values of a default, flat.

    Raises:
        InvalidArgumentError: Another number of values than ``count``, or a value that ``dtype`` cannot hold.
    """
    try:
        given = np.asarray(value, dtype=object if dtype is bytes else None)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"the default value {value!r} is not an array: {error}") from error
    if dtype is bytes:
        values = [_as_bytes(item) for item in given.ravel().tolist()]
    elif given.dtype.kind in "biuf" and (dtype is not np.int64 or _are_integers(given)):
        values = given.astype(dtype).ravel().tolist()
    else:
        raise InvalidArgumentError(f"the default value {value!r} is not {dtype.__name__}")
    if len(values) != count:
        raise InvalidArgumentError(f"the default value {value!r} has to have {count} values, found {len(values)}")
    return values


def _are_integers(given: Any) -> bool:
    with np.errstate(invalid="ignore"):  # no integer is NaN or infinite, and the comparison finds that
        return bool(np.all(given.astype(np.int64) == given))


def _as_bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return bytes(value)
    raise InvalidArgumentError(f"the default value of a bytes feature has to be bytes or str, found {value!r}")
