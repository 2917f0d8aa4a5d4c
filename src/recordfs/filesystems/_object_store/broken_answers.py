"""Answers with the right status and other bytes than were asked for, which no SDK notices.

Those that end before their last byte are asked for again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from recordfs.errors import UnavailableError, UnknownError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BrokenAnswerError", "again_if_broken", "check_content_range", "whole_range"]

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


def check_content_range(told: str, start: int, end: int, path: str) -> None:
    """Look at an answer's Content-Range before its bytes are read: they may be all of a large object.

    Raises:
        UnknownError: It is another range than was asked for, or none.
    """
    if not told.startswith(f"bytes {start}-{end - 1}/"):
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
    for _ in range(attempts - 1):
        try:
            return ask()
        except BrokenAnswerError:
            continue
    try:
        return ask()
    except BrokenAnswerError as error:
        raise UnavailableError(error.message, path=error.path) from error
