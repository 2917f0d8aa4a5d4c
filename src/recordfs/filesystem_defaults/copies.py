"""Copies of files through this process: within a filesystem and between any two."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

from recordfs.errors import AbortedError, AlreadyExistsError, IsADirectoryError
from recordfs.open_files.letting_go import give_up

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from recordfs.filesystem import FileStatistics, FileSystem

__all__ = ["COPY_CHUNK", "check_not_cut_short", "copy_file", "stream_copy"]

COPY_CHUNK = 4 << 20
"""Bytes moved at a time by a copy through this process: large enough for object stores, small enough for memory."""


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
        # One that has changed is looked at again, below.
        with contextlib.suppress(AbortedError), file_system.new_pinned_random_access_file(path, known) as pinned:
            data = pinned.read(0, known.length)
            if len(data) == known.length:
                yield data
                return
    capabilities = file_system.capabilities(path)
    with file_system.new_random_access_file(path) as reader:
        # Elsewhere a file that is open stays as it is, or reading it tells that it was replaced.
        size_before = reader.size() if capabilities.growing_reads and not capabilities.detects_replacement else 0
        offset = 0
        while chunk := reader.read(offset, COPY_CHUNK):
            yield chunk
            offset += len(chunk)
        if size_before:
            check_not_cut_short(path, offset, size_before, reader.size())


def check_not_cut_short(path: str, copied: int, size_before: int, size_after: int) -> None:
    """Raise if a file became shorter than what was copied of it: that is neither what it was nor what it is now.

    A file that grows is copied up to where it ended.

    Raises:
        AbortedError: It did.
    """
    if size_after < min(copied, size_before):
        raise AbortedError(
            f"the file was cut short to {size_after} bytes while it was copied, when {copied} had been; copy it again",
            path=path,
        )
