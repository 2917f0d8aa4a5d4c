"""Whether long reads come by one stream or by several ranges at once, decided by what each of them brings.

A stream below ``streaming.FAST_ENOUGH`` may wait for a store that gives one connection no more, or for a processor that
others use. Ranges are faster in the first case and cost more in the second, so they are tried and compared.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["StreamChoice"]

TRIAL_BYTES = 64 << 20
"""Bytes of ranges by which they are compared with the stream before them: two windows of one reader."""

GAIN = 1.25
"""How much faster ranges have to be: they cost more processor time."""

VERDICT_SECONDS = 60.0
"""How long what was found holds; a connection or a machine may be another by then."""

Result = TypeVar("Result")


class StreamChoice:
    """The choice of one filesystem. For any number of threads.

    Streams are used unless ``_ranges_until`` lies ahead; a slow one is believed unless ``_settled_until`` lies ahead.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ranges_until = 0.0
        self._settled_until = 0.0
        self._stream_pace = 0.0  # bytes a second of the slow stream while ranges are on trial, else 0
        self._in_flight = 0
        self._busy_since = 0.0
        self._bytes = 0
        self._busy_seconds = 0.0

    @property
    def prefers_streams(self) -> bool:
        """Whether a long read begins a stream now."""
        return self._clock() >= self._ranges_until

    def gives_up_slow_stream(self, bytes_a_second: float) -> bool:
        """Tell whether a slow stream is to make way for ranges, which are on trial from then on."""
        with self._lock:
            now = self._clock()
            if now < self._settled_until:
                return False
            if now >= self._ranges_until:
                self._ranges_until = now + VERDICT_SECONDS
                self._stream_pace, self._bytes, self._busy_seconds = bytes_a_second, 0, 0.0
                self._busy_since = now
            return True

    def measured(self, fetch: Callable[[], Result], size: int) -> Result:
        """Call what fetches a range of a long read, and measure while ranges are on trial."""
        with self._lock:
            if self._in_flight == 0:
                self._busy_since = self._clock()
            self._in_flight += 1
        came = 0
        try:
            found = fetch()
            came = size
            return found
        finally:
            with self._lock:
                self._in_flight -= 1
                self._count(came)

    def _count(self, came: int) -> None:
        """Take note that a range has come. Needs the lock."""
        now = self._clock()
        self._bytes += came
        self._busy_seconds += now - self._busy_since
        self._busy_since = now
        if self._stream_pace and self._bytes >= TRIAL_BYTES:
            if self._bytes < GAIN * self._stream_pace * self._busy_seconds:
                self._ranges_until, self._settled_until = 0.0, now + VERDICT_SECONDS
            self._stream_pace = 0.0
