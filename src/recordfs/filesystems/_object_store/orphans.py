"""What writers that died have left for one key: unfinished uploads and temporary objects, found and removed.

They are looked for beside a writer's first parts, because nothing before its commit has to wait for the answer. Only
what has not grown for a day counts: no writer that lives leaves anything alone for so long. Cleaning up after others
never fails what a writer's user asked for; what goes wrong is said once a bucket.
"""

from __future__ import annotations

import datetime as dt
from concurrent.futures import wait
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from recordfs.errors import RecordFSError
from recordfs.filesystems._object_store.listing import list_objects
from recordfs.filesystems._object_store.temporary import temporary_prefix

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from recordfs.filesystems._object_store.objects import UnfinishedUpload
    from recordfs.filesystems._object_store.opening import Location
    from recordfs.filesystems._object_store.store import ObjectStore

__all__ = ["ORPHAN_AGE", "OrphanSearch", "Orphans", "remove_orphans"]

ORPHAN_AGE = dt.timedelta(days=1)


class Orphans(NamedTuple):
    """What seems to be left of writers to an object that are gone.

    Attributes:
        uploads: Of parts that belong to no object.
        objects: The keys of temporary objects.
    """

    uploads: list[UnfinishedUpload]
    objects: list[str]


class OrphanSearch:
    """Looks once for what dead writers left, beside what one writer does. For one thread.

    Args:
        store: The requests.
        target: The object that is written.
        beside: Calls a function on another thread.
        finds_objects: Look for temporary objects, too.
    """

    def __init__(
        self,
        store: ObjectStore,
        target: Location,
        beside: Callable[[Callable[[], Orphans]], Future[Orphans]],
        *,
        finds_objects: bool,
    ) -> None:
        self._look = partial(_find, store, target, with_objects=finds_objects)
        self._beside = beside
        self._has_begun = False
        self._under_way: Future[Orphans] | None = None
        self._own: set[str] = set()

    def begin(self) -> None:
        """Begin to look, unless this was called before."""
        if not self._has_begun:
            self._under_way = self._beside(self._look)
            self._has_begun = True

    def note_own(self, *names: str) -> None:
        """Take note of uploads and keys that are the writer's own: to a clock that is wrong they are old, too."""
        if self._under_way is not None:
            self._own.update(names)

    def take(self) -> Orphans:
        """Wait for what was found, and return it; nothing where it was taken before, or never looked for."""
        under_way, self._under_way = self._under_way, None
        own, self._own = self._own, set()
        if under_way is None:
            return Orphans([], [])
        wait([under_way])
        found = under_way.result()
        return Orphans(
            [upload for upload in found.uploads if upload.identifier not in own],
            [key for key in found.objects if key not in own],
        )


def remove_orphans(store: ObjectStore, target: Location, found: Orphans) -> None:
    """Abort uploads that nothing was added to for long, and delete objects."""
    bucket, oldest = target.bucket, _oldest_living()
    try:
        for upload in found.uploads:
            if not store.has_grown(bucket, upload, oldest):
                store.abort_unfinished_upload(bucket, upload)
        for key in found.objects:
            store.delete(bucket, key)
    except RecordFSError as error:
        _say(store, bucket, error)


def _find(store: ObjectStore, target: Location, *, with_objects: bool) -> Orphans:
    _, bucket, key = target
    found, oldest = Orphans([], []), _oldest_living()
    try:
        uploads = [one for one in store.unfinished_uploads(bucket, key) if one.key == key]
        if with_objects:
            uploads += store.unfinished_uploads(bucket, temporary_prefix(key))
            found.objects.extend(_orphaned_objects(store, bucket, key, oldest))
        found.uploads.extend(upload for upload in uploads if upload.begun < oldest)
    except RecordFSError as error:
        _say(store, bucket, error)
    return found


def _orphaned_objects(store: ObjectStore, bucket: str, key: str, oldest: dt.datetime) -> list[str]:
    """Return the keys of the temporary objects that writers to an object left that are gone.

    A writer's objects are told from others' by what comes before the first hyphen of their names. As long as it adds to
    them, what it wrote days ago stays, too.
    """
    prefix = temporary_prefix(key)
    by_writer: dict[str, list[str]] = {}
    newest: dict[str, int] = {}
    for info in list_objects(store, bucket, store.listable(bucket, prefix)):
        if info.key.startswith(prefix):
            writer = info.key[len(prefix) :].partition("-")[0]
            by_writer.setdefault(writer, []).append(info.key)
            newest[writer] = max(newest.get(writer, 0), info.mtime_nsec)
    moment = oldest.timestamp() * 1e9
    return [orphan for writer, keys in by_writer.items() if newest[writer] < moment for orphan in keys]


def _oldest_living() -> dt.datetime:
    """Return the moment before which nothing was changed that belongs to a writer that lives."""
    return dt.datetime.now(dt.UTC) - ORPHAN_AGE


def _say(store: ObjectStore, bucket: str, error: RecordFSError) -> None:
    store.notices.once(
        bucket,
        "orphans",
        f"what writers that died have left cannot be cleaned up in bucket {bucket}, and is billed; set lifecycle rules "
        f"that abort unfinished uploads, and delete old objects whose names end with .recordfs-tmp: {error}",
    )
