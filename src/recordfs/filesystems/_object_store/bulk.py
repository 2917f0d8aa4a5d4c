"""Work on many objects at once: bounded threads, bounded memory, and a report of what failed."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from recordfs.errors import RecordFSError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from recordfs.filesystems._object_store.store import ObjectStore

__all__ = ["Failures", "delete_keys", "for_each_in_parallel", "submit"]

THREADS = 16
"""Requests in flight: past this the stores slow a single client down rather than serve it faster."""

MAX_REPORTED = 100

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Failures(Generic[_Item]):
    """What could not be done: how many, and the first hundred with their errors."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[tuple[_Item, RecordFSError]] = []

    def add(self, item: _Item, error: RecordFSError) -> None:
        """Count one more."""
        self.count += 1
        if len(self.first) < MAX_REPORTED:
            self.first.append((item, error))


def submit(pool: ThreadPoolExecutor, function: Callable[[_Item], _Result], item: _Item) -> Future[_Result]:
    """Call a function on a thread of a pool; when the interpreter ends, and starts no thread any more, on this one."""
    try:
        return pool.submit(function, item)
    except RuntimeError:
        future: Future[_Result] = Future()
        try:
            future.set_result(function(item))
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


def delete_keys(
    store: ObjectStore, bucket: str, keys: Iterable[str]
) -> tuple[int, list[tuple[str, RecordFSError]], int]:
    """Delete many objects by the store's bulk request.

    Returns:
        How many were deleted, the first hundred that were not with their errors, and how many were not.
    """
    iterator = iter(keys)
    batches = iter(lambda: list(islice(iterator, store.max_delete)), [])
    failures: Failures[str] = Failures()
    asked = 0
    for batch in batches:
        asked += len(batch)
        for key, error in store.delete_many(bucket, batch):
            failures.add(key, error)
    return asked - failures.count, failures.first, failures.count
