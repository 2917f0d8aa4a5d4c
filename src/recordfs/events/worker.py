"""Worker: the thread that takes events out of a queue and writes them, whatever happens to the store."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from recordfs.errors import ClosedFileError, DeadlineExceededError

if TYPE_CHECKING:
    from collections.abc import Callable

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

    def close(self) -> None:
        """Take no more."""
        ...

    def reopen(self) -> None:
        """Take more again."""
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


LOOK_SECONDS = 0.2
"""Who waits looks so often whether it is time, told or not."""


class Worker:
    """Writes the events of a queue. It survives every error: what it could not write it keeps, and tries again.

    Its state is guarded by ``_changed``:

    - ``_requests`` counts the calls of ``flush`` and ``close``, ``_wanted`` is the number of events that they ask for.
    - ``_visible`` events are visible; it decreases only where an output has to begin again.
    - The queue takes nothing while ``_is_closing``, so that what a close asks for is all that there will be.
    - ``_failed_request`` is the last request that an attempt failed to serve, with ``_error``.

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
        self._changed = threading.Condition()
        self._requests = 0
        self._wanted = 0
        self._visible = 0
        self._taken = 0
        self._failed_request = 0
        self._failures = 0
        self._error: BaseException | None = None
        self._is_closing = self._is_closed = False
        self._told_drops = 0
        self._next_flush = time.monotonic() + flush_seconds
        self._thread = threading.Thread(target=self._run, name="recordfs-events", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

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
        request, wanted = self.ask()
        with self._changed:
            self._wait_until(lambda: self._visible >= wanted, request, deadline)

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
        self._thread.join()

    def go_on(self) -> bool:
        """Have the queue take events again, if the file is not ended yet; return whether it is not.

        A ``close`` or ``finish`` that waits asks for the end once more: this thread may be in a signal's handler that
        interrupted it.
        """
        with self._changed:
            if not self._is_closed:
                # Between the two a handler may close it: then the queue has to be left closed.
                self._queue.reopen()
                self._is_closing = False
                self._changed.notify_all()
            return not self._is_closed

    def finish(self, timeout: float | None = None) -> None:
        """Ask for the end, and wait until the file is ended. Raises as ``flush``, and is still asked for then."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._is_closed:
                request, _ = self.ask(close=True)
                self._wait_until(lambda: self._is_closed or not self._is_closing, request, deadline)

    def _wait_until(self, is_done: Callable[[], bool], request: int, deadline: float | None) -> None:
        while not is_done():
            if self._failed_request >= request:
                assert self._error is not None
                raise self._error
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise DeadlineExceededError("not every event is visible in the time that was given", path=self._name)
            # A handler of a signal that runs here, between the look and the wait, has told nobody of what it changed.
            self._changed.wait(LOOK_SECONDS if left is None else min(left, LOOK_SECONDS))

    def ask(self, *, close: bool = False) -> tuple[int, int]:
        """Have it flush, or flush and end, and wait for nothing.

        Returns:
            The number of this request, and how much was added before it.
        """
        with self._changed:
            if self._is_closed and not close:
                raise ClosedFileError("the writer is closed", path=self._name)
            if close:
                # Between the two a handler may have it go on: then this is asked for again, and not taken for closing
                # while the queue takes events.
                self._is_closing = True
                self._queue.close()
            self._requests += 1
            self._wanted = max(self._wanted, self._queue.added)
            request = self._requests, self._wanted
            self._changed.notify_all()
        self._queue.urge()
        return request

    def _run(self) -> None:
        while not self._is_closed:
            with self._changed:
                request = self._requests
            try:
                self._step()
            except BaseException as error:  # noqa: BLE001 - whoever flushes gets it
                self._fail(error, request)
            else:
                self._succeed()

    def _step(self) -> None:
        """Take events, write them, and make them visible if it is time."""
        patience = 0.0 if self._failures else max(0.0, self._next_flush - time.monotonic())
        if not self._output.is_dirty or not self._failures:
            # After a failure what is framed has to be written before there is more of it.
            self._taken += self._queue.drain(self._output.framer, patience)
        self._output.write()
        self._queue.done()
        self._tell_of_drops()
        with self._changed:
            is_wanted = self._visible < self._wanted <= self._taken
            is_last = self._is_closing and self._wanted <= self._taken
        if is_last:
            self._output.close()
        elif is_wanted or self._output.wants_flush or time.monotonic() >= self._next_flush:
            self._output.flush()
        else:
            return
        self._next_flush = time.monotonic() + self._flush_seconds
        with self._changed:
            self._visible = self._taken
            # A close that was given up meanwhile is none: the queue takes events, and the output goes on.
            self._is_closed = is_last and self._is_closing and self._wanted <= self._taken
            self._changed.notify_all()

    def _succeed(self) -> None:
        if self._failures:
            _log("%s: writing works again after %d failures", self._name, self._failures)
            self._failures, self._error = 0, None

    def _fail(self, error: BaseException, request: int) -> None:
        """Tell of a failure, and wait a little, or until somebody asks."""
        self._failures += 1
        if self._failures == 1:
            _log("%s: events could not be written and are kept: %s: %s", self._name, type(error).__name__, error)
        with self._changed:
            self._error = error
            self._failed_request = request
            self._changed.notify_all()
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._failures - 1, 10))
            self._changed.wait_for(lambda: self._requests > request, pause)

    def _tell_of_drops(self) -> None:
        dropped = self._queue.dropped
        if dropped > self._told_drops:
            _log("%s: %d events were dropped: the queue was full", self._name, dropped - self._told_drops)
            self._told_drops = dropped


def _log(message: str, *arguments: object) -> None:
    import logging  # slow to import, and seldom needed

    logging.getLogger("recordfs").warning(message, *arguments)
