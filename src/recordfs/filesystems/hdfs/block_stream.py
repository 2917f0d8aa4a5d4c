"""Reading ahead: finished blocks flow in on a thread of their own while what came before is looked at.

Each range that is asked for costs a request to a datanode and its answer; a stream costs one for each block.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from recordfs.errors import DeadlineExceededError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["BlockStream"]

LIMIT = 8 << 20
"""Bytes that wait to be read, at most."""

BATCH = 256 << 10
"""Bytes that are handed over at once: the datanodes' packets hold 64 KiB, and each hand-over takes a lock."""


class BlockStream:
    """The bytes of a file from one place on, in order. Any thread may take them, one at a time.

    What holds at any moment: the chunks are the bytes from ``position`` on, without a gap; ``_held`` is their number.

    Args:
        chunks: What flows in: the native client's iterator over a range.
        position: Where the range begins.
        note: Called for each batch with its size, on the stream's thread.
    """

    def __init__(self, chunks: Iterator[bytes], position: int, note: Callable[[int], None]) -> None:
        self.position = position
        self._chunks: deque[memoryview] = deque()
        self._held = 0
        self._ended = False
        self._error: BaseException | None = None
        self._stopped = False
        self._changed = threading.Condition()
        threading.Thread(target=self._fetch, args=(chunks, note), name="recordfs-hdfs-read", daemon=True).start()

    def take(self, n: int, seconds: float) -> list[memoryview]:
        """Return up to ``n`` bytes from ``position`` on, as far as they are here; wait for the first.

        Returns:
            Pieces, which the caller may keep; none at the end of the range.

        Raises:
            DeadlineExceededError: None came in this many seconds.
            Whatever the native client raised.
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._chunks:
                if self._error is not None:
                    raise self._error
                if self._ended:
                    return []
                if not self._changed.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    raise DeadlineExceededError(f"no bytes came from the datanodes in {seconds:g} s (data_timeout)")
            pieces: list[memoryview] = []
            left = n
            while self._chunks and left:
                chunk = self._chunks[0]
                if len(chunk) <= left:
                    pieces.append(self._chunks.popleft())
                else:
                    pieces.append(chunk[:left])
                    self._chunks[0] = chunk[left:]
                left -= len(pieces[-1])
            self.position += n - left
            self._held -= n - left
            self._changed.notify_all()
            return pieces

    def stop(self) -> None:
        """Let the thread end. Idempotent."""
        with self._changed:
            self._stopped = True
            self._chunks.clear()
            self._changed.notify_all()

    def _fetch(self, chunks: Iterator[bytes], note: Callable[[int], None]) -> None:
        """Take what flows in until it ends, or nobody wants it."""
        batch: list[memoryview] = []
        size = 0
        try:
            for chunk in chunks:
                batch.append(memoryview(chunk))
                size += len(chunk)
                if size >= BATCH:
                    note(size)
                    if not self._hand_over(batch, size):
                        return
                    batch, size = [], 0
        except BaseException as error:  # noqa: BLE001 (a panic of the native client too; who reads raises it)
            self._error = error
        finally:
            note(size)
            self._hand_over(batch, size)
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _hand_over(self, batch: list[memoryview], size: int) -> bool:
        """Add a batch when there is room. False if nobody wants more."""
        with self._changed:
            while self._held >= LIMIT and not self._stopped:
                self._changed.wait()
            if self._stopped:
                return False
            self._chunks.extend(batch)
            self._held += size
            self._changed.notify_all()
            return True
