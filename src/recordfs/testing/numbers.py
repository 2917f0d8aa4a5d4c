"""Numbers that callers give for offsets and lengths: of other types than int, and such as are no whole numbers."""

from __future__ import annotations

from typing import Any

__all__ = ["NO_WHOLE_NUMBERS", "other_whole_number"]

NO_WHOLE_NUMBERS: tuple[Any, ...] = (1.5, 2.0, "1", None)


def other_whole_number(value: int) -> Any:
    """Return a whole number that is not an int, as NumPy has them."""
    return _WholeNumber(value)


class _WholeNumber:
    def __init__(self, value: int) -> None:
        self._value = value

    def __index__(self) -> int:
        return self._value
