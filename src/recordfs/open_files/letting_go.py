"""Letting go of a file because of an error, which stays the one that the user sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from recordfs.errors import UnimplementedError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["close_after", "end_after", "give_up"]


class _Closable(Protocol):
    """What can be closed."""

    @property
    def closed(self) -> bool: ...
    def close(self) -> None: ...


def close_after(file: _Closable, error: BaseException) -> None:
    """Close what an error has left, unless it is closed. The error stays the one that the user sees.

    It may be that of a ``close``, which is tried once more then. What fails becomes a note of ``error``.
    """
    if not file.closed:
        end_after(file.close, error)


def end_after(close: Callable[[], object], error: BaseException) -> None:
    """Call what ends something that an error has left. What fails in it becomes a note of that error."""
    try:
        close()
    except Exception as second:  # noqa: BLE001 (the first error is the one to see, and this one is its note)
        error.add_note(f"closing failed too: {type(second).__name__}: {second}")


class _Writer(Protocol):
    """What can be given up."""

    @property
    def name(self) -> str: ...
    @property
    def atomic(self) -> bool: ...
    def discard(self) -> None: ...
    def close(self) -> None: ...


def give_up(writer: _Writer, error: BaseException) -> None:
    """Let go of a writer because of an error, which stays the one that the user sees.

    The writer is discarded; where it cannot be, it is closed, so that nothing waits to be collected, unless it is
    atomic: half of such a file is never published. What fails in that becomes a note of ``error``.
    """
    try:
        try:
            writer.discard()
        except UnimplementedError:
            if writer.atomic:
                raise
            writer.close()
    except Exception as second:  # noqa: BLE001 (the first error is the one to see, and this one is its note)
        error.add_note(f"letting go of {writer.name} failed too: {type(second).__name__}: {second}")
