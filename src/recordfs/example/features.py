"""What a column shall be: TensorFlow's four names, checked when they are made.

Source of names, fields and defaults: ``tensorflow/python/ops/parsing_config.py``.
"""

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
    "RaggedFeature",
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
    raise InvalidArgumentError(f"a feature's dtype must be bytes, numpy.float32 or numpy.int64, found {dtype!r}")


def _known_dtype(dtype: Any, known: tuple[type, ...]) -> type | None:
    """The one of NumPy's types that ``dtype`` means, None if it means another or nothing."""
    try:
        found = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError):  # the last two for texts that look like several fields
        return None
    return found.type if found.isnative and found.type in known else None


def _checked_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape as a tuple of numbers.

    Raises:
        InvalidArgumentError: A dimension is negative, unknown or no number, or the product is beyond any record.
    """
    try:
        dimensions = tuple(operator.index(size) for size in shape)
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
        if value_key is not None and (not _is_text(value_key) or not value_key):
            raise InvalidArgumentError(f"value_key must be a text that is not empty, found {value_key!r}")
        splits = _known_dtype(row_splits_dtype, (np.int32, np.int64))
        if splits is None:
            raise InvalidArgumentError(
                f"row_splits_dtype must be numpy.int32 or numpy.int64, found {row_splits_dtype!r}"
            )
        return super().__new__(cls, _checked_dtype(dtype), value_key, splits)


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


def checked_features(features: Mapping[str, Feature]) -> dict[str, Feature]:
    """A copy of what a user calls features; what each is, is checked where it is used.

    Raises:
        InvalidArgumentError: It is no mapping, or a name is not text that UTF-8 can spell.
    """
    if not isinstance(features, Mapping):
        raise InvalidArgumentError(f"features must be a mapping from names to features, found {features!r}")
    for name in features:
        if not _is_text(name):
            raise InvalidArgumentError(f"a feature's name must be text, found {name!r}")
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
        raise InvalidArgumentError(f"the default value {value!r} is no array: {error}") from error
    if dtype is bytes:
        values = [_as_bytes(item) for item in given.ravel().tolist()]
    elif given.dtype.kind in "biuf" and (dtype is not np.int64 or _are_integers(given)):
        values = given.astype(dtype).ravel().tolist()
    else:
        raise InvalidArgumentError(f"the default value {value!r} is not {dtype.__name__}")
    if len(values) != count:
        raise InvalidArgumentError(f"the default value {value!r} must have {count} values, found {len(values)}")
    return values


def _are_integers(given: Any) -> bool:
    with np.errstate(invalid="ignore"):  # no integer is NaN or infinite, and the comparison finds that
        return bool(np.all(given.astype(np.int64) == given))


def _as_bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return bytes(value)
    raise InvalidArgumentError(f"the default value of a bytes feature must be bytes or str, found {value!r}")
