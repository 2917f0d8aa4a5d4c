"""A filesystem that forwards everything to another: the base of whatever counts, checks, limits or breaks calls.

A subclass overrides the methods it cares about, and ``wrap_reader`` and ``wrap_writer`` to put its own files around
those that the inner filesystem opens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.errors import InvalidArgumentError
from recordfs.filesystem import FileSystem, RandomAccessFile, WritableFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from typing_extensions import Buffer

    from recordfs._core import ReadOnlyMemoryRegion
    from recordfs.filesystem import Capabilities, DirectoryEntry, FileStatistics, OperationStatistics, UpdateFile

__all__ = ["WrapperFileSystem", "WrapperRandomAccessFile", "WrapperWritableFile"]


class WrapperFileSystem(FileSystem):
    """Forward every call to another filesystem, the derived ones too, so that its fast ways stay in use.

    Safe to use from several threads, as every filesystem.

    Args:
        inner: The filesystem that does the work. It stays its owner's: ``close`` closes it too.

    Raises:
        InvalidArgumentError: It is no FileSystem.
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

    def wrap_update_file(self, file: UpdateFile) -> UpdateFile:
        """Return what ``new_update_file`` gives for a file that was opened inside."""
        return file

    def capabilities(self, path: str) -> Capabilities:
        """Forward."""
        return self.inner.capabilities(path)

    def new_random_access_file(self, path: str) -> RandomAccessFile:
        """Forward, and wrap the file."""
        return self.wrap_reader(self.inner.new_random_access_file(path))

    def new_pinned_random_access_file(self, path: str, known: FileStatistics) -> RandomAccessFile:
        """Forward, and wrap the file."""
        return self.wrap_reader(self.inner.new_pinned_random_access_file(path, known))

    def new_update_file(self, path: str) -> UpdateFile:
        """Forward, and wrap the file."""
        return self.wrap_update_file(self.inner.new_update_file(path))

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

    def tree_lister(self, top: str) -> Callable[[str], Iterable[DirectoryEntry]]:
        """Forward."""
        return self.inner.tree_lister(top)

    def series_lister(self, directories: Sequence[str]) -> Callable[[str], Iterable[DirectoryEntry]]:
        """Forward."""
        return self.inner.series_lister(directories)

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

    def close_abandoned_file(self, path: str) -> None:
        """Forward."""
        self.inner.close_abandoned_file(path)

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
    """Forward every call to another open file, when it has been checked.

    A subclass overrides the methods that a backend writes: ``_read``, ``_read_into``, ``_read_blocks`` and so on. As
    many threads may use it as may use the other file.

    Args:
        inner: The file that does the work; ``close`` closes it.
    """

    def __init__(self, inner: RandomAccessFile) -> None:
        super().__init__(inner.name)
        self.inner = inner

    def _read(self, offset: int, n: int) -> bytes:
        return self.inner.read(offset, n)

    def _read_into(self, offset: int, view: memoryview) -> int:
        return self.inner.read_into(offset, view)

    def _read_range_into(self, offset: int, view: memoryview) -> int:
        return self.inner.read_range_into(offset, view)

    def _read_blocks(self, blocks: list[tuple[int, int]]) -> Sequence[Buffer]:
        return self.inner.read_ranges([(start, end - start) for start, end in blocks], max_gap=0)

    def _read_ahead(self, offset: int, n: int) -> int | None:
        return self.inner.read_ahead(offset, n)

    def _size(self) -> int:
        return self.inner.size()

    def _fileno(self) -> int:
        return self.inner.fileno()

    def _close(self) -> None:
        self.inner.close()


class WrapperWritableFile(WritableFile):
    """Forward every call to another open file, when it has been checked.

    A subclass overrides the methods that a backend writes: ``_append``, ``_flush`` and so on. As many threads may use
    it as may use the other file.

    Args:
        inner: The file that does the work; ``close`` and ``discard`` end it.
    """

    _closes_when_collected = False  # the inner one does

    def __init__(self, inner: WritableFile) -> None:
        super().__init__(inner.name, atomic=inner.atomic)
        self.inner = inner

    def _append(self, data: memoryview) -> None:
        self.inner.append(data)

    def _append_parts(self, parts: list[memoryview]) -> None:
        self.inner.append_parts(parts)

    def _flush(self) -> None:
        self.inner.flush()

    def _sync(self) -> None:
        self.inner.sync()

    def _tell(self) -> int:
        return self.inner.tell()

    def _close(self) -> None:
        try:
            self.inner.close()
        finally:
            if self.inner.closed:
                self._end()

    def _discard(self) -> None:
        try:
            self.inner.discard()
        finally:
            if self.inner.closed:
                self._end()

    def publish(self, *, overwrite: bool = False) -> None:
        """Forward."""
        self._check_open()
        self.inner.publish(overwrite=overwrite)
