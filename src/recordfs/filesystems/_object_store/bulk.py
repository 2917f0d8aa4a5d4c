"""Work on many objects at once: bounded threads, bounded memory, and a report of what failed."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import chain, islice
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

from recordfs.errors import RecordFSError
from recordfs.paths import scheme_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor

    from recordfs.filesystems._object_store.opening import Location
    from recordfs.filesystems._object_store.store import ObjectInfo, ObjectStore

__all__ = [
    "MAX_REPORTED",
    "Failures",
    "delete_objects",
    "for_each_in_parallel",
    "move_objects",
    "named_failures",
    "remove_folders",
    "submit",
]

THREADS = 16
"""Requests in flight: past this the stores slow a single client down rather than serve it faster."""

MAX_REPORTED = 100
"""Failures that are kept with their errors; all are counted."""

MOST_MARKERS = 100_000
"""Markers that are remembered until what is below them is gone: some 30 MB."""

MOVED_TOGETHER = 1000
"""Objects that are copied before any of them is deleted: as many as one request deletes on S3."""

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


class _Markers:
    """The markers of a tree, put aside while its other objects are worked on: what is deeper comes before them.

    SeaweedFS makes a folder of its own of a key's directories. When a marker is deleted before what is below it, the
    folder is listed for ever, does not exist, and cannot be made again.
    """

    def __init__(self) -> None:
        self.aside: list[ObjectInfo] = []

    def put_aside(self, objects: Iterable[ObjectInfo]) -> Iterator[ObjectInfo]:
        """Iterate over objects, without the markers among them as long as these are not too many."""
        for info in objects:
            if info.key.endswith("/") and len(self.aside) < MOST_MARKERS:
                self.aside.append(info)
            else:
                yield info

    def by_depth(self) -> Iterator[list[ObjectInfo]]:
        """Iterate over the markers that have been put aside by now, all of one depth together, the deepest first."""
        depths: dict[int, list[ObjectInfo]] = {}
        for info in self.aside:
            depths.setdefault(info.key.count("/"), []).append(info)
        for depth in sorted(depths, reverse=True):
            yield depths[depth]


def delete_objects(
    store: ObjectStore, bucket: str, objects: Iterable[ObjectInfo]
) -> tuple[int, list[tuple[str, RecordFSError]], int]:
    """Delete many objects by the store's bulk request, several at once, and go on after a failure.

    The markers of directories come last, the deepest first.

    Returns:
        How many were deleted, the first hundred that were not with their errors, and how many were not.
    """
    failures: Failures[str] = Failures()
    markers = _Markers()
    asked = _delete_all(store, bucket, (info.key for info in markers.put_aside(objects)), failures)
    for together in markers.by_depth():
        asked += _delete_all(store, bucket, [info.key for info in together], failures)
    return asked - failures.count, failures.first, failures.count


def move_objects(
    store: ObjectStore, bucket: str, objects: Iterable[ObjectInfo], copy: Callable[[ObjectInfo], None]
) -> Failures[str]:
    """Copy objects in parallel and delete those that were copied in bulk; return the keys that are still there.

    The markers of directories come last, the deepest first.
    """
    failures: Failures[str] = Failures()
    markers = _Markers()
    together = _batches(markers.put_aside(objects), MOVED_TOGETHER)
    for batch in chain(together, chain.from_iterable(_batches(found, MOVED_TOGETHER) for found in markers.by_depth())):
        copied: list[str] = []

        def copy_one(info: ObjectInfo, copied: list[str] = copied) -> None:
            try:
                copy(info)
            except RecordFSError as error:
                failures.add(info.key, error)
            else:
                copied.append(info.key)

        for_each_in_parallel(copy_one, batch)
        _delete_all(store, bucket, copied, failures)
    return failures


def named_failures(location: Location, failures: list[tuple[str, RecordFSError]]) -> list[tuple[str, RecordFSError]]:
    """Return what failed below a location by full path instead of by key."""
    root = f"{scheme_of(location.path)}://{location.bucket}/"
    return [(root + key, error) for key, error in failures]


def remove_folders(store: ObjectStore, bucket: str, prefix: str) -> None:
    """Delete folders that are listed below a prefix although no key lies below them, as SeaweedFS keeps them.

    One of them below a directory that was deleted would be listed for ever, and could not be made again. What lies
    below a prefix is asked for again on the way, so that nothing is deleted that somebody writes meanwhile. Stores that
    are never doubted keep no such thing.
    """
    if not store.features(bucket).is_doubted or not prefix:
        return
    if prefix in store.list_page(bucket, prefix.removesuffix("/"), delimiter="/").prefixes:
        _remove_folder(store, bucket, prefix)


def _remove_folder(store: ObjectStore, bucket: str, prefix: str) -> None:
    for below in store.list_page(bucket, prefix, delimiter="/").prefixes:
        _remove_folder(store, bucket, below)
    if not store.list_page(bucket, prefix, limit=1).objects:
        store.delete(bucket, prefix)


def _batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    iterator = iter(items)
    return iter(lambda: list(islice(iterator, size)), [])


def _delete_all(store: ObjectStore, bucket: str, keys: Iterable[str], failures: Failures[str]) -> int:
    """Delete objects, several requests at once, add those that could not be to the failures, and count all of them."""
    asked: list[int] = []

    def delete(batch: list[str]) -> None:
        asked.append(len(batch))
        try:
            undeleted = store.delete_many(bucket, batch)
        except RecordFSError as error:  # the request failed as a whole, so for each of them
            undeleted = [(key, error) for key in batch]
        for key, reason in undeleted:
            failures.add(key, reason)

    batches = _batches(keys, store.max_delete)
    if store.deletes_in_bulk:
        for_each_in_parallel(delete, batches)
    else:
        for batch in batches:
            delete(batch)
    return sum(asked)
