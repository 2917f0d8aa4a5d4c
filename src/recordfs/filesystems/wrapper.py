"""A filesystem that forwards everything to another: the base of whatever counts, checks, limits or breaks calls.

A subclass overrides the methods it cares about, and ``wrap_reader`` and ``wrap_writer`` to put its own files around
those that the inner filesystem opens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.errors import InvalidArgumentError
from recordfs.filesystem import FileSystem, RandomAccessFile, WritableFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from typing_extensions import Buffer

    from recordfs._core import ReadOnlyMemoryRegion
    from recordfs.filesystem import Capabilities, DirectoryEntry, FileStatistics, OperationStatistics

__all__ = ["WrapperFileSystem", "WrapperRandomAccessFile", "WrapperWritableFile"]


class WrapperFileSystem(FileSystem):
    """Forward every call to another filesystem, the derived ones too, so that its fast ways stay in use.

    Args:
        inner: The filesystem that does the work. It stays its owner's: ``close`` closes it too.
    """

    def __init__(self, inner: FileSystem, **options: object) -> None:
        super().__init__(**options)
        if not isinstance(inner, FileSystem):
            raise InvalidArgumentError(f"a wrapper needs a FileSystem, found {inner!r}")
        self.inner = inner

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_wrapper, (type(self), self.inner, self._options))

    def wrap_reader(self, file: RandomAccessFile) -> RandomAccessFile:
        """Return what ``new_random_access_file`` gives for a file that the inner filesystem opened."""
        return file

    def wrap_writer(self, file: WritableFile) -> WritableFile:
        """Return what ``new_writable_file`` and ``new_appendable_file`` give for a file that was opened inside."""
        return file

    def capabilities(self, path: str) -> Capabilities:
        """Forward, but for changing files in place, which would go past what a subclass does to files."""
        return self.inner.capabilities(path)._replace(update_in_place=False)

    def new_random_access_file(self, path: str) -> RandomAccessFile:
        """Forward, and wrap the file."""
        return self.wrap_reader(self.inner.new_random_access_file(path))

    def new_writable_file(self, path: str, *, exclusive: bool = False, atomic: bool = False) -> WritableFile:
        """Forward, and wrap the file."""
        return self.wrap_writer(self.inner.new_writable_file(path, exclusive=exclusive, atomic=atomic))

    def new_appendable_file(self, path: str) -> WritableFile:
        """Forward, and wrap the file."""
        return self.wrap_writer(self.inner.new_appendable_file(path))

    def new_read_only_memory_region_from_file(self, path: str) -> ReadOnlyMemoryRegion:
        """Forward."""
        return self.inner.new_read_only_memory_region_from_file(path)

    def stat(self, path: str) -> FileStatistics:
        """Forward."""
        return self.inner.stat(path)

    def list_directory(self, path: str) -> Iterator[DirectoryEntry]:
        """Forward."""
        return self.inner.list_directory(path)

    def create_dir(self, path: str) -> None:
        """Forward."""
        self.inner.create_dir(path)

    def delete_file(self, path: str) -> None:
        """Forward."""
        self.inner.delete_file(path)

    def delete_dir(self, path: str) -> None:
        """Forward."""
        self.inner.delete_dir(path)

    def rename_file(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Forward."""
        self.inner.rename_file(source, target, overwrite=overwrite)

    def truncate_file(self, path: str, length: int) -> None:
        """Forward."""
        self.inner.truncate_file(path, length)

    def copy_file(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Forward."""
        self.inner.copy_file(source, target, overwrite=overwrite)

    def delete_recursively(self, path: str) -> None:
        """Forward."""
        self.inner.delete_recursively(path)

    def recursively_create_dir(self, path: str) -> None:
        """Forward."""
        self.inner.recursively_create_dir(path)

    def get_children(self, path: str) -> list[str]:
        """Forward."""
        return self.inner.get_children(path)

    def get_matching_paths(self, pattern: str) -> list[str]:
        """Forward."""
        return self.inner.get_matching_paths(pattern)

    def file_exists(self, path: str) -> bool:
        """Forward."""
        return self.inner.file_exists(path)

    def files_exist(self, paths: Iterable[str]) -> list[bool]:
        """Forward."""
        return self.inner.files_exist(paths)

    def is_directory(self, path: str) -> bool:
        """Forward."""
        return self.inner.is_directory(path)

    def get_file_size(self, path: str) -> int:
        """Forward."""
        return self.inner.get_file_size(path)

    def describe(self) -> dict[str, str]:
        """Forward."""
        return self.inner.describe()

    def translate_name(self, path: str) -> str:
        """Forward."""
        return self.inner.translate_name(path)

    def canonical_path(self, path: str) -> str:
        """Forward."""
        return self.inner.canonical_path(path)

    def has_atomic_move(self, path: str) -> bool:
        """Forward."""
        return self.inner.has_atomic_move(path)

    def statistics(self) -> dict[str, OperationStatistics]:
        """Forward."""
        return self.inner.statistics()

    def flush_caches(self) -> None:
        """Forward."""
        self.inner.flush_caches()

    def close(self) -> None:
        """Forward."""
        self.inner.close()


def _rebuild_wrapper(cls: type[WrapperFileSystem], inner: FileSystem, options: dict[str, Any]) -> WrapperFileSystem:
    """Make a pickled wrapper again."""
    return cls(**{**options, "inner": inner})


class WrapperRandomAccessFile(RandomAccessFile):
    """Forward every call to another open file.

    Args:
        inner: The file that does the work; ``close`` closes it.
    """

    def __init__(self, inner: RandomAccessFile) -> None:
        self.inner = inner

    @property
    def name(self) -> str:
        """Forward."""
        return self.inner.name

    def read(self, offset: int, n: int) -> bytes:
        """Forward."""
        return self.inner.read(offset, n)

    def read_into(self, offset: int, buffer: Buffer) -> int:
        """Forward."""
        return self.inner.read_into(offset, buffer)

    def read_ranges(self, ranges: Sequence[tuple[int, int]], *, max_gap: int = 65536) -> list[bytes]:
        """Forward."""
        return self.inner.read_ranges(ranges, max_gap=max_gap)

    def read_ahead(self, offset: int, n: int) -> int | None:
        """Forward."""
        return self.inner.read_ahead(offset, n)

    def size(self) -> int:
        """Forward."""
        return self.inner.size()

    def close(self) -> None:
        """Forward."""
        self.inner.close()


class WrapperWritableFile(WritableFile):
    """Forward every call to another open file.

    Args:
        inner: The file that does the work; ``close`` and ``discard`` end it.
    """

    def __init__(self, inner: WritableFile) -> None:
        self.inner = inner
        self.atomic = inner.atomic

    @property
    def name(self) -> str:
        """Forward."""
        return self.inner.name

    def append(self, data: Buffer) -> None:
        """Forward."""
        self.inner.append(data)

    def append_parts(self, parts: Sequence[Buffer]) -> None:
        """Forward."""
        self.inner.append_parts(parts)

    def flush(self) -> None:
        """Forward."""
        self.inner.flush()

    def sync(self) -> None:
        """Forward."""
        self.inner.sync()

    def tell(self) -> int:
        """Forward."""
        return self.inner.tell()

    def close(self) -> None:
        """Forward."""
        self.inner.close()

    def discard(self) -> None:
        """Forward."""
        self.inner.discard()
