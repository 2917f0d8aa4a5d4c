"""The threads on which objects are read: one pool for each process, made at first use."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from recordfs.per_process import PerProcess

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["THREADS", "begin", "call_interruptibly", "shared_pool"]

THREADS = 32
"""Requests in flight over all readers of a process."""

Result = TypeVar("Result")

_pool = PerProcess(lambda: ThreadPoolExecutor(THREADS, thread_name_prefix="recordfs-read"))


def shared_pool() -> ThreadPoolExecutor:
    """Return the pool of this process."""
    return _pool.get()


def begin(function: Callable[..., Result], *args: object) -> Future[Result]:
    """Call a function on the pool; where that takes nothing more, as when the interpreter ends, once it is asked."""
    try:
        return shared_pool().submit(function, *args)
    except RuntimeError:
        return _WhenAsked(function, args)


class _WhenAsked(Future[Result]):
    """What a function returns, called by whoever wants to know."""

    def __init__(self, function: Callable[..., Result], args: tuple[object, ...]) -> None:
        super().__init__()
        self._function = function
        self._args = args

    def result(self, timeout: float | None = None) -> Result:
        """Call it, the first time."""
        if not self.done():
            self.set_result(self._function(*self._args))
        return super().result(timeout)


def call_interruptibly(function: Callable[..., Result], *args: object) -> Result:
    """Call a function that does not heed signals; Ctrl-C comes through all the same, and leaves it to end by itself.

    Python handles signals in the main thread: only there the call is made on the pool.
    """
    if threading.current_thread() is threading.main_thread():
        return begin(function, *args).result()
    return function(*args)
