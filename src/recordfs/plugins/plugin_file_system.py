"""A filesystem of the contract over the operations of a plugin.

The C interface leaves much open that the contract fixes: which error a directory gives where a file is needed, whether
a missing directory can be listed, what stands in for an operation that a plugin lacks. This class looks before it
calls, and looks again after a failure, so that every plugin gives the contract's answers.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from recordfs.errors import (
    AlreadyExistsError,
    DirectoryNotEmptyError,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    IsADirectoryError,
    NotADirectoryError,
    NotFoundError,
    UnimplementedError,
)
from recordfs.filesystem import Capabilities, DirectoryEntry, FileStatistics, FileSystem
from recordfs.filesystem_defaults.copies import stream_copy
from recordfs.filesystem_defaults.opening import read_memory_region
from recordfs.open_files.letting_go import end_after
from recordfs.paths import dirname, join, scheme_of
from recordfs.plugins.plugin_capabilities import declared_capabilities
from recordfs.plugins.plugin_files import PluginRandomAccessFile, PluginWritableFile
from recordfs.plugins.refined_errors import RefinedErrors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from recordfs._core import ReadOnlyMemoryRegion
    from recordfs.filesystem import RandomAccessFile, WritableFile
    from recordfs.plugins.operations import PluginOperations, PluginWriter

__all__ = ["PluginFileSystem", "PluginLimits"]

_UNLIMITED = 1 << 62


class PluginLimits(NamedTuple):
    """Bounds of single calls, for plugins that misbehave with larger ones.

    Attributes:
        max_read_size: Bytes that one read of the plugin's is asked for.
        max_append_size: Bytes that one append of the plugin's is given.
    """

    max_read_size: int = _UNLIMITED
    max_append_size: int = _UNLIMITED


class PluginFileSystem(FileSystem):
    """One scheme of a plugin; ``recordfs.load_file_system_library`` makes and registers it.

    A plugin cannot tell symbolic links, so ``delete_recursively`` follows them unless the plugin has that operation
    itself. A directory's entries are looked at one by one.

    Args:
        operations: The plugin.
        library: Where it was loaded from.
        limits: Bounds of single calls.
        capabilities: What is known of the plugin beyond what its table shows.
        reload: Returns the same filesystem in another process.
    """

    def __init__(
        self,
        operations: PluginOperations,
        library: str,
        *,
        limits: PluginLimits | None = None,
        capabilities: Mapping[str, object] | None = None,
        reload: tuple[Callable[..., FileSystem], tuple[object, ...]] | None = None,
    ) -> None:
        super().__init__()
        self._plugin = operations
        self._library = library
        self._limits = limits or PluginLimits()
        self._present = frozenset(operations.operations)
        self._capabilities = declared_capabilities(operations, capabilities or {})
        self._reload = reload

    def __reduce__(self) -> tuple[object, ...]:
        if self._reload is None:
            raise TypeError(f"the filesystem of {self._library} cannot be pickled: it was not loaded by its path")
        return self._reload

    def capabilities(self, path: str) -> Capabilities:
        """Return what the plugin's table shows, and what was said when it was loaded."""
        return self._capabilities

    def describe(self) -> dict[str, str]:
        """Return where the plugin comes from."""
        return {"library": self._library, "credentials": "the plugin's own"}

    # Files.

    def new_random_access_file(self, path: str) -> RandomAccessFile:
        """Open a file for reading, after a look at it: plugins may notice with the first read what cannot be read."""
        statistics = self.stat(path)
        if statistics.is_directory:
            raise IsADirectoryError("a directory cannot be read", path=path)
        with RefinedErrors(self, path):
            reader = self._plugin.new_random_access_file(path, self._limits.max_read_size)
        grows = self._capabilities.growing_reads or statistics.length < 0
        return PluginRandomAccessFile(
            path, reader, lambda: self._file_size(path), length=statistics.length, grows=grows
        )

    def new_writable_file(self, path: str, *, exclusive: bool = False, atomic: bool = False) -> WritableFile:
        """Make or replace a file."""
        if exclusive:
            raise self._unimplemented("promise that a new file has one maker (exclusive=True)", path)
        if atomic:
            raise self._unimplemented("publish all of a file or nothing (atomic=True)", path)
        self._check_can_write("new_writable_file", path)
        with RefinedErrors(self, path):
            writer = self._plugin.new_writable_file(path, self._limits.max_append_size)
        return PluginWritableFile(path, writer, can_tell="writable_file.tell" in self._present)

    def new_appendable_file(self, path: str) -> WritableFile:
        """Open a file for writing at its end; make it if it is missing."""
        found = self._check_can_write("new_appendable_file", path)
        length = 0 if found is None else found.length
        if length < 0 and "writable_file.tell" not in self._present:
            raise self._unimplemented("tell where the end of a file is, which appending begins at", path)
        with RefinedErrors(self, path):
            writer = self._plugin.new_appendable_file(path, self._limits.max_append_size)
        try:
            told = self._told_position(writer, path)
            if told is None and length < 0:
                raise self._unimplemented("tell where the end of a file is, which appending begins at", path)
        except BaseException as error:
            end_after(writer.close, error)
            raise
        # A position before the end counts from elsewhere, such as what was appended since the file was opened.
        if told is not None and told >= length:
            return PluginWritableFile(path, writer, length=told, can_tell=True)
        return PluginWritableFile(path, writer, length=length, can_tell=False)

    def _told_position(self, writer: PluginWriter, path: str) -> int | None:
        """Return the position that a plugin tells of a file, None if it tells none."""
        if "writable_file.tell" not in self._present:
            return None
        try:
            return self._checked_length(writer.tell(), "tell", path)
        except UnimplementedError:
            return None

    def _checked_length(self, length: int, operation: str, path: str) -> int:
        if length < 0:
            raise InternalError(
                f"the plugin broke the interface: {operation} returned {length} and no error", path=path
            )
        return length

    def new_read_only_memory_region_from_file(self, path: str) -> ReadOnlyMemoryRegion:
        """Return the plugin's memory region, or read the file where the plugin has none."""
        statistics = self.stat(path)
        if statistics.is_directory:
            raise IsADirectoryError("a directory cannot be read", path=path)
        # The interface has no empty regions.
        if statistics.length != 0 and "new_read_only_memory_region_from_file" in self._present:
            # An operation that is there may still say that there is no such thing: classes of TensorFlow's guide do.
            with contextlib.suppress(UnimplementedError), RefinedErrors(self, path):
                return self._plugin.new_read_only_memory_region_from_file(path)
        return read_memory_region(self, path)

    # What is there.

    def stat(self, path: str) -> FileStatistics:
        """Return size, time and kind, by whatever operations the plugin has for it."""
        try:
            length, mtime_nsec, is_directory = self._stat(path)
        except NotFoundError as error:
            above = self._file_above(path) if self._capabilities.directories == "explicit" else None
            if above is None:
                raise
            raise NotADirectoryError(f"{above} is a file", path=path) from error
        except FailedPreconditionError as error:
            above = self._file_above(path)
            if above is None:
                raise
            raise NotADirectoryError(f"{above} is a file", path=path) from error
        return FileStatistics(0 if is_directory else length, mtime_nsec, is_directory)

    def _stat(self, path: str) -> tuple[int, int, bool]:
        if "stat" in self._present:
            length, mtime_nsec, is_directory = self._plugin.stat(path)
            return (0 if is_directory else self._checked_length(length, "stat", path), mtime_nsec, is_directory)
        if "is_directory" in self._present:
            is_directory = self._plugin.is_directory(path)
        else:
            self._plugin.path_exists(path)
            is_directory = False
        if is_directory or "get_file_size" not in self._present:
            return (0 if is_directory else -1, 0, is_directory)
        return (self._checked_length(self._plugin.get_file_size(path), "get_file_size", path), 0, False)

    def _file_above(self, path: str) -> str | None:
        """Return the file that stands above a path, if one does."""
        above = dirname(path.rstrip("/"))
        while above and above != path:
            try:
                return None if self._stat(above)[2] else above
            except (NotFoundError, FailedPreconditionError):
                path, above = above, dirname(above)
        return None

    def _file_size(self, path: str) -> int:
        if "get_file_size" in self._present:
            with RefinedErrors(self, path):
                return self._checked_length(self._plugin.get_file_size(path), "get_file_size", path)
        return self.stat(path).length

    def list_directory(self, path: str) -> Iterator[DirectoryEntry]:
        """Iterate over a directory's children, looking at each."""
        for name, said_directory in self._children(path):
            try:
                length, mtime_nsec, is_directory = self._stat(join(path, name))
            except (NotFoundError, FailedPreconditionError):
                # It was deleted meanwhile, or is a link that leads nowhere, which is a child all the same.
                yield DirectoryEntry(name, said_directory)
                continue
            known = not is_directory and length >= 0
            yield DirectoryEntry(name, is_directory, length if known else None, mtime_nsec if known else None)

    def get_children(self, path: str) -> list[str]:
        """Return the names of a directory's children, without a look at each."""
        return [name for name, _ in self._children(path)]

    def _children(self, path: str) -> list[tuple[str, bool]]:
        """Return the names of a directory's children, and whether the plugin marked them as directories."""
        if not self.stat(path).is_directory:
            raise NotADirectoryError("a file has no children", path=path)
        with RefinedErrors(self, path):
            names = self._plugin.get_children(path)
        children: dict[str, bool] = {}
        for given in names:
            name = given.rstrip("/")
            if "/" in name:
                raise InternalError(f"the plugin returned {given!r}, which is not a bare name, as a child", path=path)
            if name not in ("", ".", ".."):
                children[name] = given.endswith("/")
        return list(children.items())

    # Changes.

    def create_dir(self, path: str) -> None:
        """Make one directory."""
        self._need("create_dir", path)
        if self.file_exists(path):
            raise AlreadyExistsError("a file or directory is there already", path=path)
        self._check_parent(path)
        with RefinedErrors(self, path):
            self._plugin.create_dir(path)

    def recursively_create_dir(self, path: str) -> None:
        """Make a directory and those above it, one by one unless the plugin can only make all."""
        if "create_dir" in self._present:
            super().recursively_create_dir(path)
            return
        self._need("recursively_create_dir", path)
        with RefinedErrors(self, path):
            self._plugin.recursively_create_dir(path)

    def delete_file(self, path: str) -> None:
        """Delete one file."""
        self._need("delete_file", path)
        # What cannot be found may be a link that leads nowhere, so the plugin is asked all the same.
        if self.is_directory(path):
            raise IsADirectoryError("a directory cannot be deleted as a file", path=path)
        with RefinedErrors(self, path):
            self._plugin.delete_file(path)

    def delete_dir(self, path: str) -> None:
        """Delete one empty directory."""
        self._need("delete_dir", path)
        if self._children(path):
            raise DirectoryNotEmptyError("the directory is not empty", path=path)
        with RefinedErrors(self, path):
            self._plugin.delete_dir(path)

    def rename_file(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Move a file, by copying it and deleting the source where the plugin cannot; a directory if it can."""
        if "rename_file" not in self._present:
            self._need("delete_file", source)
        found = self._look(target)
        if found is not None and not overwrite:
            raise AlreadyExistsError("the target exists and overwrite is False", path=target)
        is_directory = self.stat(source).is_directory
        same = self.canonical_path(source) == self.canonical_path(target)
        if is_directory and not self._capabilities.rename_directory:
            if same:
                return
            raise self._unimplemented("rename directories", source)
        self._check_target(source, target, found, directory=is_directory)
        if same:
            return
        with RefinedErrors(self, source, target):
            if "rename_file" in self._present:
                self._plugin.rename_file(source, target)
                return
            self._copy(source, target, overwrite=True)
        with RefinedErrors(self, source):
            self._plugin.delete_file(source)

    def copy_file(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Copy one file, through this process where the plugin cannot."""
        found = self._look(target)
        if found is not None and not overwrite:
            raise AlreadyExistsError("the target of a copy exists and overwrite is False", path=target)
        for path, statistics in ((source, self.stat(source)), (target, found)):
            if statistics is not None and statistics.is_directory:
                raise IsADirectoryError("a copy takes files, and this is a directory", path=path)
        if self.canonical_path(source) == self.canonical_path(target):
            return
        if found is None:
            self._check_parent(target)
        with RefinedErrors(self, source, target):
            self._copy(source, target, overwrite=overwrite)

    def _copy(self, source: str, target: str, *, overwrite: bool) -> None:
        if "copy_file" in self._present:
            with contextlib.suppress(UnimplementedError):
                self._plugin.copy_file(source, target)
                return
        stream_copy(self, source, self, target, overwrite=overwrite)

    def canonical_path(self, path: str) -> str:
        """Return the scheme and the name that the plugin's operations get."""
        return f"{scheme_of(path)}://{self._plugin.translate_name(path)}"

    def translate_name(self, path: str) -> str:
        """Return the name that the plugin's operations get."""
        return self._plugin.translate_name(path) if path else ""

    def flush_caches(self) -> None:
        """Have the plugin forget what it remembers."""
        self._plugin.flush_caches()

    # Looks before and after.

    def _need(self, operation: str, path: str) -> None:
        if operation not in self._present:
            raise UnimplementedError(f"the plugin for {self._plugin.scheme}:// has no operation {operation}", path=path)

    def _check_can_write(self, operation: str, path: str) -> FileStatistics | None:
        """Raise unless a file may come to stand at a path; return what stands there."""
        self._need(operation, path)
        found = self._look(path)
        if found is None:
            self._check_parent(path)
        elif found.is_directory:
            raise IsADirectoryError("a directory stands where a file is needed", path=path)
        return found

    def _check_parent(self, path: str) -> None:
        """Raise where directories are explicit and that of a path is missing."""
        parent = dirname(path.rstrip("/"))
        if self._capabilities.directories == "implicit" or parent in ("", path):
            return
        try:
            statistics = self.stat(parent)
        except NotFoundError as error:
            # The root of a scheme need not be there to be looked at.
            if dirname(parent) == parent:
                return
            raise NotFoundError(f"its directory {parent} is missing", path=path) from error
        except NotADirectoryError as error:
            raise NotADirectoryError(error.message, path=path) from error
        if not statistics.is_directory:
            raise NotADirectoryError(f"{parent} is a file", path=path)

    def _look(self, path: str) -> FileStatistics | None:
        """Return what stands at a path, or None. Below a file nothing can: NotADirectoryError."""
        try:
            return self.stat(path)
        except NotFoundError:
            return None

    def _check_target(self, source: str, target: str, found: FileStatistics | None, *, directory: bool) -> None:
        """Raise where what stands at the target of a rename cannot be replaced."""
        if directory and self.canonical_path(target).startswith(self.canonical_path(source).rstrip("/") + "/"):
            raise InvalidArgumentError(f"a directory cannot be moved into itself ({target})", path=source)
        if found is None:
            self._check_parent(target)
            return
        if found.is_directory and not directory:
            raise IsADirectoryError("a file cannot replace a directory", path=target)
        if directory and not found.is_directory:
            raise NotADirectoryError("a directory cannot replace a file", path=target)
        same = self.canonical_path(source) == self.canonical_path(target)
        if found.is_directory and not same and self._children(target):
            raise DirectoryNotEmptyError("the target is a directory with children", path=target)
