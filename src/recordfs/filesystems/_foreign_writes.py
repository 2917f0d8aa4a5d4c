"""What the ``write`` of somebody else's file object answers."""

from __future__ import annotations

import operator
from typing import Any

from recordfs.errors import InternalError

__all__ = ["count_taken"]


def count_taken(answer: Any, offered: int, path: str) -> int:
    """Return how many bytes a ``write`` has taken, by what it returned: at least one.

    Python's own files return a count, which may be short; many classes return None and have taken all. A raw file says
    None where it would block: who knows that it is one asks before.

    Args:
        answer: What it returned.
        offered: How many bytes it was given, at least 1.
        path: For errors.

    Raises:
        InternalError: It is no such count, so that nobody knows what was taken, or 0, and asking on would never end.
    """
    if answer is None:
        return offered
    try:
        taken = -1 if isinstance(answer, bool) else operator.index(answer)  # True is not a count, though Python adds it
    except TypeError:
        taken = -1
    if not 0 < taken <= offered:
        raise InternalError(
            f"write of this file object returned {answer!r}; expected how many of the {offered} bytes it took, or None "
            "if all",
            path=path,
        )
    return taken
