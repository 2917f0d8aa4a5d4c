"""One record as plain Python values. Needs neither NumPy nor anything else."""

from typing import TypeAlias

from recordfs import _core

__all__ = ["PlainFeature", "decode_example", "decode_sequence_example"]

PlainFeature: TypeAlias = list[int] | list[float] | list[bytes] | None


def decode_example(serialized: bytes | bytearray | memoryview) -> dict[str, PlainFeature]:
    """The features of one serialized ``tf.train.Example``.

    Reads as protobuf does: lists written in parts are joined, unknown fields are stepped over, the last of several
    entries with one key wins.

    Args:
        serialized: The record.

    Returns:
        Key to values: a list of ``int``, ``float`` or ``bytes``, or None for a feature in which no list is set. In the
        order in which the keys first appear.

    Raises:
        InvalidArgumentError: Not an Example: what protobuf would refuse.
    """
    return _core.decode_example(serialized)


def decode_sequence_example(
    serialized: bytes | bytearray | memoryview,
) -> tuple[dict[str, PlainFeature], dict[str, list[PlainFeature]]]:
    """The context and the feature lists of one serialized ``tf.train.SequenceExample``.

    An Example reads as a SequenceExample without feature lists.

    Args:
        serialized: The record.

    Returns:
        The context as ``decode_example`` gives features, and for each feature list the steps.

    Raises:
        InvalidArgumentError: Not a SequenceExample.
    """
    return _core.decode_sequence(serialized)
