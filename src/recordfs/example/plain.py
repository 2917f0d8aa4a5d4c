"""One record as plain Python values. Needs neither NumPy nor anything else."""

from __future__ import annotations

from typing import Any, TypeAlias

from recordfs import _core

__all__ = ["EmptyList", "PlainFeature", "decode_example", "decode_sequence_example", "strictly_decoded"]


class EmptyList(list[Any]):
    """A feature's list without values, with its type, which an empty Python list does not have.

    It equals ``[]``. ``encode_example`` writes it as the list that it was read from.

    Args:
        kind: ``"bytes"``, ``"float32"`` or ``"int64"``.
    """

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind


PlainFeature: TypeAlias = list[int] | list[float] | list[bytes] | None


def decode_example(serialized: bytes | bytearray | memoryview) -> dict[str, PlainFeature]:
    """Return the features of one serialized ``tf.train.Example``.

    Reads as protobuf does: lists written in parts are joined, unknown fields are stepped over, the last of several
    entries with one key wins.

    Args:
        serialized: The record.

    Returns:
        Key to values: a list of ``int``, ``float`` or ``bytes``, or None for a feature in which no list is set. In the
        order in which the keys first appear. A list without values is an ``EmptyList``, so that ``encode_example``
        gives the record again.

    Raises:
        InvalidArgumentError: Not an Example: what protobuf would refuse.
    """
    return _core.decode_example(serialized, EmptyList, False)


def decode_sequence_example(
    serialized: bytes | bytearray | memoryview,
) -> tuple[dict[str, PlainFeature], dict[str, list[PlainFeature]]]:
    """Return the context and the feature lists of one serialized ``tf.train.SequenceExample``.

    An Example reads as a SequenceExample without feature lists.

    Args:
        serialized: The record.

    Returns:
        The context as ``decode_example`` gives features, and for each feature list the steps.

    Raises:
        InvalidArgumentError: Not a SequenceExample.
    """
    return _core.decode_sequence(serialized, EmptyList, False)


def strictly_decoded(
    serialized: bytes, *, sequence: bool = False
) -> tuple[dict[str, PlainFeature], dict[str, list[PlainFeature]]]:
    """The whole of a record, for those who may leave nothing out.

    Args:
        serialized: The record.
        sequence: Whether it may be a SequenceExample; the feature lists are else empty.

    Raises:
        InvalidArgumentError: Another message, which is named where it is known, or one with unknown fields.
    """
    if sequence:
        return _core.decode_sequence(serialized, EmptyList, True)
    return _core.decode_example(serialized, EmptyList, True), {}
