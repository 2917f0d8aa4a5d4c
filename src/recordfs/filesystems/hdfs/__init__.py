"""``hdfs://`` and ``viewfs://``: the Hadoop Distributed File System, without a Java machine in this process."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from recordfs.errors import (
    AlreadyExistsError,
    DeadlineExceededError,
    DirectoryNotEmptyError,
    InvalidArgumentError,
    IsADirectoryError,
    MissingDependencyError,
    NotADirectoryError,
    NotFoundError,
    PermissionDeniedError,
    UnimplementedError,
)

try:
    from hdfs_native import WriteOptions
except ImportError as missing:
    raise MissingDependencyError("hdfs:// and viewfs:// need hdfs-native: pip install 'recordfs[hdfs]'") from missing

from recordfs.filesystem import Capabilities, DirectoryEntry, FileStatistics, FileSystem
from recordfs.filesystems.hdfs.cluster import Cluster
from recordfs.filesystems.hdfs.errors import CutOffError, LeaseHeldError
from recordfs.filesystems.hdfs.lease import when_free
from recordfs.filesystems.hdfs.pipeline import Pipeline, abandon
from recordfs.filesystems.hdfs.reader import HdfsRandomAccessFile
from recordfs.filesystems.hdfs.settings import Settings
from recordfs.filesystems.hdfs.temporaries import remove_stale_temporaries_once, temporary_beside
from recordfs.filesystems.hdfs.truncation import truncate
from recordfs.filesystems.hdfs.writer import HdfsWritableFile
from recordfs.paths import dirname
from recordfs.whole_numbers import whole_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recordfs.filesystem import OperationStatistics, RandomAccessFile, WritableFile
    from recordfs.filesystems.hdfs.cluster import Place
    from recordfs.filesystems.hdfs.name_service import NameService

__all__ = ["HdfsFileSystem"]

_CAPABILITIES = Capabilities(memory_region=False, versions=True, refused_characters=":")

LISTED_AT_ONCE = 1000
"""Entries that are taken at a time; the namenode's pages are as long (dfs.ls.limit)."""


class HdfsFileSystem(FileSystem):
    """Files on HDFS, through hdfs-native, and through WebHDFS what that lacks.

    ``hdfs://namenode:port/path``, ``hdfs://nameservice/path`` and ``hdfs:///path`` (that of ``fs.defaultFS``);
    ``viewfs://table/path`` goes to where the mount table leads. The user is that of ``HADOOP_USER_NAME``, else the
    process's, or Kerberos' principal. Connections are made per process, when they are first needed.

    Args:
        settings: As the attributes of Settings, by name.
    """

    def __init__(self, **settings: Any) -> None:
        unknown = set(settings) - set(Settings._fields)
        super().__init__(**{name: settings[name] for name in unknown})
        self._settings = Settings(**settings).checked()
        self._cluster = Cluster(self._settings)

    def capabilities(self, path: str) -> Capabilities:
        """Return what HDFS can do; files can be cut only where WebHDFS may be used."""
        return _CAPABILITIES._replace(truncate=self._settings.webhdfs is not False)

    def describe(self) -> dict[str, str]:
        """Return configuration, namenodes in use and user, for people to read; no secrets."""
        return self._cluster.describe()

    def statistics(self) -> dict[str, OperationStatistics]:
        """Return what was asked of HDFS in this process, by operation; the native client's own retries are not seen."""
        return self._cluster.counter.snapshot()

    def close(self) -> None:
        """Let go of this process's connections. Idempotent; what is used afterwards opens others."""
        self._cluster.close()

    def flush_caches(self) -> None:
        """Forget connections and configuration."""
        self._cluster.forget()

    # Reading.

    def new_random_access_file(self, path: str) -> RandomAccessFile:
        """Open a file for reading."""
        place = self._cluster.place(path)
        if self._cluster.status(place).isdir:
            raise IsADirectoryError("a directory cannot be read as a file", path=path)
        return HdfsRandomAccessFile(path, place.path, partial(self._cluster.service, place.authority))

    def stat(self, path: str) -> FileStatistics:
        """Return size, time and kind. Of a file that is open for writing the size is what the namenode knows of."""
        return _statistics(self._cluster.status(self._cluster.place(path)))

    def list_directory(self, path: str) -> Iterator[DirectoryEntry]:
        """Iterate over a directory's children, a thousand at a time."""
        place, service = self._cluster.place_and_service(path)
        listing: Any = self._cluster.ask(place, "getListing", service.native.list_status, place.path)
        first = True
        while entries := self._cluster.ask(place, "getListing", _take, listing, LISTED_AT_ONCE):
            if first and entries[0].path.rstrip("/") == place.path.rstrip("/"):
                raise NotADirectoryError("a file stands where a directory was to be listed", path=path)
            first = False
            for entry in entries:
                found = _statistics(entry)
                yield DirectoryEntry(
                    entry.path.rpartition("/")[2], found.is_directory, found.length, found.mtime_nsec,
                    version=found.version,
                )  # fmt: skip

    # Writing.

    def new_writable_file(self, path: str, *, exclusive: bool = False, atomic: bool = False) -> WritableFile:
        """Make or replace a file at once, or, if ``atomic``, write beside it under a temporary name.

        A writer that has the old file open gets LeaseLostError at its next flush.
        """
        place, service = self._cluster.place_and_service(path)
        if atomic:
            return self._new_atomic_file(place, service, exclusive=exclusive)
        native = self._create(place, place.path, overwrite=not exclusive)
        remake = partial(self._create, place, place.path, overwrite=True)
        return HdfsWritableFile(path, Pipeline(service, path, place.path, native, 0, remake))

    def _new_atomic_file(self, place: Place, service: NameService, *, exclusive: bool) -> WritableFile:
        status = self._cluster.status_or_none(place)
        if status is not None and exclusive:
            raise AlreadyExistsError("a file or directory is there already", path=place.name)
        if status is not None and status.isdir:
            raise IsADirectoryError("a directory stands where the file is to be written", path=place.name)
        remove_stale_temporaries_once(service, place.name, dirname(place.path))
        temporary = temporary_beside(place.path)
        native = self._create(place, temporary, overwrite=False)
        pipeline = Pipeline(
            service, place.name, temporary, native, 0, partial(self._create, place, temporary, overwrite=True)
        )
        hidden = place._replace(path=temporary)

        in_doubt = False

        def publish() -> None:
            nonlocal in_doubt
            try:
                self._cluster.ask(place, "rename", service.native.rename, temporary, place.path, not exclusive)
            except (DeadlineExceededError, CutOffError):
                in_doubt = True
                raise
            except NotFoundError:
                # Nobody else knows the temporary name: if it is gone, the rename that was given up has been made.
                if not in_doubt:
                    raise

        return HdfsWritableFile(place.name, pipeline, publish, partial(self._delete, hidden))

    def new_appendable_file(self, path: str) -> WritableFile:
        """Open a file for writing after its end; make it if it is missing.

        One that a dead writer left open is taken over once its lease is due, or at once with the option ``take_over``.
        """
        place, service = self._cluster.place_and_service(path)
        for _ in range(2):
            try:
                native: Any = when_free(
                    service,
                    path,
                    place.path,
                    lambda: self._cluster.ask(place, "append", service.native.append, place.path),
                )
            except NotFoundError:
                try:
                    native = self._create(place, place.path, overwrite=False)
                except AlreadyExistsError:
                    continue  # somebody made it meanwhile
            try:
                length = self._cluster.status(place).length
            except BaseException:
                abandon(native)
                raise
            return HdfsWritableFile(path, Pipeline(service, path, place.path, native, length, None))
        raise IsADirectoryError("a directory stands where the file is to be appended to", path=path)

    def close_abandoned_file(self, path: str) -> None:
        """Close a file whose last block is being written, as ``new_appendable_file`` would take it over."""
        place, service = self._cluster.place_and_service(path)
        status = self._cluster.status(place)
        if status.isdir or not status.replication:  # an erasure-coded file shows nothing before it is closed
            return
        summary = self._cluster.ask(place, "getContentSummary", service.native.get_content_summary, place.path)
        if summary.space_consumed != status.length * status.replication:
            native: Any = when_free(
                service, path, place.path, lambda: self._cluster.ask(place, "append", service.native.append, place.path)
            )
            service.transfer("complete", path, self._settings.data_timeout, native.close)

    def _create(self, place: Place, path: str, copies: int | None = None, *, overwrite: bool) -> Any:
        """Have the native client make a file, and return its writer."""
        options = WriteOptions(
            block_size=self._settings.block_size,
            replication=copies or self._settings.replication,
            permission=self._settings.permission,
            overwrite=overwrite,
            create_parent=False,
        )
        try:
            return self._cluster.ask(
                place, "create", self._cluster.service(place.authority).native.create, path, options
            )
        except (LeaseHeldError, IsADirectoryError) as error:
            if overwrite:
                raise
            raise AlreadyExistsError(
                f"a file or directory is there already: {error.message}", path=place.name
            ) from None

    def truncate_file(self, path: str, length: int) -> None:
        """Cut a file down to its first ``length`` bytes, through WebHDFS.

        One that a dead writer left open is closed first, as ``new_appendable_file`` does it.
        """
        length = whole_number(length, "a length", path=path)
        place, service = self._cluster.place_and_service(path)
        if self._cluster.status(place).isdir:
            raise IsADirectoryError("a directory cannot be truncated", path=path)
        when_free(service, path, place.path, partial(self._cut, place, service, length))

    def _cut(self, place: Place, service: NameService, length: int) -> None:
        size = self._cluster.status(place).length
        if length > size:
            raise InvalidArgumentError(f"cannot truncate {size} bytes to {length}", path=place.name)
        truncate(service, place.name, place.path, length, self._settings.data_timeout)

    # Names.

    def create_dir(self, path: str) -> None:
        """Make one directory."""
        place = self._cluster.place(path)
        if self._cluster.status_or_none(place) is not None:
            raise AlreadyExistsError("a file or directory is there already", path=path)
        self._cluster.ask(
            place, "mkdirs", self._cluster.service(place.authority).native.mkdirs, place.path, 0o755, False
        )

    def delete_file(self, path: str) -> None:
        """Delete a file."""
        place = self._cluster.place(path)
        if self._cluster.status(place).isdir:
            raise IsADirectoryError("a directory cannot be deleted as a file", path=path)
        self._delete(place)

    def delete_dir(self, path: str) -> None:
        """Delete an empty directory."""
        place = self._cluster.place(path)
        if not self._cluster.status(place).isdir:
            raise NotADirectoryError("a file cannot be deleted as a directory", path=path)
        if place.path == "/":
            raise PermissionDeniedError("the root of HDFS cannot be deleted", path=path)
        self._delete(place)

    def delete_recursively(self, path: str) -> None:
        """Delete a tree in one step."""
        place = self._cluster.place(path)
        self._cluster.status(place)
        if place.path == "/":
            raise PermissionDeniedError("the root of HDFS cannot be deleted", path=path)
        self._delete(place, recursively=True)

    def _delete(self, place: Place, *, recursively: bool = False) -> None:
        native = self._cluster.service(place.authority).native
        if not self._cluster.ask(place, "delete", native.delete, place.path, recursively):
            raise NotFoundError("there is no such file or directory", path=place.name)

    def rename_file(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Rename in one step. Another nameservice is UnimplementedError."""
        old, new = self._cluster.place(source), self._cluster.place(target)
        if old.authority != new.authority:
            raise UnimplementedError(f"{target} is on another namenode; copy it and delete this", path=source)
        standing = self._cluster.status_or_none(new)
        if standing is not None and not overwrite:
            raise AlreadyExistsError("the target exists and overwrite is False", path=target)
        moved = self._cluster.status(old)
        if old.path == new.path:
            return
        if moved.isdir and f"{new.path}/".startswith(f"{old.path}/"):
            raise InvalidArgumentError(f"a directory cannot be moved into itself ({target})", path=source)
        if standing is not None and standing.isdir and not moved.isdir:
            raise IsADirectoryError("a file cannot replace a directory", path=target)
        if standing is not None and moved.isdir and not standing.isdir:
            raise NotADirectoryError("a directory cannot replace a file", path=target)
        native = self._cluster.service(old.authority).native
        try:
            self._cluster.ask(new, "rename", native.rename, old.path, new.path, overwrite)
        except (AlreadyExistsError, DirectoryNotEmptyError, NotADirectoryError):
            raise
        except NotFoundError as error:
            self._cluster.status(old)  # which of the two is missing
            raise NotFoundError("the directory of the target is missing", path=target) from error

    def canonical_path(self, path: str) -> str:
        """Return nameservice and path on HDFS, by whatever spelling or mount they were named."""
        place = self._cluster.place(path)
        return f"hdfs://{place.authority}{place.path}"


def _statistics(status: Any) -> FileStatistics:
    """Return the contract's value for the native client's."""
    modified = status.modification_time
    if status.isdir:
        return FileStatistics(0, modified * 1_000_000, True)
    return FileStatistics(status.length, modified * 1_000_000, False, f"{modified}-{status.length}")


def _take(listing: Any, count: int) -> list[Any]:
    return list(islice(listing, count))
