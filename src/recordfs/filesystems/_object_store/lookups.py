"""What stands at a location: an object, keys below it, or nothing, and the errors that tell of each.

A path is a file if its key exists, else a directory if any key begins with it and a slash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.errors import DirectoryNotEmptyError, IsADirectoryError, NotFoundError
from recordfs.filesystems._object_store.listing import first_objects
from recordfs.filesystems._object_store.temporary import TEMPORARY_DIRECTORY, is_temporary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from recordfs.filesystems._object_store.objects import ObjectInfo
    from recordfs.filesystems._object_store.opening import Location
    from recordfs.filesystems._object_store.store import ObjectStore

__all__ = [
    "describe",
    "file_or_none",
    "missing_error",
    "nothing_there",
    "prefix_exists",
    "refuse_children",
    "state_of",
]


def describe(
    store: ObjectStore, location: Location, head: Callable[[str, str], ObjectInfo] | None = None
) -> ObjectInfo:
    """Describe the object at a location, by the store's ``head`` or another.

    Raises:
        IsADirectoryError: A directory is there.
        NotFoundError: Nothing is there.
    """
    try:
        return (head or store.head)(location.bucket, location.key)
    except NotFoundError as error:
        if prefix_exists(store, location):
            raise IsADirectoryError("a directory stands where a file is needed", path=location.path) from None
        raise nothing_there(location.path) from error


def state_of(store: ObjectStore, location: Location) -> ObjectInfo | None:
    """Return the object that a writer finds at a location, or None.

    Raises:
        IsADirectoryError: A directory is there.
        NotFoundError: There is no such bucket.
    """
    try:
        return store.head(location.bucket, location.key)
    except NotFoundError:
        if prefix_exists(store, location):
            raise IsADirectoryError("a directory stands where a file is needed", path=location.path) from None
        return None


def file_or_none(store: ObjectStore, location: Location) -> ObjectInfo | None:
    """Describe the object at a location, or return None."""
    if location.names_directory:
        return None
    try:
        return store.head(location.bucket, location.key)
    except NotFoundError:
        return None


def prefix_exists(store: ObjectStore, location: Location) -> bool:
    """Tell whether any key lies at or below a location's prefix; a bucket's root exists with its bucket.

    Raises:
        NotFoundError: There is no such bucket, and the location is not its root.
    """
    if not location.prefix:
        return store.bucket_exists(location.bucket)
    try:
        return bool(first_objects(store, location.bucket, location.prefix, 1))
    except NotFoundError as error:
        raise missing_error(store, location) from error


def nothing_there(path: str) -> NotFoundError:
    """Return the error for a path in a bucket that exists."""
    return NotFoundError("no object has this name, and none lies below it", path=path)


def missing_error(store: ObjectStore, location: Location) -> NotFoundError:
    """Return the error for a location where nothing is; looks whether its bucket is there."""
    if store.bucket_exists(location.bucket):
        return nothing_there(location.path)
    return NotFoundError(f"there is no bucket {location.bucket}", path=location.path)


def refuse_children(location: Location, found: Iterable[ObjectInfo]) -> None:
    """Raise if what was found below a directory is more than its marker.

    Raises:
        DirectoryNotEmptyError: It is.
    """
    children = [info.key for info in found if info.key != location.prefix]
    if children and is_temporary(children[0], location.prefix):
        raise DirectoryNotEmptyError(
            f"a writer's temporary objects are below the directory, in {TEMPORARY_DIRECTORY}; delete_recursively "
            "removes them",
            path=location.path,
        )
    if children:
        raise DirectoryNotEmptyError("the directory has children", path=location.path)
