"""What the ``write`` of somebody else's file object answers."""

from __future__ import annotations

from recordfs.errors import InternalError, UnavailableError

__all__ = ["count_taken"]


def count_taken(answer: object, offered: int, path: str) -> int:
    """Return how many bytes a ``write`` has taken, by what it returned.

    Python's own files return a count, which may be short. Many classes return nothing, or True, and have taken all.
    A raw file says None where it would block: who knows that it is one asks before.

    Args:
        answer: What it returned.
        offered: How many bytes it was given, at least 1.
        path: For errors.

    Raises:
        UnavailableError: It took nothing: asking again and again would not end.
        InternalError: The count cannot be right, so nobody knows what was taken.
    """
    if answer is None or answer is True:
        return offered
    if isinstance(answer, int) and 0 < answer <= offered:
        return answer
    if answer is not False and answer == 0:
        raise UnavailableError("the file takes no bytes: its write returned 0", path=path)
    raise InternalError(
        f"the file's write returned {answer!r} for {offered} bytes: expected how many it took, or None for all. What "
        "was written is not known",
        path=path,
    )
