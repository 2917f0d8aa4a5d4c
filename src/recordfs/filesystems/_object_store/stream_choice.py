"""Whether long reads come by one stream or by several ranges at once, decided by what each of them brings.

A stream below ``block_stream.FAST_ENOUGH`` may wait for a store that gives one connection no more, or for a line or a
processor that others use. Ranges are faster in the first case and cost more in the second, so they are tried. Compared
is what comes in altogether, before and while they are: where eight readers share a line, the ranges of all of them are
faster than one of their streams.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["StreamChoice"]

TRIAL_BYTES = 64 << 20
"""Bytes of ranges by which they are compared with the streams before them: two windows of one reader. The pace of
these is that of as many bytes, too, or up to twice as many.
"""

GAIN = 1.25
"""How much faster ranges have to be: they cost more processor time."""

VERDICT_SECONDS = 60.0
"""How long what was found holds; a connection or a machine may be another by then."""

Result = TypeVar("Result")


class _Pace:
    """How fast bytes have come while any were on their way. Its owner locks.

    Attributes:
        bytes: So many.
        seconds: In which they came.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self.seconds = 0.0
        self._in_flight = 0
        self._busy_since = 0.0

    def begin(self, now: float) -> None:
        """One more request is waited for."""
        if self._in_flight == 0:
            self._busy_since = now
        self._in_flight += 1

    def end(self, now: float, came: int) -> None:
        """What a request was asked for has come, or none of it."""
        self._in_flight -= 1
        self.bytes += came
        self.seconds += now - self._busy_since
        self._busy_since = now

    def forget(self, now: float) -> None:
        """Count from now on."""
        self.bytes, self.seconds, self._busy_since = 0, 0.0, now

    def forget_half(self) -> None:
        """Let what came long ago count less."""
        self.bytes, self.seconds = self.bytes // 2, self.seconds / 2


class StreamChoice:
    """The choice of one filesystem. For any number of threads.

    Streams are used unless ``_ranges_until`` lies ahead; a slow one is believed unless ``_settled_until`` lies ahead.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ranges_until = 0.0
        self._settled_until = 0.0
        self._pace = _Pace()
        self._pace_of_streams: float | None = None  # bytes a second before the trial of ranges that is under way
        self._bytes_of_ranges = 0

    @property
    def prefers_streams(self) -> bool:
        """Whether a long read begins a stream now."""
        return self._clock() >= self._ranges_until

    def gives_up_slow_stream(self) -> bool:
        """Tell whether a slow stream is to make way for ranges, which are on trial from then on."""
        with self._lock:
            now = self._clock()
            if now < self._settled_until:
                return False
            if now >= self._ranges_until:
                self._ranges_until = now + VERDICT_SECONDS
                self._pace_of_streams = self._pace.bytes / max(self._pace.seconds, 1e-9)
                self._bytes_of_ranges = 0
                self._pace.forget(now)
            return True

    def measured(self, fetch: Callable[[], Result], size_of: Callable[[Result], int], *, is_range: bool) -> Result:
        """Call what waits for bytes of a long read, of a stream or of a range, and take note of how fast they come."""
        with self._lock:
            self._pace.begin(self._clock())
        came = 0
        try:
            found = fetch()
            came = size_of(found)
            return found
        finally:
            with self._lock:
                self._pace.end(self._clock(), came)
                self._bytes_of_ranges += came if is_range else 0
                self._compare()

    def _compare(self) -> None:
        """End the trial of ranges when enough of them have come. Needs the lock."""
        before, pace = self._pace_of_streams, self._pace
        if before is None:
            if pace.bytes >= 2 * TRIAL_BYTES:
                pace.forget_half()
        elif self._bytes_of_ranges >= TRIAL_BYTES:
            if pace.bytes < GAIN * before * pace.seconds:
                self._ranges_until, self._settled_until = 0.0, self._clock() + VERDICT_SECONDS
            self._pace_of_streams = None
