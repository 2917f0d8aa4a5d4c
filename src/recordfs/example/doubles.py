"""What becomes of doubles: a feature holds float32, so that most doubles have to be rounded.

One rule for values, arrays, columns, Arrow and JSON lines: a double is rounded to the nearest float32, as TensorFlow's
own ``FloatList`` does, unless the caller asks for an error. An integer is never rounded, and no number becomes
infinity.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from recordfs.errors import InvalidArgumentError

__all__ = ["Doubles", "are_refused"]

Doubles: TypeAlias = Literal["round", "refuse"]


def are_refused(doubles: Doubles) -> bool:
    """Whether a double that no float32 equals is an error.

    Raises:
        InvalidArgumentError: Neither of the two answers.
    """
    if doubles not in ("round", "refuse"):
        raise InvalidArgumentError(f"doubles has to be 'round' or 'refuse', found {doubles!r}")
    return doubles == "refuse"
