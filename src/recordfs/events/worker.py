"""Worker: the thread that takes events out of a queue and writes them, whatever happens to the store."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from recordfs.errors import DeadlineExceededError

__all__ = ["Worker"]


class Source(Protocol):
    """Where a worker takes from: a queue of events, or the image of a spool."""

    @property
    def added(self) -> int:
        """How much was put in so far."""
        ...

    @property
    def dropped(self) -> int:
        """How much was not put in for lack of room."""
        ...

    def drain(self, framer: Any, patience: float) -> int:
        """Move what there is to ``framer``; wait for something, but no longer than so many seconds.

        Returns:
            By how much more was moved than before; below 0 if what was moved before is to be moved again.
        """
        ...

    @property
    def closed(self) -> bool:
        """Whether it takes no more."""
        ...

    def close(self) -> None:
        """Take no more."""
        ...

    def reopen(self) -> bool:
        """Take more again, if it has not ended; return whether it does."""
        ...

    def end(self) -> bool:
        """Take no more for ever, if it is closed and everything was drained; return whether it has ended."""
        ...

    def urge(self) -> None:
        """Have ``drain`` wait no longer."""
        ...

    def done(self) -> None:
        """Take note that what was drained is written."""
        ...


class Output(Protocol):
    """Where a worker writes to: files, or the upload of a spool."""

    @property
    def framer(self) -> Any:
        """What ``drain`` moves things to."""
        ...

    @property
    def is_dirty(self) -> bool:
        """Whether something was written after the last flush."""
        ...

    @property
    def wants_flush(self) -> bool:
        """Whether a flush has to come, whether it is time or not."""
        ...

    def write(self) -> None:
        """Hand on what was moved here. What raises has lost nothing."""
        ...

    def flush(self) -> None:
        """Make it visible."""
        ...

    def close(self) -> None:
        """Make it visible and end it."""
        ...


FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
"""Seconds between two attempts after a failure: doubled each time."""

LONGEST_WAIT = 0.5
"""Seconds without a look for signals. CPython handles one that comes just before a wait only when the wait is over."""


class _Request:
    """A call that waits until so much is visible, or until the end.

    Args:
        wanted: How much; None for the end.

    Attributes:
        answers: Gets one answer: what the attempt to serve it failed with, or None, which asks the caller to look.
    """

    __slots__ = ("answers", "wanted")

    def __init__(self, wanted: int | None) -> None:
        self.wanted = wanted
        self.answers: SimpleQueue[BaseException | None] = SimpleQueue()


class Worker:
    """Writes the events of a queue. It survives every error: what it could not write it keeps, and tries again.

    Who calls ``flush`` or ``close`` may have been interrupted by a signal whose handler does the same, at any place. So
    callers hold no lock that the thread takes, or that another call waits for. They put requests into ``_requests`` and
    read flags; everything else belongs to the thread. What it says to them:

    - ``_has_ended`` is set once. After that everything that was ever added is visible, and the queue takes nothing.
    - Whether a close goes on is told by the queue alone: who gives it up opens the queue again, if it has not ended.
    - A request that was put before ``_has_ended`` was set gets an answer; one that was put after it needs none.

    Args:
        queue: Where the events come from. The worker is its only consumer.
        output: Where they go.
        flush_seconds: Seconds between two flushes that nobody asked for.
        name: What it writes, for messages.
    """

    def __init__(self, queue: Source, output: Output, flush_seconds: float, name: str) -> None:
        self._queue = queue
        self._output = output
        self._flush_seconds = flush_seconds
        self._name = name
        self._requests: SimpleQueue[_Request] = SimpleQueue()
        self._waiting: list[_Request] = []
        self._visible = 0
        self._taken = 0
        self._failures = 0
        self._untold_failures = 0
        self._error: BaseException | None = None
        self._has_ended = False
        self._told_drops = 0
        self._next_flush = time.monotonic() + flush_seconds
        self._threads: dict[str, threading.Thread] = {}
        """Who writes, and who waited for the end of that thread: each is decided once, in one step."""

    def start(self) -> None:
        """Begin, unless it has begun."""
        # A handler that comes between the look and the start starts one as well; the second thread ends at once.
        if not self._threads:
            threading.Thread(target=self._run, name="recordfs-events", daemon=True).start()

    @property
    def error(self) -> BaseException | None:
        """What the last attempt to write failed with; None if it succeeded."""
        return self._error

    def flush(self, timeout: float | None = None) -> None:
        """Return when every event that was added before is visible.

        Raises:
            DeadlineExceededError: It is not after so many seconds.
            Whatever writing raised in an attempt that began after the call. The events are kept.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        self._wait_for(_Request(self._queue.added), deadline)

    def close(self, timeout: float | None = None) -> None:
        """Flush, end the file and the thread. Idempotent.

        From the call on the queue takes nothing. Raises as ``flush``: the queue takes events again then, and ``close``
        can be called again.
        """
        try:
            self.finish(timeout)
        finally:
            # Whatever ended the wait, the thread has to be there for every event that the queue takes.
            self.go_on()
        current = threading.current_thread()
        # Only one waits: a handler that interrupts the wait would wait for the call that it interrupted.
        if self._threads.setdefault("joined by", current) is current:
            self._threads["writing"].join()

    def go_on(self) -> bool:
        """Have the queue take events again, if the file is not ended yet; return whether it is not.

        A ``close`` or ``finish`` that waits asks for the end once more: this may be a signal's handler that interrupted
        it.
        """
        return self._queue.reopen()

    def finish(self, timeout: float | None = None) -> None:
        """Ask for the end, and wait until the file is ended. Raises as ``flush``, and is still asked for then."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._has_ended:
            self._queue.close()
            self._wait_for(_Request(None), deadline)
        self._tell()

    def ask_for_end(self) -> None:
        """Have it flush and end, and wait for nothing."""
        self._queue.close()
        self._put(_Request(None))

    def _put(self, request: _Request) -> None:
        self._requests.put(request)
        self._queue.urge()

    def _wait_for(self, request: _Request, deadline: float | None) -> None:
        """Return when a request was served, or when it can be served no more; raise what an attempt failed with."""
        self.start()
        self._put(request)
        if self._has_ended:
            return
        error = self._answer_to(request, math.inf if deadline is None else deadline)
        if error is not None:
            raise error

    def _answer_to(self, request: _Request, deadline: float) -> BaseException | None:
        """Wait for the answer to a request, in short turns; see LONGEST_WAIT."""
        while True:
            left = max(0.0, deadline - time.monotonic())
            try:
                return request.answers.get(timeout=min(left, LONGEST_WAIT))
            except Empty:
                if left <= LONGEST_WAIT:
                    message = "not every event became visible within the timeout"
                    raise DeadlineExceededError(message, path=self._name) from None

    def _run(self) -> None:
        current = threading.current_thread()
        if self._threads.setdefault("writing", current) is not current:
            return
        while not self._has_ended:
            # Who asks later is answered by the next attempt.
            self._receive()
            try:
                has_ended = self._step()
            except BaseException as error:  # noqa: BLE001 - whoever flushes gets it
                self._fail(error)
            else:
                self._succeed(has_ended=has_ended)
        self._receive()
        for request in self._waiting:
            request.answers.put(None)

    def _receive(self) -> None:
        with contextlib.suppress(Empty):
            while True:
                self._waiting.append(self._requests.get_nowait())

    def _step(self) -> bool:
        """Take events, write them, and make them visible if it is time; return whether that was the end."""
        if not self._output.is_dirty or not self._failures:
            # After a failure what is framed has to be written before there is more of it.
            is_hurried = self._waiting or self._failures
            patience = 0.0 if is_hurried else max(0.0, self._next_flush - time.monotonic())
            self._taken += self._queue.drain(self._output.framer, patience)
        self._output.write()
        self._queue.done()
        is_last = self._queue.closed and self._taken >= self._queue.added
        if is_last:
            self._output.close()
        elif self._is_asked_for_flush or self._output.wants_flush or time.monotonic() >= self._next_flush:
            self._output.flush()
        else:
            return False
        self._next_flush = time.monotonic() + self._flush_seconds
        self._visible = self._taken
        # A close that was given up meanwhile is none: the queue takes events, and the output goes on.
        return is_last and self._queue.end()

    @property
    def _is_asked_for_flush(self) -> bool:
        return any(
            request.wanted is not None and self._visible < request.wanted <= self._taken for request in self._waiting
        )

    def _succeed(self, *, has_ended: bool) -> None:
        self._untold_failures += self._failures
        self._failures, self._error = 0, None
        self._has_ended = has_ended
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            is_over = not self._queue.closed if request.wanted is None else self._visible >= request.wanted
            if is_over or has_ended:
                request.answers.put(None)
            else:
                self._waiting.append(request)
        if not has_ended:
            self._tell()

    def _fail(self, error: BaseException) -> None:
        """Tell of a failure, and wait a little, or until somebody asks."""
        self._failures += 1
        self._error = error
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            request.answers.put(error)
        if self._failures == 1:
            _log("%s: events could not be written and are kept: %s: %s", self._name, type(error).__name__, error)
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._failures - 1, 10))
        with contextlib.suppress(Empty):
            self._waiting.append(self._requests.get(timeout=pause))

    def _tell(self) -> None:
        """Log what has changed.

        The thread does so after it answered, and leaves the last to the call that waits for its end: that may have come
        in the middle of another call of ``logging``, whose lock the thread would wait for.
        """
        failures, self._untold_failures = self._untold_failures, 0
        if failures:
            _log("%s: writing works again after %d failures", self._name, failures)
        dropped = self._queue.dropped
        untold, self._told_drops = dropped - self._told_drops, dropped
        if untold:
            _log("%s: %d events were dropped: the queue was full", self._name, untold)


def _log(message: str, *arguments: object) -> None:
    import logging  # slow to import, and seldom needed

    logging.getLogger("recordfs").warning(message, *arguments)
