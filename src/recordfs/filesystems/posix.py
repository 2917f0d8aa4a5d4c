"""The local filesystem: plain paths and ``file://``.

Paths are cleaned by text alone before the operating system sees them (``a/../b`` is ``b`` whether or not ``a`` exists,
a trailing slash is dropped), as TensorFlow cleans them. ``file://host/p`` and ``/p`` are the same file: the host is
ignored.
"""

from __future__ import annotations

import contextlib
import errno
import operator
import os
import stat
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING

from recordfs._core import Descriptor
from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    DirectoryNotEmptyError,
    FailedPreconditionError,
    InvalidArgumentError,
    IsADirectoryError,
    NotFoundError,
    RecordFSError,
    UnimplementedError,
)
from recordfs.filesystem import Capabilities, DirectoryEntry, FileStatistics, FileSystem
from recordfs.filesystem_defaults.copies import check_not_cut_short
from recordfs.filesystem_defaults.directories import check_not_local_root
from recordfs.filesystem_defaults.opening import check_unchanged
from recordfs.filesystems._posix_files import AtomicPosixFile, PosixRandomAccessFile, PosixWritableFile
from recordfs.filesystems._posix_names import (
    make_temporary,
    move_without_overwriting,
    posix_error,
    real_path,
    remove_temporary,
    replace_placeholder,
    temporary_beside,
    version_of,
)
from recordfs.filesystems._posix_trees import delete_tree
from recordfs.filesystems._posix_update import PosixUpdateFile
from recordfs.paths import clean_path, parse_path
from recordfs.whole_numbers import whole_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recordfs._core import ReadOnlyMemoryRegion
    from recordfs.filesystem import RandomAccessFile, UpdateFile, WritableFile

__all__ = ["PosixFileSystem"]

_CAPABILITIES = Capabilities(server_side_copy=True, update_in_place=True, versions=True)

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC

# Why copy_file_range may refuse two files between which an ordinary copy works.
_NO_COPY_FILE_RANGE = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM})

_COPY_CHUNK = 1 << 20

# Entries of a directory that are looked at together.
_LISTED_AT_ONCE = 1000

_NAME_OF = operator.attrgetter("name")


class PosixFileSystem(FileSystem):
    """Files of the operating system. Takes no options, keeps no state, and may be used from any thread and process.

    New files and directories get the permissions 0666 and 0777 less the process's umask.
    """

    def capabilities(self, path: str) -> Capabilities:
        """Return that everything can be done."""
        return _CAPABILITIES

    def describe(self) -> dict[str, str]:
        """Return which user the process is."""
        return {"credentials": f"the process's user (uid {os.geteuid()})"}

    def new_random_access_file(self, path: str) -> RandomAccessFile:
        """Open a file for reading with ``pread``; a pipe raises UnimplementedError."""
        return PosixRandomAccessFile(path, _local(path))

    def new_pinned_random_access_file(self, path: str, known: FileStatistics) -> RandomAccessFile:
        """Open a file and compare the one that is open, so that no other can come in between."""
        try:
            file = PosixRandomAccessFile(path, _local(path))
        except NotFoundError as error:
            raise AbortedError("the file was deleted before it was read", path=path) from error
        try:
            check_unchanged(path, known, file.statistics())
        except BaseException:
            file.close()
            raise
        return file

    def new_writable_file(self, path: str, *, exclusive: bool = False, atomic: bool = False) -> WritableFile:
        """Make or empty a file at once, or, if ``atomic``, write beside it under a temporary name."""
        local = _local(path)
        if atomic:
            return AtomicPosixFile(path, local, exclusive=exclusive)
        return _open_writer(path, local, _CREATE | (os.O_EXCL if exclusive else os.O_TRUNC))

    def new_appendable_file(self, path: str) -> WritableFile:
        """Open a file for writing at its end; make it if it is missing."""
        return _open_writer(path, _local(path), _CREATE)

    def new_update_file(self, path: str) -> UpdateFile:
        """Open an existing file for reading and writing with ``pread`` and ``pwrite``."""
        return PosixUpdateFile(path, _local(path))

    def new_read_only_memory_region_from_file(self, path: str) -> ReadOnlyMemoryRegion:
        """Map a file into memory."""
        from recordfs._core import ReadOnlyMemoryRegion  # the native module is loaded when first needed

        with PosixRandomAccessFile(path, _local(path)) as file:
            try:
                return ReadOnlyMemoryRegion.map_file(file.fileno())
            except OSError as error:
                if error.errno == errno.ENODEV:
                    raise UnimplementedError("what is not a regular file cannot be mapped", path=path) from error
                raise posix_error(error, path) from error

    def stat(self, path: str) -> FileStatistics:
        """Return size, time and kind, following symbolic links."""
        try:
            status = os.stat(_local(path))
        except OSError as error:
            raise posix_error(error, path) from error
        if stat.S_ISDIR(status.st_mode):
            return FileStatistics(0, status.st_mtime_ns, True)
        # Of a block device the system says 0 here, and only its size at opening is true.
        size = -1 if stat.S_ISBLK(status.st_mode) else status.st_size
        return FileStatistics(size, status.st_mtime_ns, False, version_of(status))

    def canonical_path(self, path: str) -> str:
        """Return the absolute local path without symbolic links."""
        return real_path(_local(path), path)

    def list_directory(self, path: str) -> Iterator[DirectoryEntry]:
        """Iterate over a directory's children; sizes and times would cost a system call each and are left out."""
        return chain.from_iterable(_listed(path))

    def create_dir(self, path: str) -> None:
        """Make one directory."""
        try:
            os.mkdir(_local(path))
        except OSError as error:
            raise posix_error(error, path) from error

    def delete_file(self, path: str) -> None:
        """Unlink a file or a symbolic link."""
        local = _local(path)
        try:
            os.unlink(local)
        except OSError as error:
            if error.errno == errno.EPERM and _is_real_directory(local):  # what POSIX says where Linux says EISDIR
                raise IsADirectoryError("a directory cannot be deleted as a file", path=path) from error
            raise posix_error(error, path) from error

    def delete_dir(self, path: str) -> None:
        """Remove an empty directory."""
        try:
            os.rmdir(_local(path))
        except OSError as error:
            if error.errno == errno.EEXIST:  # POSIX allows it in place of ENOTEMPTY
                raise DirectoryNotEmptyError("the directory is not empty", path=path) from error
            raise posix_error(error, path) from error

    def delete_recursively(self, path: str) -> None:
        """Delete a tree, or a file; of a symbolic link only the link itself, also if somebody makes one meanwhile.

        The root of all local files is FailedPreconditionError, as ``rm -r`` has it.
        """
        check_not_local_root(path)
        local = _local(path)
        if not _is_real_directory(local):
            self.delete_file(path)
            return
        try:
            delete_tree(path, local)
        except OSError as error:
            if isinstance(error, RecordFSError):
                raise
            raise posix_error(error, path) from error

    def rename_file(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Rename in one step; between two names (hard links) of one file the system does nothing.

        A symbolic link is renamed itself. Another device is UnimplementedError.
        """
        local_source, local_target = _local(source), _local(target)
        try:
            if overwrite:
                os.rename(local_source, local_target)
            else:
                _rename_without_overwriting(local_source, local_target)
        except OSError as error:
            if error.errno == errno.EEXIST:
                if overwrite:  # POSIX allows it in place of ENOTEMPTY
                    raise DirectoryNotEmptyError("the target is a directory with children", path=target) from error
                raise AlreadyExistsError("the target exists and overwrite is False", path=target) from error
            if error.errno == errno.EINVAL:
                raise InvalidArgumentError(
                    f"a directory cannot be moved into itself ({target})", path=source
                ) from error
            if error.errno == errno.EXDEV:
                raise UnimplementedError(
                    f"{target} is on another device; copy it and delete this", path=source
                ) from error
            at_target = error.errno in (errno.EISDIR, errno.ENOTEMPTY) or os.path.lexists(local_source)
            raise posix_error(error, target if at_target else source) from error

    def truncate_file(self, path: str, length: int) -> None:
        """Cut a file down to its first ``length`` bytes."""
        length = whole_number(length, "a length", path=path)
        try:
            # Without O_NONBLOCK, opening a pipe that nobody reads would wait for ever.
            flags = os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK
            with Descriptor.open(_local(path), flags) as descriptor:
                size = os.fstat(descriptor.number).st_size
                if length > size:
                    raise InvalidArgumentError(f"cannot truncate {size} bytes to {length}", path=path)
                os.ftruncate(descriptor.number, length)
        except OSError as error:
            raise posix_error(error, path) from error

    def copy_file(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Copy inside the kernel where it can; the target appears whole, and is not made durable.

        A new target gets the source's permission bits less the umask, an old one keeps its own. A link at the target
        stays, and what it points to is replaced.
        """
        local_target = _local(target)
        if not overwrite and os.path.lexists(local_target):
            raise AlreadyExistsError("the target of a copy exists and overwrite is False", path=target)
        try:
            reader = Descriptor.open(_local(source), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise posix_error(error, source) from error
        try:
            _copy_open_file(reader.number, source, local_target, target, overwrite=overwrite)
        finally:
            with contextlib.suppress(OSError):  # what was only read loses nothing
                reader.close()


def _local(path: str) -> str:
    """Return a path as the operating system takes it."""
    if "://" in path:
        return clean_path(parse_path(path).path)
    return clean_path(path)


def _is_real_directory(local: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(local).st_mode)
    except OSError:
        return False


def _listed(path: str) -> Iterator[Iterator[DirectoryEntry]]:
    """Iterate over a directory's children, many at once; what may fail is done before they are handed out."""
    try:
        with os.scandir(_local(path)) as entries:
            while chunk := list(islice(entries, _LISTED_AT_ONCE)):
                yield _directory_entries(chunk)
    except OSError as error:
        raise posix_error(error, path) from error


def _directory_entries(chunk: list[os.DirEntry[str]]) -> Iterator[DirectoryEntry]:
    """Return the contract's entries, by loops that run in C: a walk takes half as long again with Python's."""
    links = list(map(os.DirEntry.is_symlink, chunk))
    if True in links:
        kinds = [
            _leads_to_directory(entry) if link else entry.is_dir() for entry, link in zip(chunk, links, strict=True)
        ]
    else:
        kinds = list(map(os.DirEntry.is_dir, chunk))
    fields = zip(map(_NAME_OF, chunk), kinds, repeat(None), repeat(None), links, repeat(None), strict=False)
    return map(tuple.__new__, repeat(DirectoryEntry), fields)


def _leads_to_directory(entry: os.DirEntry[str]) -> bool:
    """Tell whether a symbolic link points to a directory; not if it leads nowhere or may not be followed."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _open_writer(path: str, local: str, flags: int) -> PosixWritableFile:
    try:
        descriptor = Descriptor.open(local, flags, 0o666)
    except OSError as error:
        raise posix_error(error, path) from error
    return PosixWritableFile(path, local, descriptor)


def _rename_without_overwriting(source: str, target: str) -> None:
    """Rename where nothing may stand at the target, so that one of several wins."""
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    if not _is_real_directory(source):
        move_without_overwriting(source, target)
        return
    if os.path.realpath(target).startswith(os.path.realpath(source) + os.sep):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    # Making the directory decides who wins; a rename may then replace it, because it is empty.
    os.mkdir(target)
    replace_placeholder(source, target, os.rmdir)


def _copy_open_file(reader: int, source: str, local_target: str, target: str, *, overwrite: bool) -> None:
    """Copy the file of a descriptor to a target that is replaced as a whole."""
    try:
        status = os.fstat(reader)
    except OSError as error:
        raise posix_error(error, source) from error
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError("a copy takes files, and this is a directory", path=source)
    if stat.S_ISFIFO(status.st_mode):
        raise UnimplementedError("a pipe holds nothing that could be copied", path=source)
    try:
        standing = os.stat(local_target)
    except FileNotFoundError:
        standing = None
    except OSError as error:
        raise posix_error(error, target) from error
    if standing is not None:
        if stat.S_ISDIR(standing.st_mode):
            raise IsADirectoryError("a copy takes files, and this is a directory", path=target)
        if os.path.samestat(status, standing):
            return
        if not stat.S_ISREG(standing.st_mode):
            raise FailedPreconditionError("only a regular file can be replaced by a copy", path=target)
    resolved = real_path(local_target, target)
    temporary = temporary_beside(resolved)
    try:
        with make_temporary(target, temporary, resolved, mode=status.st_mode & 0o777, append=False) as writer:
            _copy_bytes(reader, writer.number)
            check_not_cut_short(source, os.fstat(writer.number).st_size, status.st_size, os.fstat(reader).st_size)
        if overwrite:
            os.replace(temporary, resolved)
        else:
            move_without_overwriting(temporary, resolved)
    except BaseException as error:
        remove_temporary(temporary, error)
        if isinstance(error, OSError):
            raise posix_error(error, target) from error
        raise


def _copy_bytes(reader: int, writer: int) -> None:
    """Copy everything from one descriptor's position to another's, inside the kernel as far as it will."""
    if hasattr(os, "copy_file_range"):
        try:
            while os.copy_file_range(reader, writer, 1 << 30):
                pass
        except OSError as error:
            if error.errno not in _NO_COPY_FILE_RANGE:
                raise
    # Files of /proc and some network filesystems give nothing above; what is left is read here.
    while chunk := os.read(reader, _COPY_CHUNK):
        with memoryview(chunk) as view:
            done = 0
            while done < len(chunk):
                done += os.write(writer, view[done:])
