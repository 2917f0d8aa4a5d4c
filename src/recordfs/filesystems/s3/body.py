"""A request body of several buffers, one after another, without joining them."""

from __future__ import annotations

import io
from typing import Any

__all__ = ["Body"]


class Body(io.RawIOBase):
    """Several buffers as one body that can be sent again.

    ``release`` lets go of the buffers, which cannot change their size before.
    """

    def __init__(self, *buffers: bytes | bytearray) -> None:
        self._views = [memoryview(buffer) for buffer in buffers if buffer]
        self._size = sum(map(len, self._views))
        self._position = 0

    def __len__(self) -> int:
        return self._size

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be sent again."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move, and return the new position."""
        self._position = offset + (0, self._position, self._size)[whence]
        return self._position

    def readinto(self, target: Any) -> int:
        """Fill a buffer from one of the buffers; 0 at the end."""
        position = self._position
        for view in self._views:
            if position < len(view):
                count = min(len(target), len(view) - position)
                target[:count] = view[position : position + count]
                self._position += count
                return count
            position -= len(view)
        return 0

    def release(self) -> None:
        """Let go of the buffers, so that they can change again."""
        for view in self._views:
            view.release()
