"""Copying and renaming over keys: copies on the server, and deletes after them, as no store renames.

No step of a rename is atomic. What was not moved is still at the source when something fails, and nothing is in neither
place; a temporary object at a directory's target remembers what was being moved there, so that the same call goes on.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    IsADirectoryError,
    NotADirectoryError,
    RecordFSError,
)
from recordfs.filesystems._object_store.bulk import move_objects, named_failures, remove_folders
from recordfs.filesystems._object_store.listing import first_objects, list_objects
from recordfs.filesystems._object_store.lookups import (
    describe,
    file_or_none,
    nothing_there,
    prefix_exists,
    refuse_children,
)
from recordfs.filesystems._object_store.temporary import is_temporary, move_record_key

if TYPE_CHECKING:
    from recordfs.filesystems._object_store.objects import ObjectInfo
    from recordfs.filesystems._object_store.opening import Location
    from recordfs.filesystems._object_store.store import ObjectStore

__all__ = ["copy_file", "rename"]


def copy_file(store: ObjectStore, source: Location, target: Location, *, overwrite: bool) -> None:
    """Copy one object; see FileSystem."""
    target_info = file_or_none(store, target)
    target_is_directory = target_info is None and prefix_exists(store, target)
    if not overwrite and (target_info is not None or target_is_directory):
        raise AlreadyExistsError("the target of a copy exists and overwrite is False", path=target.path)
    info = describe(store, source)
    if target_is_directory:
        raise IsADirectoryError("a directory stands where the copy is to go", path=target.path)
    if source[1:] != target[1:]:
        _copy(store, source, info, target, overwrite=overwrite)


def rename(store: ObjectStore, source: Location, target: Location, *, overwrite: bool) -> None:
    """Move a file, or a directory object by object; see FileSystem.

    Raises:
        AbortedError: A writer changed the file meanwhile; it is still there.
        FailedPreconditionError: Some objects of a directory could not be moved; ``failures`` names them.
    """
    _refuse_inside(store, source, target)
    target_info = file_or_none(store, target)
    target_is_directory = target_info is None and prefix_exists(store, target)
    if not overwrite and (target_info is not None or target_is_directory):
        raise AlreadyExistsError("the target of a rename exists and overwrite is False", path=target.path)
    info = file_or_none(store, source)
    if info is not None:
        if target_is_directory or target.names_directory:
            raise IsADirectoryError("a directory stands where the file is to go", path=target.path)
        if source[1:] != target[1:]:
            _copy(store, source, info, target, overwrite=overwrite)
            _delete_copied(store, source, info, target)
        return
    if not source.key or not prefix_exists(store, source):
        raise nothing_there(source.path)
    if target_info is not None:
        raise NotADirectoryError("a file stands where the directory is to go", path=target.path)
    _rename_directory(store, source, target, target_is_directory=target_is_directory)


def _delete_copied(store: ObjectStore, source: Location, info: ObjectInfo, target: Location) -> None:
    """Delete the source of a rename, unless a writer has put something else there since it was copied."""
    try:
        store.delete(source.bucket, source.key, info.tag)
    except AbortedError as error:
        raise AbortedError(
            f"the object changed while it was renamed, and is still here. {target.path} is a copy of what it was: "
            "rename again when nobody writes",
            path=source.path,
        ) from error


def _refuse_inside(store: ObjectStore, source: Location, target: Location) -> None:
    """Raise if the target of a rename lies below a source that is a directory."""
    inside = source.bucket == target.bucket and target.prefix.startswith(source.prefix)
    if inside and target.prefix != source.prefix and file_or_none(store, source) is None:
        raise InvalidArgumentError(f"the target {target.path} lies inside the source", path=source.path)


def _rename_directory(store: ObjectStore, source: Location, target: Location, *, target_is_directory: bool) -> None:
    """Move every object below a prefix."""
    if source.bucket == target.bucket and source.prefix == target.prefix:
        return
    record = move_record_key(source.bucket, source.prefix, target.prefix)
    if target_is_directory and not store.exists(target.bucket, record):
        refuse_children(target, first_objects(store, target.bucket, target.prefix, 2))
    store.put_marker(target.bucket, record, replace=True)

    def copy(info: ObjectInfo) -> None:
        key = target.prefix + info.key[len(source.prefix) :]
        if info.key.endswith("/") and not info.size:
            # Some stores do not copy markers; making one is the same.
            with contextlib.suppress(AlreadyExistsError):
                store.put_marker(target.bucket, key)
        else:
            store.copy(source.bucket, info, target.bucket, key, overwrite=True)

    # What writers have staged stays where they look for it.
    objects = list_objects(store, source.bucket, source.prefix)
    lasting = (info for info in objects if not is_temporary(info.key, source.prefix))
    failures = move_objects(store, source.bucket, lasting, copy)
    if failures.count:
        named = named_failures(source, failures.first)
        error: Any = FailedPreconditionError(
            f"{failures.count} object(s) could not be moved to {target.path} and are still here; the first is "
            f"{named[0][0]}: {named[0][1].message}",
            path=source.path,
        )
        error.failures = named
        raise error from named[0][1]
    store.delete(target.bucket, record)
    remove_folders(store, source.bucket, source.prefix)


def _copy(store: ObjectStore, source: Location, info: ObjectInfo, target: Location, *, overwrite: bool) -> None:
    """Copy one object, naming the path in what goes wrong."""
    try:
        store.copy(source.bucket, info, target.bucket, target.key, overwrite=overwrite)
    except AlreadyExistsError as error:
        raise AlreadyExistsError(error.message, path=target.path) from error
    except RecordFSError as error:
        error.path = source.path
        raise
