"""A filesystem over an object store: what a path, a file and a directory are where there are only keys.

Decided once for all stores. A path is a file if its key exists, else a directory if any key begins with ``path/``.
Where both are true the file wins, a listing shows the name once, as a file, and ``path/`` with its slash names the
directory, which a whole tree shows beside the file. An empty directory is an empty marker object ``path/``, never
listed. Parents need not exist. Keys are taken verbatim.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    IsADirectoryError,
    NotADirectoryError,
    NotFoundError,
    PermissionDeniedError,
    UnimplementedError,
)
from recordfs.filesystem import FileStatistics, FileSystem
from recordfs.filesystem_defaults.directories import undeleted_error
from recordfs.filesystems._object_store.bulk import delete_objects, named_failures, remove_folders
from recordfs.filesystems._object_store.listing import first_objects, list_objects, list_one_level
from recordfs.filesystems._object_store.lookups import (
    describe,
    file_or_none,
    missing_error,
    nothing_there,
    prefix_exists,
    refuse_children,
    state_of,
)
from recordfs.filesystems._object_store.moves import copy_file, rename
from recordfs.filesystems._object_store.objects import ObjectInfo
from recordfs.filesystems._object_store.opening import Location, Opening
from recordfs.filesystems._object_store.reader import ObjectRandomAccessFile
from recordfs.filesystems._object_store.threads import shared_pool
from recordfs.filesystems._object_store.tree import SeriesLister, TreeLister
from recordfs.filesystems._object_store.writer import open_writer
from recordfs.paths import parse_path, scheme_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from recordfs.filesystem import DirectoryEntry, RandomAccessFile, WritableFile
    from recordfs.filesystems._object_store.range_fetcher import RangeFetcher
    from recordfs.filesystems._object_store.store import ObjectStore

__all__ = ["ObjectStoreFileSystem"]

_DIRECTORY = FileStatistics(length=0, mtime_nsec=0, is_directory=True)


class ObjectStoreFileSystem(FileSystem):
    """The part of the contract that is the same over every object store.

    A backend gives ``_store`` and opens files; the directories are made here.

    Args:
        allow_bucket_root: Let ``delete_recursively`` empty a whole bucket. Buckets themselves are never made or
            deleted.
    """

    def __init__(self, *, allow_bucket_root: bool = False, **options: Any) -> None:
        super().__init__(**options)
        if allow_bucket_root not in (False, True):  # a text "false" is true to Python
            found = type(allow_bucket_root).__name__
            raise InvalidArgumentError(f"the option allow_bucket_root takes bool (true or false), found {found}")
        self._allow_bucket_root = allow_bucket_root

    @property
    def _store(self) -> ObjectStore:
        """The store's requests, with clients of this process."""
        raise NotImplementedError

    @property
    def _fetcher(self) -> RangeFetcher:
        """What fetches ranges of objects."""
        raise NotImplementedError

    def _locate(self, path: str) -> Location:
        """Return where a path points.

        Raises:
            InvalidArgumentError: It names no bucket.
        """
        parsed = parse_path(path)
        if not parsed.authority:
            raise InvalidArgumentError(f"expected {parsed.scheme}://bucket/key, found no bucket", path=path)
        return Location(path, parsed.authority, parsed.path[1:])

    def _locate_file(self, path: str) -> Location:
        """Return where a path points that has to be able to name a file."""
        location = self._locate(path)
        if location.names_directory:
            raise IsADirectoryError("a path that ends with a slash, or names only a bucket, is not a file", path=path)
        return location

    def _is_root(self, path: str) -> bool:
        """Tell whether a path is the bare scheme, whose children are the buckets."""
        parsed = parse_path(path)
        return not parsed.authority and parsed.path in ("", "/")

    # Opening

    def new_random_access_file(self, path: str) -> RandomAccessFile:
        """Open an object for reading; see FileSystem. Looks at it once, and pins the version that it finds."""
        location = self._locate_file(path)
        found = describe(self._store, location, self._fetcher.describe)
        return ObjectRandomAccessFile(path, self._fetcher, location.bucket, found)

    def new_pinned_random_access_file(self, path: str, known: FileStatistics) -> RandomAccessFile:
        """Open the version that is known, without a request."""
        if known.version is None:
            return super().new_pinned_random_access_file(path, known)
        location = self._locate_file(path)
        pinned = ObjectInfo(location.key, known.length, known.mtime_nsec, known.version, {})
        return ObjectRandomAccessFile(path, self._fetcher, location.bucket, pinned, follows_growth=False)

    def new_writable_file(self, path: str, *, exclusive: bool = False, atomic: bool = False) -> WritableFile:
        """Make or replace an object; see FileSystem. Nothing is visible before the first flush."""
        location = self._locate_file(path)
        try:
            found = state_of(self._store, location)
        except IsADirectoryError as error:
            if exclusive:
                raise AlreadyExistsError("a directory stands where a file was to be made", path=path) from error
            raise
        except PermissionDeniedError:
            self._store.say_write_only(location)
            return open_writer(self._store, Opening(location, exclusive=exclusive, atomic=atomic, is_write_only=True))
        if exclusive and found is not None:
            # From the one look that the first commit is conditional on: a second look could see what another made.
            raise AlreadyExistsError("the object exists, and exclusive was asked for", path=path)
        if exclusive:
            self._store.check_exclusive(location)
        return open_writer(self._store, Opening(location, found, exclusive=exclusive, atomic=atomic))

    def new_appendable_file(self, path: str) -> WritableFile:
        """Open an object for writing after its end; see FileSystem."""
        location = self._locate_file(path)
        return open_writer(self._store, Opening(location, state_of(self._store, location), append=True))

    # Looking

    def stat(self, path: str) -> FileStatistics:
        """Describe a file or directory; see FileSystem. Directories have no time here: ``mtime_nsec`` is 0."""
        if self._is_root(path):
            return _DIRECTORY
        location = self._locate(path)
        info = file_or_none(self._store, location)
        if info is not None:
            return info.statistics
        if prefix_exists(self._store, location):
            return _DIRECTORY
        if not location.key:
            raise NotFoundError(f"there is no bucket {location.bucket}", path=path)
        raise nothing_there(path)

    def list_directory(self, path: str) -> Iterator[DirectoryEntry]:
        """Iterate over a directory's children; see FileSystem. Below the bare scheme these are the buckets."""
        if self._is_root(path):
            from recordfs.filesystem import DirectoryEntry

            for bucket in self._store.list_buckets():
                yield DirectoryEntry(bucket, is_directory=True)
            return
        for entry in self._list_with_all_keys(path):
            if not entry.only_in_trees:
                yield entry

    def _list_with_all_keys(self, path: str) -> Iterator[DirectoryEntry]:
        """Iterate over a directory's children as ``tree_lister`` shows them."""
        location = self._locate(path)
        found = False
        try:
            for entry in list_one_level(self._store, location.bucket, location.prefix):
                found = True
                if entry is not None:
                    yield entry
        except NotFoundError as error:
            raise missing_error(self._store, location) from error
        if found:
            return
        if file_or_none(self._store, location) is not None:
            raise NotADirectoryError("a file cannot be listed", path=path)
        if location.key:
            raise nothing_there(path)
        if not self._store.bucket_exists(location.bucket):
            raise missing_error(self._store, location)

    def _list_buckets_or_keys(self, path: str) -> Iterator[DirectoryEntry]:
        return self.list_directory(path) if self._is_root(path) else self._list_with_all_keys(path)

    def tree_lister(self, top: str) -> Callable[[str], Iterable[DirectoryEntry]]:
        """Return what lists a tree flat, or its directories in parallel; see FileSystem."""
        if self._is_root(top):
            return self._list_buckets_or_keys
        location = self._locate(top)
        return TreeLister(self._store, location.bucket, location.prefix, self._prefix_of, self._list_with_all_keys)

    def series_lister(self, directories: Sequence[str]) -> Callable[[str], Iterable[DirectoryEntry]]:
        """Return what lists many directories in parallel; see FileSystem."""
        return SeriesLister(directories, self._list_buckets_or_keys)

    def files_exist(self, paths: Iterable[str]) -> list[bool]:
        """Tell for each of many paths whether it is there, asking for many at once; see FileSystem."""
        return list(shared_pool().map(self.file_exists, paths))

    def _prefix_of(self, path: str) -> tuple[str, str]:
        """Return the bucket that a path names, and what the keys below it begin with."""
        location = self._locate(path)
        return location.bucket, location.prefix

    def canonical_path(self, path: str) -> str:
        """Return what follows the scheme, which has several spellings (``s3a://`` is ``s3://``)."""
        return path[len(scheme_of(path)) + 1 :]

    # Directories

    def create_dir(self, path: str) -> None:
        """Make a marker object; see FileSystem."""
        location = self._locate(path)
        if not location.key:
            if self._store.bucket_exists(location.bucket):
                raise AlreadyExistsError("the bucket exists", path=path)
            raise UnimplementedError(
                f"{type(self).__name__} makes no buckets; make it with the store's own tools", path=path
            )
        if file_or_none(self._store, location) is not None or prefix_exists(self._store, location):
            raise AlreadyExistsError("something stands where a directory is to be made", path=path)
        self._make_marker(location)

    def _make_marker(self, location: Location) -> None:
        """Make the marker of a directory that was not there a moment ago.

        Raises:
            AlreadyExistsError: Somebody else has made it.
        """
        try:
            self._store.put_marker(location.bucket, location.prefix)
        except AlreadyExistsError as error:
            if prefix_exists(self._store, location):
                raise AlreadyExistsError(error.message, path=location.path) from error
            # SeaweedFS keeps a folder of its own where keys have been; it stands in the way, and no listing shows it.
            self._store.put_marker(location.bucket, location.prefix, replace=True)

    def recursively_create_dir(self, path: str) -> None:
        """Make a marker object unless the directory exists; those above need none. See FileSystem."""
        location = self._locate(path)
        if file_or_none(self._store, location) is not None:
            raise NotADirectoryError("a file stands where a directory is to be made", path=path)
        if prefix_exists(self._store, location):
            return
        try:
            self.create_dir(path)
        except AlreadyExistsError:
            if not prefix_exists(self._store, location):
                raise

    def delete_dir(self, path: str) -> None:
        """Delete the marker of an empty directory; see FileSystem."""
        location = self._locate(path)
        if not location.key:
            raise FailedPreconditionError("a bucket cannot be deleted through a filesystem", path=path)
        found = first_objects(self._store, location.bucket, location.prefix, 2)
        refuse_children(location, found)
        if file_or_none(self._store, location) is not None:
            raise NotADirectoryError("a file stands where a directory is to be deleted", path=path)
        if not found:
            raise NotFoundError("there is no such directory", path=path)
        self._store.delete(location.bucket, location.prefix)

    # Deleting

    def delete_file(self, path: str) -> None:
        """Delete one object; see FileSystem. It looks first: the store's delete does not tell whether there was one."""
        location = self._locate_file(path)
        describe(self._store, location)
        self._store.delete(location.bucket, location.key)

    def delete_recursively(self, path: str) -> None:
        """Delete a file, or all objects below a prefix in bulk; see FileSystem.

        Raises:
            PermissionDeniedError: The path is a bucket's root, and the option ``allow_bucket_root`` is not set.
        """
        location = self._locate(path)
        if not location.key and not self._allow_bucket_root:
            raise PermissionDeniedError(
                "this would delete everything in the bucket; pass the option allow_bucket_root=True (on the command "
                "line -o allow_bucket_root=true) to mean it",
                path=path,
            )
        if file_or_none(self._store, location) is not None:
            self._store.delete(location.bucket, location.key)
            return
        objects = list_objects(self._store, location.bucket, location.prefix)
        try:
            deleted, failures, failed = delete_objects(self._store, location.bucket, objects)
        except NotFoundError as error:
            raise missing_error(self._store, location) from error
        if failed:
            raise undeleted_error(path, named_failures(location, failures), failed, 0) from failures[0][1]
        if not deleted and (location.key or not self._store.bucket_exists(location.bucket)):
            raise nothing_there(path)
        remove_folders(self._store, location.bucket, location.prefix)

    # Copying and renaming

    def copy_file(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Copy one object on the server; see FileSystem."""
        copy_file(self._store, self._locate_file(source), self._locate_file(target), overwrite=overwrite)

    def rename_file(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Copy on the server, then delete; see FileSystem. A directory moves object by object, in parallel.

        No step of it is atomic. If something fails, what was not moved is still at the source, and nothing is in
        neither place. Of a directory the same call again moves the rest: a temporary object at the target remembers
        that this source was being moved there.

        Raises:
            AbortedError: A writer changed the file meanwhile; it is still there.
            FailedPreconditionError: Some objects of a directory could not be moved; ``failures`` names them.
        """
        rename(self._store, self._locate(source), self._locate(target), overwrite=overwrite)
