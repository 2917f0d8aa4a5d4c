"""Every recordfs filesystem as an fsspec one, so that pandas, Dask, PyArrow, Zarr and universal_pathlib reach it.

``recordfs://`` in front of a full path is enough, also for a scheme of one's own: ``fsspec.open("recordfs://ram://a")``.
For libraries that take a path apart, the schemes that come with recordfs have a protocol of their own each, in which
paths hold one ``://`` only: ``recordfs+ram://a``. Installing recordfs tells fsspec of all of them, by entry points.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from recordfs.errors import (
    InvalidArgumentError,
    MissingDependencyError,
    NotFoundError,
    UnimplementedError,
)
from recordfs.filesystem_defaults.copies import stream_copy
from recordfs.paths import basename, dirname, join, scheme_of
from recordfs.registry import get_file_system

try:
    import fsspec  # noqa: F401  # asked for here, used below
    from fsspec.utils import stringify_path
except ImportError as missing:
    raise MissingDependencyError('fsspec is not installed; pip install "recordfs[fsspec]" brings it') from missing

from recordfs.interop._fsspec_files import RecordFSReader, RecordFSWriter
from recordfs.interop._fsspec_trees import WITHIN, TreeFileSystem
from recordfs.interop._fsspec_values import check_is_below, info_of, offset_and_length, spread

if TYPE_CHECKING:
    from datetime import datetime

    from typing_extensions import Buffer

    from recordfs.filesystem import FileSystem

__all__ = [
    "RecordFSFileSystem",
    "RecordFSGCSFileSystem",
    "RecordFSHdfsFileSystem",
    "RecordFSHttpFileSystem",
    "RecordFSHttpsFileSystem",
    "RecordFSRamFileSystem",
    "RecordFSS3FileSystem",
    "RecordFSSchemeFileSystem",
]

# What fsspec itself takes from the keywords that it makes an instance with.
_FSSPEC_OPTIONS = frozenset(
    {"asynchronous", "batch_size", "listings_expiry_time", "loop", "max_paths", "skip_instance_cache"}
    | {"use_listings_cache"}
)


def _directory_of(path: str) -> str:
    """Return the directory above a path; of ``ram://a``, which may be a file, that is ``ram://``."""
    above = dirname(path)
    scheme = scheme_of(path)
    return f"{scheme}://" if scheme and above == path else above


class RecordFSFileSystem(TreeFileSystem):
    """recordfs as one fsspec filesystem, whose paths are full recordfs paths (``ram://a/b``, ``/tmp/x``).

    Errors are recordfs's, which are the built-in ones that fsspec's users catch as well. There is no listing cache.
    What a store cannot do raises UnimplementedError, which is NotImplementedError too. A transaction
    (``with fs.transaction``) needs a store with atomic writes. Safe to use from many threads and after a fork.

    Args:
        auto_mkdir: Make missing parents of files that are written.
        storage_options: Options of the recordfs filesystem, as ``get_file_system(options=...)`` takes them.
    """

    protocol = "recordfs"
    root_marker = ""
    # Keeps recordfs from serving a scheme through fsspec through recordfs; see filesystems/_fsspec_clients.py.
    serves_recordfs = True

    def __init__(self, *, auto_mkdir: bool = False, **storage_options: Any) -> None:
        super().__init__(auto_mkdir=auto_mkdir, **storage_options)
        self.auto_mkdir = auto_mkdir
        self._recordfs_options = {k: v for k, v in storage_options.items() if k not in _FSSPEC_OPTIONS}

    # Paths. What fsspec calls a path is a full path without `recordfs://` and without a slash at its end.

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        text = stringify_path(path).removeprefix(f"{cls.protocol}://")
        scheme = scheme_of(text)
        start = len(scheme) + 3 if scheme else text.startswith("/")
        return text[:start] + text[start:].rstrip("/")

    @classmethod
    def _parent(cls, path: Any) -> str:
        return str(cls._strip_protocol(_directory_of(cls._strip_protocol(path))))

    def _full(self, path: str) -> str:
        """Return a path as recordfs takes it."""
        return str(self._strip_protocol(path))

    def _serving(self, path: str) -> tuple[FileSystem, str]:
        full = self._full(path)
        return get_file_system(full, options=self._recordfs_options or None), full

    # Looking.

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return name, size, type ("file" or "directory") and, where the store keeps it, mtime in seconds."""
        file_system, full = self._serving(path)
        return info_of(self._strip_protocol(path), file_system.stat(full))

    def exists(self, path: str, **_: Any) -> bool:
        """Tell whether a path is there; a store that cannot be asked raises."""
        file_system, full = self._serving(path)
        return file_system.file_exists(full)

    def modified(self, path: str) -> datetime:
        """Return the time of the last modification, in UTC.

        Raises:
            UnimplementedError: The store keeps no such times, or none of directories.
            FileNotFoundError: Nothing stands at the path.
        """
        from datetime import UTC, datetime

        file_system, full = self._serving(path)
        statistics = file_system.stat(full)
        if not file_system.capabilities(full).modification_time or (
            statistics.is_directory and not statistics.mtime_nsec
        ):
            what = "directories" if statistics.is_directory else "files"
            raise UnimplementedError(f"this store keeps no times of modification of {what}", path=full)
        return datetime.fromtimestamp(statistics.mtime_nsec / 1e9, UTC)

    # Changing.

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Make a directory; FileExistsError if it is there."""
        file_system, full = self._serving(path)
        above = _directory_of(full)
        if create_parents and not above.endswith("://"):  # above a bucket nothing can be made
            file_system.recursively_create_dir(above)
        file_system.create_dir(full)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Make a directory and its missing parents."""
        file_system, full = self._serving(path)
        if exist_ok:
            file_system.recursively_create_dir(full)
        else:
            self.mkdir(path)

    def touch(self, path: str, truncate: bool = True, **_: Any) -> None:
        """Make an empty file; of one that is there cut off everything, or, without ``truncate``, refuse.

        Raises:
            UnimplementedError: The file is there, and only its time of modification was to change.
        """
        if truncate:
            self.open(path, "wb").close()
            return
        file_system, full = self._serving(path)
        if not file_system.file_exists(full):
            with contextlib.suppress(FileExistsError):  # another maker was faster
                exclusive = file_system.capabilities(full).exclusive_create
                self.open(path, "xb" if exclusive else "wb").close()
                return
        raise UnimplementedError(
            "a file's time of modification cannot be set, and touch(truncate=False) would change nothing else",
            path=full,
        )

    def rmdir(self, path: str) -> None:
        """Delete an empty directory."""
        file_system, full = self._serving(path)
        file_system.delete_dir(full)

    def rm_file(self, path: str) -> None:
        """Delete a file."""
        file_system, full = self._serving(path)
        file_system.delete_file(full)

    _rm = rm_file

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Delete files, or trees if ``recursive``; a name that is there counts as it stands, else as a pattern."""
        for each in path if isinstance(path, list) else [path]:
            matches = [each] if self.exists(each) else self.expand_path(each, maxdepth=maxdepth)
            for match in matches:
                file_system, full = self._serving(match)
                if recursive and maxdepth is None:
                    file_system.delete_recursively(full)
                elif file_system.is_directory(full):
                    self._rm_directory(match, recursive=recursive, maxdepth=maxdepth)
                else:
                    file_system.delete_file(full)

    def _rm_directory(self, path: str, *, recursive: bool, maxdepth: int | None) -> None:
        if not recursive:
            raise InvalidArgumentError("this is a directory; delete it with recursive=True", path=self._full(path))
        for each in reversed(self.expand_path(path, recursive=True, maxdepth=maxdepth)):
            if self.isdir(each):
                self.rmdir(each)
            else:
                self.rm_file(each)

    def cp_file(self, path1: str, path2: str, **keywords: Any) -> None:
        """Copy a file, also from one store to another; of a directory only the directory itself."""
        source_system, source = self._serving(path1)
        target_system, target = self._serving(path2)
        if WITHIN in keywords and not target_system.capabilities(target).verbatim_names:
            check_is_below(target, self._full(keywords[WITHIN]), source)
        if source_system.is_directory(source):
            target_system.recursively_create_dir(target)
            return
        self._make_parents(target_system, target)
        if source_system is target_system:
            source_system.copy_file(source, target)
        else:
            stream_copy(source_system, source, target_system, target)

    def mv(self, path1: str, path2: str, recursive: bool = False, maxdepth: int | None = None, **keywords: Any) -> None:
        """Move; a file to a free or taken name of its own store is renamed in one step where the store can."""
        source_system, source = self._serving(path1)
        target_system, target = self._serving(path2)
        is_tree = source_system.is_directory(source)
        is_file = not is_tree and source_system.file_exists(source)
        if source_system is target_system and is_file and not target_system.is_directory(target):
            self._make_parents(target_system, target)
            source_system.rename_file(source, target)
        elif is_tree and recursive and maxdepth is None and path1 != path2:
            self._move_tree(path1, path2)
        else:
            super().mv(path1, path2, recursive=recursive, maxdepth=maxdepth, **keywords)

    def _move_tree(self, path1: str, path2: str) -> None:
        """Move a directory: by a rename to a free name where the store can, else by copying all that is seen.

        Only what was seen, and so copied, is deleted then.
        """
        file_system, source = self._serving(path1)
        target_system, target = self._serving(path2)
        if self.isdir(path2) and not path1.endswith("/"):
            target = join(target, basename(source))
        can_rename = file_system is target_system and file_system.capabilities(target).rename_directory
        if can_rename and not file_system.file_exists(target):
            self._make_parents(file_system, target)
            file_system.rename_file(source, target)
            return
        seen = self.expand_path(path1, recursive=True)
        self.copy(path1, path2, recursive=True, on_error="raise")
        for each in reversed(seen):
            with contextlib.suppress(NotFoundError):  # an implicit directory went with the last file in it
                try:
                    self.rm_file(each)
                except IsADirectoryError:
                    self.rmdir(each)

    def _make_parents(self, file_system: FileSystem, path: str) -> None:
        if self.auto_mkdir and file_system.capabilities(path).directories == "explicit":
            file_system.recursively_create_dir(_directory_of(path))

    # Contents.

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: dict[str, Any] | None = None,
        **keywords: Any,
    ) -> RecordFSReader | RecordFSWriter:
        file_system, full = self._serving(path)
        if mode == "rb":
            reader = file_system.new_random_access_file(full)
            return RecordFSReader(
                self, path, reader, block_size=block_size or "default", cache_options=cache_options, **keywords
            )
        if mode not in ("wb", "xb", "ab"):
            raise UnimplementedError(f"files are opened to be read, written or appended to, not {mode!r}", path=full)
        self._make_parents(file_system, full)
        if mode == "ab":
            if not autocommit:
                raise UnimplementedError("what is appended cannot be part of a transaction", path=full)
            writer = file_system.new_appendable_file(full)
        else:
            writer = file_system.new_writable_file(full, exclusive=mode == "xb", atomic=not autocommit)
        shows_on_flush = file_system.capabilities(full).flush_visibility == "flush"
        return RecordFSWriter(writer, mode, autocommit=autocommit, shows_on_flush=shows_on_flush)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """Return a file's bytes, or those of a range; negative limits count from the end."""
        file_system, full = self._serving(path)
        with file_system.new_random_access_file(full) as file:
            return file.read(*offset_and_length(start, end, file))

    def cat_ranges(
        self, paths: Any, starts: Any, ends: Any, max_gap: int | None = None, on_error: str = "return", **_: Any
    ) -> list[Any]:
        """Return many ranges of many files; each file is opened once, and its neighbouring ranges are merged."""
        paths = list(paths)
        starts, ends = spread(starts, len(paths)), spread(ends, len(paths))
        results: list[Any] = [b""] * len(paths)
        for path in dict.fromkeys(paths):
            members = [index for index, each in enumerate(paths) if each == path]
            file_system, full = self._serving(path)
            try:
                with file_system.new_random_access_file(full) as file:
                    ranges = [offset_and_length(starts[index], ends[index], file) for index in members]
                    found = file.read_ranges(ranges, max_gap=65536 if max_gap is None else max_gap)
            except Exception as error:
                if on_error == "raise":
                    raise
                for index in members:
                    results[index] = error
            else:
                for index, data in zip(members, found, strict=True):
                    results[index] = data
        return results

    def pipe_file(self, path: str, value: Buffer, mode: str = "overwrite", **_: Any) -> None:
        """Write a whole file, which appears whole or not at all where the store can do that."""
        file_system, full = self._serving(path)
        self._make_parents(file_system, full)
        atomic = file_system.capabilities(full).atomic_write
        with file_system.new_writable_file(full, exclusive=mode == "create", atomic=atomic) as file:
            file.append(value)


class RecordFSSchemeFileSystem(RecordFSFileSystem):
    """One scheme of recordfs as a protocol of its own; paths are what follows ``://``.

    For a scheme of one's own, two lines and an entry point (group ``fsspec.specs``) or ``register_implementation``::

        class FoobarFileSystem(RecordFSSchemeFileSystem):
            protocol, scheme = "recordfs+foobar", "foobar"
    """

    scheme = ""

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        return stringify_path(path).removeprefix(f"{cls.protocol}://").removeprefix(f"{cls.scheme}://").rstrip("/")

    @classmethod
    def _parent(cls, path: Any) -> str:
        return str(cls._strip_protocol(path)).rpartition("/")[0]

    def _full(self, path: str) -> str:
        return f"{self.scheme}://{self._strip_protocol(path)}"


class RecordFSRamFileSystem(RecordFSSchemeFileSystem):
    """``recordfs+ram://``."""

    protocol, scheme = "recordfs+ram", "ram"


class RecordFSHttpFileSystem(RecordFSSchemeFileSystem):
    """``recordfs+http://``."""

    protocol, scheme = "recordfs+http", "http"


class RecordFSHttpsFileSystem(RecordFSSchemeFileSystem):
    """``recordfs+https://``."""

    protocol, scheme = "recordfs+https", "https"


class RecordFSS3FileSystem(RecordFSSchemeFileSystem):
    """``recordfs+s3://``."""

    protocol, scheme = "recordfs+s3", "s3"


class RecordFSGCSFileSystem(RecordFSSchemeFileSystem):
    """``recordfs+gs://``."""

    protocol, scheme = "recordfs+gs", "gs"


class RecordFSHdfsFileSystem(RecordFSSchemeFileSystem):
    """``recordfs+hdfs://``."""

    protocol, scheme = "recordfs+hdfs", "hdfs"
