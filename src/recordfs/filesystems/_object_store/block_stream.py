"""One request for a long range, whose bytes fill one block after another while the reader uses those before.

A request for each block costs its own time on both sides, and obstore puts each together from pieces. The SDK's socket
reads straight into the bytes that are handed out: a third of the processor time. One connection is enough where it
delivers as fast as the reader takes; where it does not, several ranges at once are faster, and the stream says so.

No thread waits for a reader that takes its time: what is wanted is read, and then the request stays open.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from recordfs.filesystems._object_store.threads import shared_pool
from recordfs.per_process import PerProcess

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PIECE", "BlockStream", "ByteStream"]

FAST_ENOUGH = 100 << 20
"""Bytes a second from which on one connection does. Below, several ranges at once may be faster: Amazon gives one
connection 85 to 90 MB/s, and several each as much ("Performance guidelines for Amazon S3").
"""

JUDGED_BY = 32 << 20
"""Bytes by which a stream's speed is judged, again and again."""

SLOW_IN_A_ROW = 2
"""So many times it has to be too slow, one after the other: everybody stalls once."""

MOST_STREAMS = 8
"""Streams of one process at once: each keeps a connection, also while its reader does something else."""

PIECE = 4 << 20
"""Most bytes of a block of a stream. A read of as many bytes is handed what came from the socket, uncopied."""

_open: PerProcess[weakref.WeakSet[BlockStream[Any]]] = PerProcess(weakref.WeakSet)

Block = TypeVar("Block")


class ByteStream(Protocol):
    """The bytes of an answer, as they come."""

    def read(self, n: int, /) -> bytes:
        """Return the next ``n`` bytes; fewer only at the end."""

    def close(self) -> None:
        """Let go of the connection."""


class BlockStream(Generic[Block]):
    """The blocks of a range, in order. For any number of threads, in one process.

    Args:
        start: Where the range begins.
        end: Where it ends.
        ask: Sends the request.
        deliver: Makes a block of its bytes.
        instead: Fetches a block that the stream failed to deliver.

    Attributes:
        position: Where the next block begins.
        end: As above.
        has_failed: The stream broke off; blocks come by other requests.
        is_slow: It has delivered less than FAST_ENOUGH for a while.
    """

    def __init__(
        self,
        start: int,
        end: int,
        ask: Callable[[], ByteStream],
        *,
        deliver: Callable[[bytes], Block],
        instead: Callable[[int, int], Block],
    ) -> None:
        self.position = start
        self.end = end
        self._ask = ask
        self._deliver = deliver
        self._instead = instead
        self._lock = threading.Lock()
        self._wanted: deque[tuple[int, int, Future[Block]]] = deque()
        self._body: ByteStream | None = None
        self._is_running = False
        self._is_closed = False
        self.has_failed = False
        self.is_slow = False
        self._slow_in_a_row = 0
        _open.get().add(self)
        self._read = 0
        self._seconds = 0.0

    @staticmethod
    def may_begin() -> bool:
        """Tell whether this process may have one more stream."""
        return len(_open.get()) < MOST_STREAMS

    def want(self, stop: int) -> Future[Block]:
        """Have the bytes from ``position`` to ``stop`` read."""
        future: Future[Block] = Future()
        with self._lock:
            self._wanted.append((self.position, stop, future))
            self.position = stop
            starts = not self._is_running
            self._is_running = True
        if starts:
            try:
                shared_pool().submit(self._run)
            except RuntimeError:  # the interpreter ends
                self._run()
        return future

    def close(self) -> None:
        """Let go of the connection, at once or when what is being read has come."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            body = None if self._is_running else self._body
        _open.get().discard(self)
        if body is not None:
            body.close()

    def _run(self) -> None:
        """Read what is wanted."""
        body: ByteStream | None = None
        while True:
            with self._lock:
                if not self._wanted:
                    self._is_running = False
                    body = self._body if self._is_closed or self.position == self.end else None
                    break
                start, stop, future = self._wanted.popleft()
                is_given_up = self._is_closed
            is_wanted = future.set_running_or_notify_cancel()
            if is_given_up and not is_wanted:
                continue
            try:
                content = self._next(start, stop)
            except BaseException as error:  # noqa: BLE001 (raised by whoever waits for the block)
                if is_wanted:
                    future.set_exception(error)
            else:
                if is_wanted:
                    future.set_result(content)
        if body is not None:
            _open.get().discard(self)
            body.close()

    def _next(self, start: int, stop: int) -> Block:
        """Return the next block, by another request where the stream has failed."""
        if not self.has_failed:
            try:
                if self._body is None:
                    self._body = self._ask()
                begun = time.perf_counter()
                content = self._body.read(stop - start)
                self._judge(len(content), time.perf_counter() - begun)
                if len(content) == stop - start:
                    return self._deliver(content)
            except Exception:  # noqa: BLE001, S110 (whatever it was, the other request finds out and says it)
                pass
            self.has_failed = True
        return self._instead(start, stop)

    def _judge(self, size: int, seconds: float) -> None:
        """Take note of how long some bytes took."""
        self._read += size
        self._seconds += seconds
        if self._read >= JUDGED_BY:
            self._slow_in_a_row = self._slow_in_a_row + 1 if self._read < FAST_ENOUGH * self._seconds else 0
            self.is_slow = self._slow_in_a_row >= SLOW_IN_A_ROW
            self._read, self._seconds = 0, 0.0
