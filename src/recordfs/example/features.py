"""What a column shall be: TensorFlow's four names, checked when they are made.

Source of names, fields and defaults: ``tensorflow/python/ops/parsing_config.py``.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Self, TypeAlias

from recordfs.errors import InvalidArgumentError
from recordfs.example.numpy_module import np

__all__ = [
    "Feature",
    "FixedLenFeature",
    "FixedLenSequenceFeature",
    "RaggedFeature",
    "VarLenFeature",
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
    raise InvalidArgumentError(f"a feature's dtype must be bytes, numpy.float32 or numpy.int64, found {dtype!r}")


def _known_dtype(dtype: Any, known: tuple[type, ...]) -> type | None:
    """The one of NumPy's types that ``dtype`` means, None if it means another or nothing."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        return None
    return found.type if found.isnative and found.type in known else None


def _checked_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape as a tuple of numbers.

    Raises:
        InvalidArgumentError: A dimension is negative, unknown or no number, or the product is beyond any record.
    """
    try:
        dimensions = tuple(int(size) for size in shape)
    except TypeError:
        raise InvalidArgumentError(f"a feature's shape must be a sequence of integers, found {shape!r}") from None
    if min(dimensions, default=0) < 0 or math.prod(dimensions) > _MAX_ELEMENTS:
        raise InvalidArgumentError(f"a feature's shape must have known dimensions of 0 or more, found {shape!r}")
    return dimensions


class _FixedLenFields(NamedTuple):
    shape: tuple[int, ...]
    dtype: type
    default_value: Any


class FixedLenFeature(_FixedLenFields):
    """The same number of values in every record: a column of shape ``(batch, *shape)``.

    Args:
        shape: Of one record's values; ``()`` for one value.
        dtype: ``bytes``, ``numpy.float32`` or ``numpy.int64``.
        default_value: Used for records without the feature (or with an empty one): as many values as the shape has.
            Without it such a record is an error.

    Raises:
        InvalidArgumentError: Not such a shape, type or default.
    """

    __slots__ = ()

    def __new__(cls, shape: Sequence[int], dtype: Any, default_value: Any = None) -> Self:
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


class _RaggedFields(NamedTuple):
    dtype: type
    value_key: str | None
    row_splits_dtype: type


class RaggedFeature(_RaggedFields):
    """Any number of values in each record: a ``RaggedColumn``.

    Args:
        dtype: ``bytes``, ``numpy.float32`` or ``numpy.int64``.
        value_key: The key in the message, if it is not the column's name.
        row_splits_dtype: ``numpy.int32`` or ``numpy.int64``.

    Raises:
        InvalidArgumentError: Not such a type or key.
    """

    __slots__ = ()

    def __new__(cls, dtype: Any, value_key: str | None = None, row_splits_dtype: Any = np.int32) -> Self:
        """Check and make."""
        if value_key == "":
            raise InvalidArgumentError("value_key must not be empty")
        if np.dtype(row_splits_dtype) not in (np.dtype(np.int32), np.dtype(np.int64)):
            raise InvalidArgumentError(
                f"row_splits_dtype must be numpy.int32 or numpy.int64, found {row_splits_dtype!r}"
            )
        return super().__new__(cls, _checked_dtype(dtype), value_key, np.dtype(row_splits_dtype).type)


class _FixedLenSequenceFields(NamedTuple):
    shape: tuple[int, ...]
    dtype: type
    allow_missing: bool
    default_value: Any


class FixedLenSequenceFeature(_FixedLenSequenceFields):
    """Any number of steps in each record, each of the same shape: a column of shape ``(batch, steps, *shape)``.

    Records with fewer steps than the longest of their batch are padded, so the column takes the longest record's
    memory for every record of the batch.

    Args:
        shape: Of one step; ``()`` for one value a step. It must have at least one value.
        dtype: ``bytes``, ``numpy.float32`` or ``numpy.int64``.
        allow_missing: Whether a record may do without the feature; it then has no steps. ``parse_example`` needs True.
        default_value: One value for the padding; zero or ``b""`` without it. Not for ``parse_sequence_example``.

    Raises:
        InvalidArgumentError: Not such a shape, type or default.
    """

    __slots__ = ()

    def __new__(cls, shape: Sequence[int], dtype: Any, allow_missing: bool = False, default_value: Any = None) -> Self:
        """Check and make."""
        self = super().__new__(cls, _checked_shape(shape), _checked_dtype(dtype), bool(allow_missing), default_value)
        if math.prod(self.shape) == 0:
            raise InvalidArgumentError(f"a step must have at least one value, found the shape {shape!r}")
        if default_value is not None:
            default_values(default_value, self.dtype, 1)
        return self


Feature: TypeAlias = FixedLenFeature | VarLenFeature | RaggedFeature | FixedLenSequenceFeature


def default_values(value: Any, dtype: type, count: int) -> list[Any]:
    """The values of a default, flat.

    Raises:
        InvalidArgumentError: Another number of values than ``count``, or a value that ``dtype`` cannot hold.
    """
    if dtype is bytes:
        values = [_as_bytes(item) for item in np.asarray(value, dtype=object).ravel().tolist()]
    else:
        given = np.asarray(value)
        fits = given.dtype.kind in "biuf" and (dtype is not np.int64 or bool(np.all(given.astype(np.int64) == given)))
        if not fits:
            raise InvalidArgumentError(f"the default value {value!r} is not {dtype.__name__}")
        values = given.astype(dtype).ravel().tolist()
    if len(values) != count:
        raise InvalidArgumentError(f"the default value {value!r} must have {count} values, found {len(values)}")
    return values


def _as_bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return bytes(value)
    raise InvalidArgumentError(f"the default value of a bytes feature must be bytes or str, found {value!r}")
