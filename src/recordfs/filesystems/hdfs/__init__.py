"""``hdfs://`` and ``viewfs://``: the Hadoop Distributed File System, without a Java machine in this process."""

from __future__ import annotations

import os
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

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
    RecordFSError,
    UnimplementedError,
)

try:
    from hdfs_native import WriteOptions
except ImportError as missing:
    raise MissingDependencyError("hdfs:// and viewfs:// need hdfs-native: pip install 'recordfs[hdfs]'") from missing

from recordfs.filesystem import Capabilities, DirectoryEntry, FileStatistics, FileSystem
from recordfs.filesystems._object_store.statistics import RequestCounter
from recordfs.filesystems.hdfs.configuration import HadoopConfiguration
from recordfs.filesystems.hdfs.errors import CutOffError, LeaseHeldError
from recordfs.filesystems.hdfs.lease import when_free
from recordfs.filesystems.hdfs.name_service import NameService
from recordfs.filesystems.hdfs.pipeline import Pipeline, abandon
from recordfs.filesystems.hdfs.reader import HdfsRandomAccessFile
from recordfs.filesystems.hdfs.settings import Settings
from recordfs.filesystems.hdfs.temporaries import remove_stale_temporaries_once, temporary_beside
from recordfs.filesystems.hdfs.truncating import truncate
from recordfs.filesystems.hdfs.writer import HdfsWritableFile
from recordfs.paths import clean_path, dirname, parse_path
from recordfs.per_process import PerProcess
from recordfs.whole_numbers import whole_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recordfs.filesystem import OperationStatistics, RandomAccessFile, WritableFile

__all__ = ["HdfsFileSystem"]

_CAPABILITIES = Capabilities(memory_region=False, versions=True, refused_characters=":")

LISTED_AT_ONCE = 1000
"""Entries that are taken at a time; the namenode's pages are as long (dfs.ls.limit)."""


class _Place(NamedTuple):
    """A path on HDFS.

    Attributes:
        name: The full path as the caller gave it.
        authority: The nameservice, or ``host:port``.
        path: The path on it.
    """

    name: str
    authority: str
    path: str


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
        self._counter = RequestCounter()
        self._configuration = PerProcess(self._load_configuration)
        self._services: PerProcess[dict[str, NameService]] = PerProcess(dict)

    def capabilities(self, path: str) -> Capabilities:
        """Return what HDFS can do; files can be cut only where WebHDFS may be used."""
        return _CAPABILITIES._replace(truncate=self._settings.webhdfs is not False)

    def describe(self) -> dict[str, str]:
        """Return configuration, namenodes in use and user, for people to read; no secrets."""
        configuration = self._configuration.get()
        services = self._services.peek() or {}
        web = [address for service in services.values() if service.webhdfs for address in service.webhdfs.addresses]
        settings = self._settings
        if configuration.get("hadoop.security.authentication") == "kerberos":
            who = f"Kerberos, {settings.kerberos_principal or 'the ticket cache'}"
        else:
            who = f"user {os.environ.get('HADOOP_USER_NAME') or 'of this process'}, not verified"
        return {
            "configuration": configuration.directory or "none: HADOOP_CONF_DIR and HADOOP_HOME are not set",
            "namenodes": ", ".join(address for service in services.values() for address in service.addresses)
            or "none yet",
            "webhdfs": "not used" if settings.webhdfs is False else ", ".join(web) or "none yet",
            "credentials": who,
        }

    def statistics(self) -> dict[str, OperationStatistics]:
        """Return what was asked of HDFS in this process, by operation; the native client's own retries are not seen."""
        return self._counter.snapshot()

    def close(self) -> None:
        """Let go of this process's connections. Idempotent; what is used afterwards opens others."""
        self._services.take()

    def flush_caches(self) -> None:
        """Forget connections and configuration."""
        self._services.take()
        self._configuration.take()

    # Reading.

    def new_random_access_file(self, path: str) -> RandomAccessFile:
        """Open a file for reading."""
        place = self._place(path)
        if self._status(place).isdir:
            raise IsADirectoryError("a directory cannot be read as a file", path=path)
        return HdfsRandomAccessFile(path, place.path, partial(self._service, place.authority))

    def stat(self, path: str) -> FileStatistics:
        """Return size, time and kind. Of a file that is open for writing the size is what the namenode knows of."""
        return _statistics(self._status(self._place(path)))

    def list_directory(self, path: str) -> Iterator[DirectoryEntry]:
        """Iterate over a directory's children, a thousand at a time."""
        place, service = self._place_and_service(path)
        listing: Any = self._ask(place, "getListing", service.native.list_status, place.path)
        first = True
        while entries := self._ask(place, "getListing", _take, listing, LISTED_AT_ONCE):
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
        place, service = self._place_and_service(path)
        if atomic:
            return self._new_atomic_file(place, service, exclusive=exclusive)
        native = self._create(place, place.path, overwrite=not exclusive)
        remake = partial(self._create, place, place.path, overwrite=True)
        return HdfsWritableFile(path, Pipeline(service, path, place.path, native, 0, remake))

    def _new_atomic_file(self, place: _Place, service: NameService, *, exclusive: bool) -> WritableFile:
        status = self._status_or_none(place)
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
                self._ask(place, "rename", service.native.rename, temporary, place.path, not exclusive)
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
        place, service = self._place_and_service(path)
        for _ in range(2):
            try:
                native: Any = when_free(
                    service, path, place.path, lambda: self._ask(place, "append", service.native.append, place.path)
                )
            except NotFoundError:
                try:
                    native = self._create(place, place.path, overwrite=False)
                except AlreadyExistsError:
                    continue  # somebody made it meanwhile
            try:
                length = self._status(place).length
            except BaseException:
                abandon(native)
                raise
            return HdfsWritableFile(path, Pipeline(service, path, place.path, native, length, None))
        raise IsADirectoryError("a directory stands where the file is to be appended to", path=path)

    def close_abandoned_file(self, path: str) -> None:
        """Close a file whose last block is being written, as ``new_appendable_file`` would take it over."""
        place, service = self._place_and_service(path)
        status = self._status(place)
        if status.isdir or not status.replication:  # an erasure-coded file shows nothing before it is closed
            return
        summary = self._ask(place, "getContentSummary", service.native.get_content_summary, place.path)
        if summary.space_consumed != status.length * status.replication:
            native: Any = when_free(
                service, path, place.path, lambda: self._ask(place, "append", service.native.append, place.path)
            )
            service.transfer("complete", path, self._settings.data_timeout, native.close)

    def _create(self, place: _Place, path: str, copies: int | None = None, *, overwrite: bool) -> Any:
        """Have the native client make a file, and return its writer."""
        options = WriteOptions(
            block_size=self._settings.block_size,
            replication=copies or self._settings.replication,
            permission=self._settings.permission,
            overwrite=overwrite,
            create_parent=False,
        )
        try:
            return self._ask(place, "create", self._service(place.authority).native.create, path, options)
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
        place, service = self._place_and_service(path)
        if self._status(place).isdir:
            raise IsADirectoryError("a directory cannot be truncated", path=path)
        when_free(service, path, place.path, partial(self._cut, place, service, length))

    def _cut(self, place: _Place, service: NameService, length: int) -> None:
        size = self._status(place).length
        if length > size:
            raise InvalidArgumentError(f"cannot truncate {size} bytes to {length}", path=place.name)
        truncate(service, place.name, place.path, length, self._settings.data_timeout)

    # Names.

    def create_dir(self, path: str) -> None:
        """Make one directory."""
        place = self._place(path)
        if self._status_or_none(place) is not None:
            raise AlreadyExistsError("a file or directory is there already", path=path)
        self._ask(place, "mkdirs", self._service(place.authority).native.mkdirs, place.path, 0o755, False)

    def delete_file(self, path: str) -> None:
        """Delete a file."""
        place = self._place(path)
        if self._status(place).isdir:
            raise IsADirectoryError("a directory cannot be deleted as a file", path=path)
        self._delete(place)

    def delete_dir(self, path: str) -> None:
        """Delete an empty directory."""
        place = self._place(path)
        if not self._status(place).isdir:
            raise NotADirectoryError("a file cannot be deleted as a directory", path=path)
        if place.path == "/":
            raise PermissionDeniedError("the root of HDFS cannot be deleted", path=path)
        self._delete(place)

    def delete_recursively(self, path: str) -> None:
        """Delete a tree in one step."""
        place = self._place(path)
        self._status(place)
        if place.path == "/":
            raise PermissionDeniedError("the root of HDFS cannot be deleted", path=path)
        self._delete(place, recursively=True)

    def _delete(self, place: _Place, *, recursively: bool = False) -> None:
        native = self._service(place.authority).native
        if not self._ask(place, "delete", native.delete, place.path, recursively):
            raise NotFoundError("there is no such file or directory", path=place.name)

    def rename_file(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Rename in one step. Another nameservice is UnimplementedError."""
        old, new = self._place(source), self._place(target)
        if old.authority != new.authority:
            raise UnimplementedError(f"{target} is on another namenode; copy it and delete this", path=source)
        standing = self._status_or_none(new)
        if standing is not None and not overwrite:
            raise AlreadyExistsError("the target exists and overwrite is False", path=target)
        moved = self._status(old)
        if old.path == new.path:
            return
        if moved.isdir and f"{new.path}/".startswith(f"{old.path}/"):
            raise InvalidArgumentError(f"a directory cannot be moved into itself ({target})", path=source)
        if standing is not None and standing.isdir and not moved.isdir:
            raise IsADirectoryError("a file cannot replace a directory", path=target)
        if standing is not None and moved.isdir and not standing.isdir:
            raise NotADirectoryError("a directory cannot replace a file", path=target)
        native = self._service(old.authority).native
        try:
            self._ask(new, "rename", native.rename, old.path, new.path, overwrite)
        except (AlreadyExistsError, DirectoryNotEmptyError, NotADirectoryError):
            raise
        except NotFoundError as error:
            self._status(old)  # which of the two is missing
            raise NotFoundError("the directory of the target is missing", path=target) from error

    def canonical_path(self, path: str) -> str:
        """Return nameservice and path on HDFS, by whatever spelling or mount they were named."""
        place = self._place(path)
        return f"hdfs://{place.authority}{place.path}"

    # Reaching HDFS.

    def _load_configuration(self) -> HadoopConfiguration:
        return HadoopConfiguration.load(self._settings.config_dir, self._settings.config)

    def _place(self, path: str) -> _Place:
        """Return where a path leads."""
        parsed = parse_path(path)
        scheme, authority = parsed.scheme, parsed.authority
        inside = clean_path(parsed.path) or "/"
        configuration = self._configuration.get()
        try:
            if not authority:
                scheme, authority = configuration.default_authority
            if scheme == "viewfs":
                authority, inside = configuration.resolve_mount(authority, inside)
        except RecordFSError as error:
            error.path = error.path or path
            raise
        return _Place(path, authority, inside)

    def _service(self, authority: str) -> NameService:
        services = self._services.get()
        service = services.get(authority)
        if service is None:
            made = NameService(authority, self._settings, self._configuration.get(), self._counter)
            service = services.setdefault(authority, made)
        return service

    def _place_and_service(self, path: str) -> tuple[_Place, NameService]:
        place = self._place(path)
        return place, self._service(place.authority)

    def _ask(self, place: _Place, operation: str, function: Any, *arguments: Any) -> Any:
        """Ask the namenode, and say more exactly what is wrong where it says only that something is missing."""
        try:
            return self._service(place.authority).ask(operation, place.name, function, *arguments)
        except NotFoundError as error:
            if self._is_below_a_file(place):
                raise NotADirectoryError("a part above it is a file", path=place.name) from error
            raise

    def _is_below_a_file(self, place: _Place) -> bool:
        """Tell whether a part above a path is a file."""
        service = self._service(place.authority)
        above = dirname(place.path)
        while above not in ("", "/"):
            try:
                status: Any = service.ask("getFileInfo", place.name, service.native.get_file_info, above)
            except NotFoundError:
                above = dirname(above)
                continue
            return not status.isdir
        return False

    def _status(self, place: _Place) -> Any:
        """Return the native client's status of a path."""
        return self._ask(place, "getFileInfo", self._service(place.authority).native.get_file_info, place.path)

    def _status_or_none(self, place: _Place) -> Any:
        """Return the native client's status of a path, or None where nothing is."""
        try:
            return self._status(place)
        except NotFoundError:
            return None


def _statistics(status: Any) -> FileStatistics:
    """Return the contract's value for the native client's."""
    modified = status.modification_time
    if status.isdir:
        return FileStatistics(0, modified * 1_000_000, True)
    return FileStatistics(status.length, modified * 1_000_000, False, f"{modified}-{status.length}")


def _take(listing: Any, count: int) -> list[Any]:
    return list(islice(listing, count))
