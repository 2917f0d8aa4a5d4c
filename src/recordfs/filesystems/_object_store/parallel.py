"""The same work on many things at once: bounded threads, bounded memory, and a report of what failed."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

from recordfs.errors import RecordFSError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor

__all__ = ["MAX_REPORTED", "Failures", "for_each_in_parallel", "submit"]

THREADS = 16
"""Requests in flight: past this the stores slow a single client down rather than serve it faster."""

MAX_REPORTED = 100
"""Failures that are kept with their errors; all are counted."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Arguments = ParamSpec("_Arguments")


class Failures(Generic[_Item]):
    """What could not be done: how many, and the first hundred with their errors. For any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = 0
        self.first: list[tuple[_Item, RecordFSError]] = []

    def add(self, item: _Item, error: RecordFSError) -> None:
        """Count one more."""
        with self._lock:
            self.count += 1
            if len(self.first) < MAX_REPORTED:
                self.first.append((item, error))


def submit(
    pool: Executor, function: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
) -> Future[_Result]:
    """Call a function on a thread of a pool; when the interpreter ends, and starts no thread any more, on this one."""
    try:
        return pool.submit(function, *args, **kwargs)
    except RuntimeError:
        future: Future[_Result] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - raised by whoever asks for the result, as from a thread
            future.set_exception(error)
        return future


def for_each_in_parallel(action: Callable[[_Item], None], items: Iterable[_Item]) -> Failures[_Item]:
    """Call an action on every item, at most THREADS at a time, and go on after those that raise RecordFSError.

    Items are taken from the iterable only as threads become free. Another kind of error stops everything.
    """
    failures: Failures[_Item] = Failures()
    running: dict[Future[None], _Item] = {}

    def collect(done: Iterable[Future[None]]) -> None:
        for future in done:
            item = running.pop(future)
            try:
                future.result()
            except RecordFSError as error:
                failures.add(item, error)

    with ThreadPoolExecutor(THREADS, thread_name_prefix="recordfs-bulk") as pool:
        for item in items:
            running[submit(pool, action, item)] = item
            if len(running) >= 2 * THREADS:
                collect(wait(running, return_when=FIRST_COMPLETED).done)
        collect(wait(running).done)
    return failures
