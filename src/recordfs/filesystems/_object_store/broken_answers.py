"""Answers with the right status and something else in them than was asked for, which no SDK notices.

Those that end before their last byte are asked for again.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from recordfs.errors import RecordFSError, UnavailableError, UnknownError
from recordfs.filesystems._attempts import ask_again
from recordfs.redaction import redacted_cause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["BrokenAnswerError", "again_if_broken", "check_content_range", "reading_answer", "whole_range"]

Answer = TypeVar("Answer")


class BrokenAnswerError(UnavailableError):
    """An answer that ends too early."""


def whole_range(content: bytes, start: int, end: int, path: str) -> bytes:
    """Return the bytes that came for a range.

    Raises:
        BrokenAnswerError: They are fewer, or more, than were asked for.
    """
    if len(content) != end - start:
        raise BrokenAnswerError(
            f"asked for bytes {start} to {end}, found {len(content)} bytes: the answer broke off", path=path
        )
    return content


@contextmanager
def reading_answer(path: str, advice: str) -> Iterator[None]:
    """Raise UnknownError where the block finds something else in an answer than it looks for.

    Args:
        path: For the error.
        advice: What the answer is not, and what to look at.
    """
    try:
        yield
    except RecordFSError:
        raise
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise UnknownError(f"the answer could not be read: {advice} ({error!r})", path=path) from redacted_cause(error)


def check_content_range(told: str | None, length: int, start: int, end: int, path: str) -> None:
    """Look at an answer's head before its bytes are read: they may be all of a large object.

    Args:
        told: The Content-Range. Without one all of the object comes, which is right where that was asked for.
        length: The Content-Length.
        start: Where the range begins.
        end: Where it ends.
        path: For the error.

    Raises:
        UnknownError: It is another range than was asked for, or none.
    """
    if not (told or f"bytes 0-{length - 1}/").startswith(f"bytes {start}-{end - 1}/"):
        raise UnknownError(
            f"asked for bytes {start} to {end}, found {told or 'the whole object'}: the server, or something between, "
            "does not honour ranges",
            path=path,
        )


def again_if_broken(ask: Callable[[], Answer], attempts: int) -> Answer:
    """Call what asks a store for something and changes nothing, again while its answers break off.

    Raises:
        UnavailableError: The answer to every attempt broke off.
    """

    def pause(attempt: int, error: Exception) -> float | None:
        return 0.0 if isinstance(error, BrokenAnswerError) else None

    try:
        return ask_again(ask, attempts, pause, longest=math.inf)  # on a slow line each attempt may take minutes
    except BrokenAnswerError as error:
        raise UnavailableError(error.message, path=error.path) from error
