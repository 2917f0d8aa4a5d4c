"""Whole numbers as callers give them: Python's or NumPy's, and nothing that only looks like one.

NumPy's have a width of their own, and what is added to one stays within it: ``np.uint8(200) + 100`` is 44. So they
become Python's where they come in.
"""

from __future__ import annotations

import operator

from recordfs.errors import InvalidArgumentError
from recordfs.redaction import redact

__all__ = ["whole_number"]


def whole_number(value: object, what: str, *, at_least: int = 0, path: str | None = None) -> int:
    """Return a number that a caller gave as a Python int.

    Args:
        value: An int, or what stands for one (``__index__``), as NumPy's integers do.
        what: What messages call it.
        at_least: The smallest that makes sense.
        path: The file that it is about, if there is one.

    Raises:
        TypeError: It is a float, a text, or True or False, which nobody means as a number of bytes.
        InvalidArgumentError: It is smaller.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        about = "" if path is None else f"{redact(path)}: "
        raise TypeError(f"{about}{what} has to be a whole number, found {value!r}") from None
    if number < at_least:
        raise InvalidArgumentError(f"{what} has to be at least {at_least}, found {number}", path=path)
    return number
