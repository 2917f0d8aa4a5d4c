"""Values and columns to serialized Examples: the bytes of protobuf's deterministic serialization."""

from __future__ import annotations

import array
from typing import TYPE_CHECKING, Any

from recordfs import _core
from recordfs.errors import InvalidArgumentError
from recordfs.example.doubles import Doubles, are_refused
from recordfs.example.plain import EmptyList

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["encode_example", "encode_examples", "encode_sequence_example"]


def encode_example(features: Mapping[str, Any], *, doubles: Doubles = "round") -> bytes:
    """Serialize a ``tf.train.Example``.

    Args:
        features: Name to value. ``bytes``, ``bytearray``, ``memoryview`` and ``str`` (as UTF-8) are one value each;
            ``bool``, ``int`` and ``float`` too; lists and tuples hold values of one kind, where integers among floats
            count as floats; arrays (NumPy, or anything NumPy takes) are flattened, because a feature has no shape.
            None is a feature in which no list is set; an ``EmptyList`` of ``decode_example`` is the list that it was.
        doubles: ``"round"`` writes the float32 nearest to a double, as TensorFlow does; ``"refuse"`` makes a double
            that no float32 equals an error.

    Returns:
        The bytes that ``tf.train.Example(...).SerializeToString(deterministic=True)`` gives.

    Raises:
        InvalidArgumentError: An integer that fits neither int64 nor, among floats, float32 without loss; a float beyond
            float32's range; a mixed or an empty list, a name that is not a str, 2 GiB or more. The message names the
            feature.
    """
    return _core.encode_example(dict(features), _as_plain, are_refused(doubles))


def encode_sequence_example(
    context: Mapping[str, Any], feature_lists: Mapping[str, Iterable[Any]], *, doubles: Doubles = "round"
) -> bytes:
    """Serialize a ``tf.train.SequenceExample``.

    Args:
        context: As ``encode_example`` takes features.
        feature_lists: Name to steps; a step is a value as ``encode_example`` takes.
        doubles: As ``encode_example``.

    Returns:
        The bytes of protobuf's deterministic serialization.

    Raises:
        InvalidArgumentError: As ``encode_example``.
    """
    return _core.encode_sequence_example(dict(context), dict(feature_lists), _as_plain, are_refused(doubles))


def encode_examples(columns: Mapping[str, Any], *, omit_empty: bool = False, doubles: Doubles = "round") -> list[bytes]:
    """Serialize Examples from columns: the way back from ``parse_example``.

    Args:
        columns: Name to column, all with the same number of records: an array whose first dimension counts records
            (the others are flattened), a ``RaggedColumn``, or a list with one value a record as ``encode_example``
            takes them, None for a record without the feature.
        omit_empty: Whether a record does not have the features for which its row is empty, instead of an empty list.
        doubles: As ``encode_example``.

    Returns:
        One record for each row.

    Raises:
        InvalidArgumentError: Columns of different lengths; otherwise as ``encode_example``.
    """
    from recordfs.example.rows import native_column

    if not columns:
        raise InvalidArgumentError("without columns the number of records is not known")
    exact = are_refused(doubles)
    native = []
    counts: dict[str, int] = {}
    for name, column in columns.items():
        try:
            prepared, counts[name] = native_column(name, column, omit_empty=omit_empty, exact=exact)
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"column {name!r}: {error.message}") from error
        native.append(prepared)
    if len(set(counts.values())) != 1:
        raise InvalidArgumentError(f"the columns have to have the same number of records, found {counts}")
    return _core.encode_columns(native, next(iter(counts.values())))


# Of a list without values, by its kind: what native code takes for one.
_EMPTY: dict[str, Any] = {"bytes": [], "float32": array.array("f"), "int64": array.array("q")}


def _as_plain(value: Any) -> Any:
    if isinstance(value, EmptyList):
        return _EMPTY[value.kind]
    if isinstance(value, list | tuple) and not value:
        raise InvalidArgumentError(
            "an empty list has no type; give numpy.array([], dtype), or None for a feature without a list"
        )
    # Only values of other packages come here, so plain Python values need no NumPy.
    from recordfs.example.values import as_plain

    return as_plain(value)
