"""Files that are opened in another way than by their path alone: only as they are known, or whole as memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.errors import AbortedError, NotFoundError

if TYPE_CHECKING:
    from recordfs._core import ReadOnlyMemoryRegion
    from recordfs.filesystem import FileStatistics, FileSystem, RandomAccessFile

__all__ = ["check_unchanged", "open_pinned", "read_memory_region"]


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
        raise AbortedError("the file was deleted before it was read", path=path) from error
    try:
        check_unchanged(path, known, file_system.stat(path))
    except BaseException as error:
        file.close()
        if isinstance(error, NotFoundError):
            raise AbortedError("the file was deleted before it was read", path=path) from error
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
