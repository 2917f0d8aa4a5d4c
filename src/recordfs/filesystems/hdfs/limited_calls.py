"""Calls of a client that has no time limits of its own, each on a thread that its caller can leave.

The native client waits without end for a namenode that does not answer, and does not heed Ctrl-C. So it is called on
other threads: the caller waits for as long as it wants to, in a way that signals interrupt. A call that was left goes
on; what it does after that nobody sees, and whoever left it has to say so.
"""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from recordfs.per_process import PerProcess

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CallLeftError", "CallPanickedError", "call_within"]

Result = TypeVar("Result")

SLOW_SECONDS = 3.0
"""A call that takes longer than this is worth a look at what it waits for."""


class CallLeftError(Exception):
    """The time was up before the call returned. It may still take effect.

    Attributes:
        has_returned: Tells whether it has returned by now.
    """

    def __init__(self, has_returned: Callable[[], bool]) -> None:
        super().__init__("the time was up before the call returned")
        self.has_returned = has_returned


class CallPanickedError(Exception):
    """The native client failed in a way that it did not foresee; its text is what it said."""


class _Call(Generic[Result]):
    """One call, and what came of it once ``done`` can be acquired."""

    __slots__ = ("_arguments", "_function", "done", "error", "result")

    def __init__(self, function: Callable[..., Result], arguments: tuple[Any, ...]) -> None:
        self._function = function
        self._arguments = arguments
        self.result: Result
        self.error: Exception | None = None
        self.done = threading.Lock()
        self.done.acquire()

    def run(self) -> None:
        """Carry it out. Raises nothing, so that nobody waits in vain."""
        try:
            self.result = self._function(*self._arguments)
        except Exception as error:  # noqa: BLE001 (the caller raises it)
            self.error = error
        except BaseException as panic:  # noqa: BLE001 (PyO3's PanicException, which cannot be imported)
            self.error = CallPanickedError(str(panic))
        finally:
            self.done.release()


class _Worker:
    """A thread that carries out one call after the other, and offers itself again after each.

    It is a daemon: a call that hangs must not keep the process from ending.
    """

    def __init__(self, idle: list[_Worker]) -> None:
        self._idle = idle
        self.calls: SimpleQueue[_Call[Any]] = SimpleQueue()
        threading.Thread(target=self._work, name="recordfs-hdfs", daemon=True).start()

    def _work(self) -> None:
        while True:
            self.calls.get().run()
            self._idle.append(self)


_idle_workers: PerProcess[list[_Worker]] = PerProcess(list)


def call_within(
    seconds: float, function: Callable[..., Result], *arguments: Any, when_slow: Callable[[], None] | None = None
) -> Result:
    """Return what a function returns, if that takes no longer than this. Callable from any thread and process.

    Args:
        seconds: How long it may take.
        function: What is called, on another thread.
        arguments: Its arguments.
        when_slow: Called when it has taken SLOW_SECONDS, and after as long again each time; what it raises ends the
            waiting, as the limit does.

    Raises:
        CallLeftError: It took longer. The function goes on.
        CallPanickedError: The function panicked.
        Exception: Whatever else it raises.
    """
    idle = _idle_workers.get()
    try:
        worker = idle.pop()
    except IndexError:
        try:
            worker = _Worker(idle)
        except RuntimeError:  # no thread is to be had any more: a limit is reached, or the interpreter ends
            return function(*arguments)
    call = _Call(function, arguments)
    worker.calls.put(call)
    deadline = time.monotonic() + seconds
    while not call.done.acquire(timeout=max(0.0, min(SLOW_SECONDS, deadline - time.monotonic()))):
        if time.monotonic() >= deadline:
            raise CallLeftError(lambda: not call.done.locked())
        if when_slow is not None:
            when_slow()
    if call.error is not None:
        try:
            raise call.error
        finally:
            call.error = None  # the error's traceback holds this frame, and with it the error
    return call.result
