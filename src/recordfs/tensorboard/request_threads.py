"""Threads that wait for a store, and whose end nobody waits for long."""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RequestThreads"]

Result = TypeVar("Result")


class RequestThreads:
    """Calls functions on some threads. Safe to use from any thread.

    The threads of ``concurrent.futures`` are waited for at the end of a process, and do first whatever is queued: a
    TensorBoard that is told to end would read a bucket to its end, or wait for a store that hangs.

    Args:
        count: How many threads at most; they are started as they are needed.
        name: What their names begin with.
    """

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._waiting: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        # Calls that were submitted and have not ended.
        self._open_calls = 0
        self._is_closed = False

    def submit(self, function: Callable[..., Result], *arguments: object) -> Future[Result]:
        """Call a function; after ``close`` the future is cancelled at once."""
        future: Future[Result] = Future()
        with self._lock:
            if self._is_closed:
                future.cancel()
                future.set_running_or_notify_cancel()
                return future
            self._open_calls += 1
            self._waiting.put((future, lambda: function(*arguments)))
            if self._open_calls > len(self._threads) and len(self._threads) < self._count:
                thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
        return future

    def close(self, seconds: float = 0.0) -> None:
        """Cancel what has not begun, and wait for so long for what has."""
        with self._lock:
            self._is_closed = True
            threads = list(self._threads)
        for _ in threads:
            self._waiting.put(None)
        deadline = time.monotonic() + seconds
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while (waiting := self._waiting.get()) is not None:
            future, call = waiting
            if self._is_closed:
                future.cancel()
            if future.set_running_or_notify_cancel():
                try:
                    result = call()
                except BaseException as error:  # noqa: BLE001 (whoever asks for the result gets it)
                    future.set_exception(error)
                else:
                    future.set_result(result)
            with self._lock:
                self._open_calls -= 1
            del waiting, future, call  # who asked may be gone before the next call comes
