"""What follows from the contract for any filesystem: copying, deleting trees, reading regions.

Each function takes the filesystem as its first argument and uses nothing but its public methods. A backend calls one
of these when its own fast way does not apply.
"""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any

from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    FailedPreconditionError,
    IsADirectoryError,
    NotFoundError,
    RecordFSError,
)
from recordfs.filesystem.files import give_up
from recordfs.paths import join

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from recordfs._core import ReadOnlyMemoryRegion
    from recordfs.filesystem.file_system import FileSystem
    from recordfs.filesystem.files import RandomAccessFile
    from recordfs.filesystem.types import FileStatistics

__all__ = [
    "COPY_CHUNK",
    "check_unchanged",
    "copy_file",
    "delete_recursively",
    "open_pinned",
    "read_memory_region",
    "rebuild",
    "stream_copy",
]

COPY_CHUNK = 4 << 20
"""Bytes moved at a time by a copy through this process: large enough for object stores, small enough for memory."""

MAX_REPORTED_FAILURES = 100


def rebuild(cls: type[FileSystem], options: dict[str, Any], arguments: tuple[Any, ...] = ()) -> FileSystem:
    """Make a pickled filesystem again."""
    return cls(*arguments, **options)


def read_memory_region(file_system: FileSystem, path: str) -> ReadOnlyMemoryRegion:
    """Read a whole file into a memory region."""
    from recordfs._core import ReadOnlyMemoryRegion  # the native module is loaded when first needed

    with file_system.new_random_access_file(path) as file:
        return ReadOnlyMemoryRegion(file.read(0, file.size()))


def open_pinned(file_system: FileSystem, path: str, known: FileStatistics) -> RandomAccessFile:
    """Open a file and compare what stands at its path then: a version that came before the look is not missed."""
    try:
        file = file_system.new_random_access_file(path)
    except NotFoundError as error:
        raise AbortedError("the file is gone that was to be read", path=path) from error
    try:
        check_unchanged(path, known, file_system.stat(path))
    except BaseException as error:
        file.close()
        if isinstance(error, NotFoundError):
            raise AbortedError("the file is gone that was to be read", path=path) from error
        raise
    return file


def check_unchanged(path: str, known: FileStatistics, found: FileStatistics) -> None:
    """Raise AbortedError if a file is not the one that is known."""
    same = (found.length, found.mtime_nsec) == (known.length, known.mtime_nsec)
    if known.version is not None and found.version is not None:
        same = found.version == known.version
    if not same:
        raise AbortedError(
            f"the file was changed: expected version {known.version} of {known.length} bytes, found {found.version} of "
            f"{found.length}; look at it again",
            path=path,
        )


def copy_file(file_system: FileSystem, source: str, target: str, *, overwrite: bool) -> None:
    """Copy one file within a filesystem by streaming it."""
    if not overwrite and file_system.file_exists(target):
        raise AlreadyExistsError("the target of a copy exists and overwrite is False", path=target)
    for path in (source, target):
        if file_system.is_directory(path):
            raise IsADirectoryError("a copy takes files, and this is a directory", path=path)
    if file_system.canonical_path(source) == file_system.canonical_path(target):
        file_system.stat(source)
        return
    stream_copy(file_system, source, file_system, target, overwrite=overwrite)


def stream_copy(
    source_system: FileSystem,
    source: str,
    target_system: FileSystem,
    target: str,
    *,
    overwrite: bool = True,
    progress: Callable[[int], object] | None = None,
    known: FileStatistics | None = None,
) -> int:
    """Copy one file through this process, between any two filesystems, and return its size in bytes.

    The target appears whole or not at all where its filesystem has atomic writes; elsewhere a failure leaves what
    arrived. ``progress`` is called with the number of bytes of each chunk. What a listing has told of the source
    (``known``) spares a small file the requests that would ask for it again.
    """
    capabilities = target_system.capabilities(target)
    size = 0
    with contextlib.closing(_chunks_of(source_system, source, known)) as chunks:
        first = next(chunks, b"")  # where the source is missing, nothing is made
        writer = target_system.new_writable_file(
            target,
            exclusive=not overwrite and capabilities.exclusive_create,
            atomic=capabilities.atomic_write,
        )
        try:
            for chunk in itertools.chain([first] if first else [], chunks):
                writer.append(chunk)
                size += len(chunk)
                if progress is not None:
                    progress(len(chunk))
            writer.close()
        except BaseException as error:
            give_up(writer, error)
            raise
    return size


def _chunks_of(file_system: FileSystem, path: str, known: FileStatistics | None) -> Generator[bytes, None, None]:
    """Yield the bytes of a file; a small one that is as it is known is read by one request."""
    if known is not None and known.version is not None and 0 < known.length <= COPY_CHUNK:
        # One that has changed is looked at anew, below.
        with contextlib.suppress(AbortedError), file_system.new_pinned_random_access_file(path, known) as pinned:
            data = pinned.read(0, known.length)
            if len(data) == known.length:
                yield data
                return
    with file_system.new_random_access_file(path) as reader:
        offset = 0
        while chunk := reader.read(offset, COPY_CHUNK):
            yield chunk
            offset += len(chunk)


def delete_recursively(file_system: FileSystem, path: str) -> None:
    """Delete a tree from its leaves up, going on after failures."""
    if not file_system.stat(path).is_directory:
        file_system.delete_file(path)
        return
    failures: list[tuple[str, RecordFSError]] = []
    undeleted = [0, 0]
    unlisted: dict[str, RecordFSError] = {}

    def note(child: str, error: RecordFSError, *, directory: bool) -> None:
        undeleted[directory] += 1
        if len(failures) < MAX_REPORTED_FAILURES:
            failures.append((child, error))

    directories = [path]
    position = 0
    while position < len(directories):
        directory = directories[position]
        position += 1
        try:
            for entry in file_system.list_directory(directory):
                child = join(directory, entry.name)
                if entry.is_directory and not entry.is_symbolic_link:
                    directories.append(child)
                    continue
                try:
                    file_system.delete_file(child)
                except NotFoundError:
                    pass  # gone already, which is what was asked for
                except RecordFSError as error:
                    note(child, error, directory=False)
        except NotFoundError:
            pass
        except RecordFSError as error:
            unlisted[directory] = error
    for directory in reversed(directories):
        try:
            file_system.delete_dir(directory)
        except NotFoundError:
            pass
        except RecordFSError as error:
            # A directory that could not be listed is not empty for that reason, which is the one to tell.
            note(directory, unlisted.get(directory, error), directory=True)
    if failures:
        raise undeleted_error(path, failures, *undeleted) from failures[0][1]


def undeleted_error(
    path: str, failures: list[tuple[str, RecordFSError]], files: int, directories: int
) -> FailedPreconditionError:
    """Return the error of a tree that could not be deleted as a whole."""
    first_path, first_error = failures[0]
    error: Any = FailedPreconditionError(
        f"{files} file(s) and {directories} directory(ies) could not be deleted; the first is {first_path}: "
        f"{first_error.message}",
        path=path,
    )
    error.failures = failures
    error.undeleted_files = files
    error.undeleted_directories = directories
    return error  # type: ignore[no-any-return]  # the three extra attributes are set above
