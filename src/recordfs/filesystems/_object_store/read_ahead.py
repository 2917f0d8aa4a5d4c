"""What was requested for a reader and not read yet: blocks in order, by one request for all or one for each."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol

from recordfs.filesystems._object_store.block_stream import PIECE
from recordfs.filesystems._object_store.threads import begin

if TYPE_CHECKING:
    from concurrent.futures import Future

    from typing_extensions import Buffer

    from recordfs.filesystems._object_store.block_stream import BlockStream

__all__ = ["BLOCK", "READ_AHEAD", "SMALLEST_BLOCK", "Fetched", "ReadAhead"]

BLOCK = 8 << 20
"""Most bytes of one request of a long read: large enough that the request's own cost hardly shows."""

SMALLEST_BLOCK = 1 << 20
"""What is fetched ahead of a reader of which little is known yet."""

READ_AHEAD = 32 << 20
"""Bytes on their way or waiting for a sequential reader. It comes to that by having read half as much."""

STREAMED_FROM = 8 << 20
"""How far ahead a reader is served when a stream begins for it: it has read half as much, one read after the other."""


class Fetched(NamedTuple):
    """Bytes that have arrived, one chunk after the other, and the epoch in which they were asked for."""

    chunks: list[Buffer]
    epoch: int


class Block(NamedTuple):
    """A range on its way, or here."""

    start: int
    end: int
    fetched: Future[Fetched]


class Source(Protocol):
    """Where blocks come from."""

    def fetch_block(self, start: int, end: int) -> Fetched:
        """Fetch a block by a request of its own."""

    def new_stream(self, start: int) -> BlockStream[Fetched] | None:
        """Return a stream of all that comes from a position on, or None."""

    def gives_up_slow_stream(self) -> bool:
        """Tell whether a slow stream is to make way for several ranges; no other begins while these are used."""


class ReadAhead:
    """What is on its way in one process: in a forked child those threads are not there, nor one that holds the lock.

    Attributes:
        lock: Held by who calls ``start``, and for what else a reader keeps.
        blocks: In order, without gaps.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.blocks: deque[Block] = deque()
        self._stream: BlockStream[Fetched] | None = None
        self._may_stream = True  # until a stream broke off

    def start(self, source: Source, position: int, end: int, size: int, *, is_read: bool = True) -> None:
        """Drop what lies before a position, and begin to fetch what is missing after it. Needs the lock.

        Args:
            source: Fetches.
            position: The first byte that is needed.
            end: How far to have blocks on their way; the last may pass it.
            size: Of the object.
            is_read: Somebody reads there now; a request that stays open until somebody does may be closed by then.
        """
        ahead = self.blocks
        while ahead and not ahead[0].start <= position < ahead[0].end:
            ahead.popleft().fetched.cancel()
        start = ahead[-1].end if ahead else position
        length = min(BLOCK, max(SMALLEST_BLOCK, end - position))
        is_long = is_read and end - position >= STREAMED_FROM and size - start >= READ_AHEAD
        while start < end:
            stream = self._stream_from(source, start, is_long=is_long)
            if stream is not None:
                stop = min(start + PIECE, size)
                fetched = stream.want(stop)
            else:
                stop = min(start + length, size)
                fetched = begin(source.fetch_block, start, stop)
            ahead.append(Block(start, stop, fetched))
            start = stop

    def _stream_from(self, source: Source, start: int, *, is_long: bool) -> BlockStream[Fetched] | None:
        """Return the stream by which the block at a position comes, begun now for a long read, or None."""
        stream = self._stream
        if stream is not None:
            self._may_stream = not stream.has_failed
            is_given_up = stream.is_slow and source.gives_up_slow_stream()
            if is_given_up or not self._may_stream or stream.position != start or start >= stream.end:
                self._stream = None
                stream.close()
        if self._stream is None and is_long and self._may_stream:
            self._stream = source.new_stream(start)
        return self._stream

    def drop(self) -> None:
        """Let go of everything."""
        with self.lock:
            ahead, self.blocks = self.blocks, deque()
            stream, self._stream = self._stream, None
        for block in ahead:
            block.fetched.cancel()
        if stream is not None:
            stream.close()
