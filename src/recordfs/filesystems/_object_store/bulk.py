"""Moving and deleting many objects at once, and what could not be: in bounded memory, whatever their number."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

from recordfs.errors import RecordFSError
from recordfs.filesystems._object_store.listing import first_objects
from recordfs.filesystems._object_store.parallel import Failures, for_each_in_parallel
from recordfs.paths import scheme_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from recordfs.filesystems._object_store.objects import ObjectInfo
    from recordfs.filesystems._object_store.opening import Location
    from recordfs.filesystems._object_store.store import ObjectStore

__all__ = [
    "delete_objects",
    "move_objects",
    "named_failures",
    "remove_folders",
]

MOST_MARKERS = 100_000
"""Markers that are remembered until what is below them is gone: some 30 MB."""

MOVED_TOGETHER = 1000
"""Objects that are copied before any of them is deleted: as many as one request deletes on S3."""

Item = TypeVar("Item")


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
    if not first_objects(store, bucket, prefix, 1):
        store.delete(bucket, prefix)


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
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
