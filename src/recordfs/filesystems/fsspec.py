"""Any fsspec filesystem as a recordfs one: SFTP, SMB, Azure, archives, and whatever else has an fsspec implementation.

The registry comes here with every scheme that recordfs does not know and fsspec does. An instance of one's own is
registered as ``register_file_system("mystore", FsspecFileSystem(instance))``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from recordfs.errors import (
    AlreadyExistsError,
    DirectoryNotEmptyError,
    InvalidArgumentError,
    IsADirectoryError,
    NotADirectoryError,
    NotFoundError,
    PermissionDeniedError,
    RecordFSError,
    UnimplementedError,
    UnknownError,
    UnknownSchemeError,
)
from recordfs.filesystem import Capabilities, FileSystem
from recordfs.filesystem.types import LEAST_CAPABILITIES
from recordfs.filesystem_defaults.copies import stream_copy
from recordfs.filesystems._fsspec_checks import WrittenFileCheck, info_now, same_bytes
from recordfs.filesystems._fsspec_clients import FsspecClients, is_our_own_bridge, knows_protocol
from recordfs.filesystems._fsspec_errors import fsspec_errors
from recordfs.filesystems._fsspec_files import BLOCK_SIZE, FsspecRandomAccessFile, FsspecWritableFile
from recordfs.filesystems._fsspec_info import entry_of, rows_of, statistics_of
from recordfs.paths import TEMPORARY_NAME, dirname, join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recordfs.filesystem import DirectoryEntry, FileStatistics, RandomAccessFile, WritableFile

__all__ = ["FsspecFileSystem"]

# Stores of fsspec's own in which a directory is a thing of its own, as on a disk.
_EXPLICIT_DIRECTORIES = frozenset(
    {"arrow_hdfs", "file", "ftp", "hdfs", "local", "sftp", "smb", "ssh", "webhdfs", "webHDFS"}
)

# What is only read. An archive that is written is whole only when its fsspec instance is closed, and of those there is
# one a thread.
_ARCHIVES = frozenset({"libarchive", "tar", "zip"})
_READ_ONLY = _ARCHIVES | {"data", "gist", "git", "github"}


class FsspecFileSystem(FileSystem):
    """A filesystem of fsspec.

    What a store can do is not to be had from fsspec, so ``capabilities`` promises little: files appear when they are
    closed (``flush`` warns once a writer), nothing is appended to, nothing is atomic. Who knows the store better says
    so with ``capabilities``; what is promised there is then done by fsspec's ways (mode ``ab`` and ``xb``,
    ``autocommit=False``).

    Archives (``zip``, ``tar``, ``libarchive``) are only read.

    Listings are not paged. A file that is replaced while it is read is not noticed. Listing caches are off, except in
    an instance that was given. A method without a "Raises" of its own raises as FileSystem's.

    Args:
        wrapped: A protocol, or an fsspec instance. An instance is used by all threads.
        capabilities: What the store can do, in place of the cautious default.
        storage_options: What the protocol's class in fsspec takes. A URL's host, port and user need not be repeated.

    Raises:
        InvalidArgumentError: ``wrapped`` is recordfs itself, an instance has options, or an archive would be written.
        UnknownSchemeError: fsspec does not know the protocol.
        MissingDependencyError: fsspec is not installed.
    """

    def __init__(self, wrapped: Any, /, *, capabilities: Capabilities | None = None, **storage_options: Any) -> None:
        super().__init__()
        if isinstance(wrapped, str):
            if not knows_protocol(wrapped):
                raise UnknownSchemeError(f"fsspec has no filesystem for {wrapped}://")
        elif storage_options:
            raise InvalidArgumentError(
                f"an instance has its options already; found {', '.join(sorted(storage_options))}"
            )
        elif is_our_own_bridge(wrapped):
            raise InvalidArgumentError("this is recordfs seen through fsspec; use recordfs itself")
        if wrapped in _ARCHIVES and storage_options.get("mode", "r") != "r":
            raise InvalidArgumentError(
                f"a {wrapped} archive is only read here, and mode={storage_options['mode']!r} would write it; write it "
                "with Python's zipfile or tarfile, to a gfile.GFile"
            )
        self._made_of = (wrapped, capabilities, storage_options)
        self._clients = FsspecClients(wrapped, storage_options)
        if capabilities is None:
            protocols = self._clients.innermost_protocols
            capabilities = LEAST_CAPABILITIES._replace(
                write=_READ_ONLY.isdisjoint(protocols),
                directories="implicit" if _EXPLICIT_DIRECTORIES.isdisjoint(protocols) else "explicit",
            )
        self._capabilities = capabilities

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, self._made_of)

    def close(self) -> None:
        """Let go of the fsspec instances that were made here; what is open over them goes on, and calls make others."""
        self._clients.close()

    def capabilities(self, path: str) -> Capabilities:
        """Return the cautious default, or what was said at construction."""
        return self._capabilities

    def describe(self) -> dict[str, str]:
        """Return what is known: the options, or what the fsspec filesystem finds for itself."""
        names = sorted(self._made_of[2])
        found = f"from the option(s) {', '.join(names)}" if names else "what fsspec's filesystem finds for itself"
        return {"credentials": found}

    def new_random_access_file(self, path: str) -> RandomAccessFile:
        """Open a file for reading."""
        statistics = self.stat(path)
        if statistics.is_directory:
            raise IsADirectoryError("a directory cannot be read", path=path)
        return FsspecRandomAccessFile(path, self._clients, None if statistics.length < 0 else statistics.length)

    def new_writable_file(self, path: str, *, exclusive: bool = False, atomic: bool = False) -> WritableFile:
        """Make or replace a file; most stores show it when it is closed."""
        self._check_writable(path, "write files")
        if exclusive and not self._capabilities.exclusive_create:
            raise self._unimplemented("promise that a new file has one maker (exclusive=True)", path)
        if atomic and not self._capabilities.atomic_write:
            raise self._unimplemented("publish all of a file or nothing (atomic=True)", path)
        if exclusive and atomic:
            raise self._unimplemented("make a new file at once and publish it later (exclusive and atomic)", path)
        return self._open_for_writing(path, "xb" if exclusive else "wb", atomic=atomic)

    def new_appendable_file(self, path: str) -> WritableFile:
        """Open a file for writing at its end, where ``capabilities`` promise it."""
        if not self._capabilities.append:
            raise self._unimplemented("append to files", path)
        return self._open_for_writing(path, "ab", atomic=False)

    def stat(self, path: str) -> FileStatistics:
        """Return size and kind, and the time where the store's listing has it."""
        file_system, inside = self._clients.resolve(path)
        try:
            with fsspec_errors(path):
                return statistics_of(file_system.info(inside))
        except (NotFoundError, NotADirectoryError, PermissionDeniedError):  # HDFS permits nothing below a file
            self._check_parents(path)
            raise

    def list_directory(self, path: str) -> Iterator[DirectoryEntry]:
        """Iterate over the children of a directory; fsspec has them all at once."""
        file_system, inside = self._clients.resolve(path)
        try:
            with fsspec_errors(path):
                rows = rows_of(file_system.ls(inside, detail=True))
        except NotFoundError:
            if not self.stat(path).is_directory:
                raise NotADirectoryError("a file has no children", path=path) from None
            return  # what some stores say of an empty directory
        except PermissionDeniedError:
            self._check_parents(path)
            raise
        itself = inside.rstrip("/")
        # A file lists itself, under its own name or (FTP) as if it were in a directory of that.
        in_itself = f"{itself}/{itself.rpartition('/')[2]}"
        if (rows.keys() <= {itself} or rows.keys() == {in_itself}) and not self.stat(path).is_directory:
            raise NotADirectoryError("a file has no children", path=path)
        for full_name, row in rows.items():
            name = full_name.rpartition("/")[2]
            # Some servers list the directory and the one above it, too; no child has these names.
            if full_name != itself and name not in ("", ".", ".."):
                with fsspec_errors(path):
                    entry = entry_of(name, row)
                yield entry

    def create_dir(self, path: str) -> None:
        """Make one directory; nothing remains of it in a store that has none."""
        self._check_writable(path, "make directories")
        if self.file_exists(path):
            raise AlreadyExistsError("a file or directory is there already", path=path)
        self._check_parents(path, needed=True)  # some stores make what is missing, unasked
        file_system, inside = self._clients.resolve(path)
        with fsspec_errors(path):
            file_system.mkdir(inside, create_parents=self._capabilities.directories == "implicit")
        if self._capabilities.directories == "explicit" and not self._is_there(path):
            raise UnknownError("the store reports no error, and has made no directory", path=path)

    def delete_file(self, path: str) -> None:
        """Delete one file."""
        self._check_writable(path, "delete files")
        if self.stat(path).is_directory:
            raise IsADirectoryError("a directory cannot be deleted as a file", path=path)
        file_system, inside = self._clients.resolve(path)
        with fsspec_errors(path):
            file_system.rm_file(inside)
        self._expect_gone(path)

    def delete_dir(self, path: str) -> None:
        """Delete one empty directory."""
        self._check_writable(path, "delete directories")
        for _ in self.list_directory(path):
            raise DirectoryNotEmptyError("the directory is not empty", path=path)
        file_system, inside = self._clients.resolve(path)
        with fsspec_errors(path):
            file_system.rmdir(inside)
            if self._is_there(path):
                # A class without an `rmdir` inherits one that does nothing; its `rm` may take empty directories.
                file_system.rm(inside, recursive=False)
        self._expect_gone(path)

    def rename_file(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Move a file; by the store's own move if its fsspec class has one, else by a copy and a deletion."""
        self._check_writable(source, "rename files")
        statistics = self.stat(source)
        file_system, inside_source = self._clients.resolve(source)
        target_system, inside_target = self._clients.resolve(target)
        if file_system is not target_system:
            raise UnimplementedError(f"{target} is in another store; copy it and delete this", path=source)
        if statistics.is_directory and not self._capabilities.rename_directory:
            raise self._unimplemented("rename directories", source)
        if statistics.is_directory and inside_target.startswith(inside_source.rstrip("/") + "/"):
            raise InvalidArgumentError(f"a directory cannot be moved into itself ({target})", path=source)
        if self._make_way(statistics, target, same=inside_source == inside_target, overwrite=overwrite):
            return
        self._check_parents(target, needed=True)
        if statistics.is_directory or _has_own_move(file_system):
            self._move(source, target, statistics)
        else:
            self._copy_contents(source, target)
            self.delete_file(source)

    def copy_file(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Copy a file, inside the store where its fsspec class can."""
        self._check_writable(target, "write files")
        if not overwrite and self.file_exists(target):
            raise AlreadyExistsError("the target of a copy exists and overwrite is False", path=target)
        for path in (source, target):
            if (path == source or self.file_exists(path)) and self.stat(path).is_directory:
                raise IsADirectoryError("a copy takes files, and this is a directory", path=path)
        if self._clients.resolve(source) != self._clients.resolve(target):
            self._check_parents(target, needed=True)
            self._copy_contents(source, target)

    def _move(self, source: str, target: str, statistics: FileStatistics) -> None:
        """Move by the store's own way; where that has not replaced a file, put the file aside first."""
        replaces = self._is_there(target)
        refusal: RecordFSError | None = None
        try:
            self._try_move(source, target, statistics)
        except RecordFSError as error:
            refusal = error
        if self._has_moved(source, target, statistics):
            return
        if not replaces or statistics.is_directory or self._capabilities.atomic_rename:
            raise refusal or UnknownError(f"the store reports no error, and has not moved it to {target}", path=source)
        aside = join(dirname(target), f"{TEMPORARY_NAME}-{os.urandom(8).hex()}")
        self._try_move(target, aside, self.stat(target))
        try:
            self._try_move(source, target, statistics)
            if not self._has_moved(source, target, statistics):
                raise UnknownError(f"the store reports no error, and has not moved it to {target}", path=source)
        except BaseException as error:
            try:
                # An interrupt may come when the move is done: what stands at the target is then the source's.
                if self._is_there(target):
                    error.add_note(f"the file that stood at {target} before is now {aside}")
                else:
                    self._try_move(aside, target, self.stat(aside))
            except RecordFSError as second:
                error.add_note(f"the file that stood at {target} is now {aside}: {second}")
            raise
        self.delete_file(aside)

    def _try_move(self, source: str, target: str, statistics: FileStatistics) -> None:
        """Ask the store to move; what became of it is for the caller to see."""
        file_system, inside_source = self._clients.resolve(source)
        inside_target = self._clients.resolve(target)[1]
        with fsspec_errors(source):
            if _has_own_move(file_system):
                file_system.mv(inside_source, inside_target)
            else:
                file_system.mv(inside_source, inside_target, recursive=statistics.is_directory)

    def _has_moved(self, source: str, target: str, statistics: FileStatistics) -> bool:
        """Tell whether what stood at the source stands at the target now, as far as a look can tell."""
        if self._is_there(source):
            return False
        info = info_now(self._clients, target)
        if info is None or (info["type"] == "directory") != statistics.is_directory:
            return False
        size = info.get("size")
        return statistics.is_directory or size is None or statistics.length in (-1, size)

    def _is_there(self, path: str) -> bool:
        return info_now(self._clients, path) is not None

    def _expect_gone(self, path: str) -> None:
        if self._is_there(path):
            raise UnknownError("the store reports no error, and has not deleted it", path=path)

    def _copy_contents(self, source: str, target: str) -> None:
        """Copy inside the store where its class can, and by way of this process where that did not do it."""
        file_system, inside_source = self._clients.resolve(source)
        target_system, inside_target = self._clients.resolve(target)
        before = info_now(self._clients, target)
        # Stores with directories often copy through a temporary file, which stays if it cannot replace the target.
        may_replace = before is None or self._capabilities.directories == "implicit"
        if file_system is target_system and may_replace:
            try:
                with fsspec_errors(source):
                    file_system.cp_file(inside_source, inside_target)
            except UnimplementedError:
                pass
            else:
                if self._was_copied(source, target, before):
                    return
        stream_copy(self, source, self, target)

    def _was_copied(self, source: str, target: str, before: dict[str, Any] | None) -> bool:
        """Tell whether the target is a copy of the source now, and not what stood there before."""
        original, copy = info_now(self._clients, source), info_now(self._clients, target)
        if original is None or copy is None or original.get("size") != copy.get("size"):
            return False
        size = original.get("size")
        return copy != before or (isinstance(size, int) and same_bytes(self._clients, source, target, size))

    def _make_way(self, statistics: FileStatistics, target: str, *, same: bool, overwrite: bool) -> bool:
        """Check what stands at the target of a rename; True if there is nothing to do."""
        try:
            standing = self.stat(target)
        except NotFoundError:
            return False
        if not overwrite:
            raise AlreadyExistsError("the target exists and overwrite is False", path=target)
        if same:
            return True
        if standing.is_directory and not statistics.is_directory:
            raise IsADirectoryError("a file cannot replace a directory", path=target)
        if statistics.is_directory and not standing.is_directory:
            raise NotADirectoryError("a directory cannot replace a file", path=target)
        if standing.is_directory:
            self.delete_dir(target)  # fsspec would move into it
        return False

    def _open_for_writing(self, path: str, mode: str, *, atomic: bool) -> WritableFile:
        size = 0
        before = info_now(self._clients, path)
        if before is None:
            self._check_parents(path, needed=True)
        elif mode == "xb":
            raise AlreadyExistsError("a file or directory is there already", path=path)
        elif before["type"] == "directory":
            raise IsADirectoryError("a directory cannot be written as a file", path=path)
        elif mode == "ab":
            size = before.get("size") or 0
        file_system, inside = self._clients.resolve(path)
        with fsspec_errors(path):
            handle = file_system.open(inside, mode, block_size=BLOCK_SIZE, autocommit=not atomic)
        visible_on_flush = self._capabilities.flush_visibility == "flush"
        return FsspecWritableFile(
            path,
            handle,
            size=size,
            check=WrittenFileCheck(self._clients, path, before, size),
            atomic=atomic,
            visible_on_flush=visible_on_flush,
        )

    def _check_writable(self, path: str, deed: str) -> None:
        if not self._capabilities.write:
            raise self._unimplemented(deed, path)

    def _check_parents(self, path: str, *, needed: bool = False) -> None:
        """Raise NotADirectoryError if the nearest thing above a path is a file; if ``needed``, miss its directory."""
        above = dirname(path.rstrip("/"))
        while above != dirname(above):
            file_system, inside = self._clients.resolve(above)
            try:
                with fsspec_errors(above):
                    kind = file_system.info(inside)["type"]
            except NotFoundError:
                if needed and self._capabilities.directories == "explicit":
                    raise NotFoundError("its directory is missing", path=path) from None
                above = dirname(above)
                continue
            except NotADirectoryError:
                kind = "file"
            if kind != "directory":
                raise NotADirectoryError(f"{above} is a file", path=path)
            return


def _rebuild(wrapped: Any, capabilities: Capabilities | None, storage_options: dict[str, Any]) -> FsspecFileSystem:
    """Make a pickled filesystem again."""
    return FsspecFileSystem(wrapped, capabilities=capabilities, **storage_options)


def _has_own_move(file_system: Any) -> bool:
    """Tell whether ``mv`` is the store's own; fsspec's default takes names for patterns, and copies."""
    from fsspec.asyn import AsyncFileSystem
    from fsspec.spec import AbstractFileSystem

    own = type(file_system).mv
    return own is not AbstractFileSystem.mv and own is not AsyncFileSystem.mv
