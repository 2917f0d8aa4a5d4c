"""The bytes that a writer still has to hold, because the datanodes may not have them yet."""

from __future__ import annotations

from typing import NamedTuple

from recordfs.errors import DataLossError

__all__ = ["Unacknowledged"]


class _State(NamedTuple):
    """The pieces are the bytes from ``start`` to ``end``, in order; no byte from ``sent`` on was ever handed on."""

    start: int
    pieces: tuple[bytes, ...]
    end: int
    sent: int


class Unacknowledged:
    """A file's last bytes, up to what was taken so far.

    The native client tells of an acknowledgement only by ``hsync``. But it holds few packets itself: what was handed
    to it before the last ``limit`` bytes has been acknowledged by all datanodes, or it would not have taken more. So
    the pieces are kept until a sync covers them, or until ``limit`` bytes came after them.

    Its state is one value that is replaced as a whole, so that Ctrl-C leaves the one before or the one after.

    Args:
        start: Where the file ended when it was opened.
        limit: How many bytes have to be held.
    """

    def __init__(self, start: int, limit: int) -> None:
        self._limit = limit
        self._state = _State(start, (), start, start)

    @property
    def start(self) -> int:
        """The first byte that is held."""
        return self._state.start

    @property
    def end(self) -> int:
        """Where the file is to end."""
        return self._state.end

    @property
    def sent(self) -> int:
        """Where the file may end, because bytes up to here were handed on that have been taken back since."""
        return self._state.sent

    def add(self, piece: bytes) -> None:
        """Hold what is about to be handed on, and let go of what is far enough before it."""
        start, pieces, end, sent = self._state
        pieces, end = (*pieces, piece), end + len(piece)
        first = 0
        while end - start - len(pieces[first]) >= self._limit:
            start += len(pieces[first])
            first += 1
        self._state = _State(start, pieces[first:], end, max(sent, end))

    def take_back(self, end: int) -> None:
        """Forget all bytes from ``end`` on, which the caller was told were not taken."""
        start, pieces, _, sent = self._state
        kept: list[bytes] = []
        position = start
        for piece in pieces:
            if position >= end:
                break
            kept.append(piece[: end - position])
            position += len(piece)
        self._state = _State(min(start, end), tuple(kept), end, sent)

    def acknowledge(self) -> None:
        """Let go of everything: a sync covered it."""
        self._state = _State(self.end, (), self.end, self.end)

    def cut(self) -> None:
        """Note that what was taken back is not in the file any more."""
        self._state = self._state._replace(sent=self.end)

    def after(self, length: int, path: str) -> list[bytes]:
        """Return what is missing in a file that turned out to have this length.

        Raises:
            DataLossError: It lacks bytes that are not held any more.
        """
        start, pieces, _, _ = self._state
        if length < start:
            raise DataLossError(
                f"the file has {length} bytes after its datanodes failed, and {start} had been acknowledged: "
                f"{start - length} bytes are lost",
                path=path,
                offset=length,
            )
        missing: list[bytes] = []
        position = start
        for piece in pieces:
            skipped = max(0, min(len(piece), length - position))
            if skipped < len(piece):
                missing.append(piece[skipped:] if skipped else piece)
            position += len(piece)
        return missing
