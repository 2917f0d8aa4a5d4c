"""Numbers that callers give: checked in one way, with one kind of error."""

from __future__ import annotations

import math
import numbers
import operator
from typing import TYPE_CHECKING

from recordfs.errors import InvalidArgumentError

if TYPE_CHECKING:
    from typing import SupportsFloat, SupportsIndex

__all__ = ["finite_number", "whole_number"]


def whole_number(value: SupportsIndex, name: str, *, least: int, path: str | None = None) -> int:
    """Return a whole number as an int, whichever type it comes in.

    Args:
        value: The number: whatever ``operator.index`` takes, such as NumPy's integers, but no truth value.
        name: What it is, for the error.
        least: The least that makes sense.
        path: For the error.

    Raises:
        InvalidArgumentError: It is no whole number, or less than ``least``.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < least:
        raise InvalidArgumentError(f"{name} is a whole number, at least {least}, found {value!r}", path=path)
    return number


def finite_number(value: SupportsFloat, name: str, *, path: str | None = None) -> float:
    """Return a number that is finite and not negative, such as a duration.

    Raises:
        InvalidArgumentError: It is none.
    """
    number = float(value) if isinstance(value, numbers.Real) else math.nan
    if isinstance(value, bool) or not (math.isfinite(number) and number >= 0):
        raise InvalidArgumentError(f"{name} is a finite number, at least 0, found {value!r}", path=path)
    return number
