"""Temporary objects that writers which died have left for one key.

Only what has not grown for a day counts: no writer that lives leaves anything alone for so long.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from recordfs.filesystems._object_store.listing import list_objects
from recordfs.filesystems._object_store.temporary import temporary_prefix

if TYPE_CHECKING:
    from recordfs.filesystems._object_store.store import ObjectStore

__all__ = ["ORPHAN_AGE", "oldest_living", "orphaned_objects"]

ORPHAN_AGE = dt.timedelta(days=1)


def oldest_living() -> dt.datetime:
    """Return the moment before which nothing was changed that belongs to a writer that lives."""
    return dt.datetime.now(dt.UTC) - ORPHAN_AGE


def orphaned_objects(store: ObjectStore, bucket: str, key: str) -> list[str]:
    """Return the keys of what writers to an object left that are gone.

    A writer's objects are told from others' by what comes before the first hyphen of their names. As long as it adds to
    them, what it wrote days ago stays, too.

    Raises:
        RecordFSError: They cannot be listed.
    """
    prefix = temporary_prefix(key)
    by_writer: dict[str, list[str]] = {}
    newest: dict[str, int] = {}
    for info in list_objects(store, bucket, store.listable(bucket, prefix)):
        if info.key.startswith(prefix):
            writer = info.key[len(prefix) :].partition("-")[0]
            by_writer.setdefault(writer, []).append(info.key)
            newest[writer] = max(newest.get(writer, 0), info.mtime_nsec)
    oldest = oldest_living().timestamp() * 1e9
    return [orphan for writer, keys in by_writer.items() if newest[writer] < oldest for orphan in keys]
