"""Numbers that callers give and that need not be whole: checked in one way, with one kind of error."""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING

from recordfs.errors import InvalidArgumentError

if TYPE_CHECKING:
    from typing import SupportsFloat

__all__ = ["finite_number"]


def finite_number(value: SupportsFloat, name: str, *, path: str | None = None) -> float:
    """Return a number that is finite and not negative, such as a duration.

    Raises:
        InvalidArgumentError: It is not finite, or negative.
    """
    number = float(value) if isinstance(value, numbers.Real) else math.nan
    if isinstance(value, bool) or not (math.isfinite(number) and number >= 0):
        raise InvalidArgumentError(f"{name} is a finite number, at least 0, found {value!r}", path=path)
    return number
