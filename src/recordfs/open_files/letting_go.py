"""Letting go of a file because of an error, which stays the one that the user sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from recordfs.errors import UnimplementedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

__all__ = ["ClosesOnExit", "end_after", "give_up"]


class ClosesOnExit:
    """What a ``with`` block closes. An error that leaves the block stays the one that the user sees.

    It is not an ``abc.ABC``, so that a class of the user's may have a metaclass of its own beside it.
    """

    __slots__ = ()

    def close(self) -> object:
        """Release what this holds. Idempotent."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._end_after(error)

    def _end_after(self, error: BaseException) -> None:
        """Close because of an error that left the ``with`` block. What fails in it becomes a note of that error."""
        end_after(self.close, error)


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
