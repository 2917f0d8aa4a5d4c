"""Writers for path prefixes, as tensorboardX 2.6's ``record_writer`` has them: the same names, arguments and results.

A factory that was registered for the part of a path before its first ``:`` wins over recordfs' filesystems. Every other
path goes to the filesystem of its scheme.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

from recordfs.errors import UnimplementedError
from recordfs.paths import path_to_str
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from typing_extensions import Buffer

    from recordfs.filesystem import FileSystem, WritableFile
    from recordfs.paths import PathInput

__all__ = [
    "FactoryFile",
    "WriterFactory",
    "directory_check",
    "open_file",
    "register_writer_factory",
    "writer_factory_for",
]


class WriterFactory(Protocol):
    """What can be registered for a prefix."""

    def open(self, path: str) -> Any:
        """Return a writer for a path: it has ``write(data)`` and ``close()``, and may have ``flush()``."""

    def directory_check(self, path: str) -> Any:
        """Make the directory for log files, if that means something."""


_factories: dict[str, WriterFactory] = {}


def register_writer_factory(prefix: str, factory: WriterFactory) -> None:
    """Let a factory open every path that begins with ``<prefix>:``. It replaces an earlier one. Thread-safe.

    Raises:
        ValueError: The prefix contains a ``:``.
    """
    if ":" in prefix:
        raise ValueError(f"a prefix is what stands before the ':' of a path and contains none, found {prefix!r}")
    _factories[prefix] = factory


def writer_factory_for(path: PathInput) -> WriterFactory | None:
    """Return the factory that the user registered for a path, or None."""
    return _factories.get(path_to_str(path).split(":")[0])


def directory_check(
    path: PathInput, *, file_system: FileSystem | None = None, options: Mapping[str, Any] | None = None
) -> Any:
    """Make the directory for log files, and those above it that are missing.

    A registered factory's ``directory_check`` is called instead, and its result returned. Nothing is made where
    directories need not be (object stores).

    Raises:
        NotADirectoryError: The path or a part above it is a file.
        Whatever a factory raises, a KeyError too.
    """
    factory = writer_factory_for(path) if file_system is None else None
    if factory is not None:
        return factory.directory_check(path_to_str(path))
    store, name = resolve(path, file_system=file_system, options=options)
    if store.capabilities(name).directories == "explicit":
        store.recursively_create_dir(name)
    return None


def open_file(
    path: PathInput, *, file_system: FileSystem | None = None, options: Mapping[str, Any] | None = None
) -> Any:
    """Open a writer for a new file, or replace one.

    A registered factory's ``open`` is called instead, and its result returned.

    Returns:
        An object with ``write(data)``, ``flush()`` and ``close()``, also a context manager.

    Raises:
        NotFoundError: The directory is missing; ``directory_check`` makes it.
        Whatever a factory raises, a KeyError too.
    """
    factory = writer_factory_for(path) if file_system is None else None
    if factory is not None:
        return factory.open(path_to_str(path))
    store, name = resolve(path, file_system=file_system, options=options)
    return FileWriter(store.new_writable_file(name))


class FileWriter:
    """A WritableFile with the method names of Python's files. One thread at a time."""

    def __init__(self, file: WritableFile) -> None:
        self._file = file

    @property
    def name(self) -> str:
        """The path."""
        return self._file.name

    def write(self, data: Buffer) -> int:
        """Append all of ``data`` and return its size in bytes."""
        self._file.append(data)
        with memoryview(data) as view:
            return view.nbytes

    def flush(self) -> None:
        """Make everything written visible to readers."""
        self._file.flush()

    def close(self) -> None:
        """Publish everything and let go of the file. Idempotent."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class FactoryFile:
    """What a factory opened, as a WritableFile for RecordWriter, which owns it. One thread at a time.

    Its ``write`` gets bytes objects, because such writers may keep what they are given, and has taken all of it unless
    it raises; what it returns is not looked at.
    """

    def __init__(self, writer: Any, path: str) -> None:
        self.name = path
        self._writer = writer
        self._written = 0

    def append(self, data: Buffer) -> None:
        """Write all of ``data``."""
        whole = bytes(data)
        self._writer.write(whole)
        self._written += len(whole)

    def append_parts(self, parts: Sequence[Buffer]) -> None:
        """Write several buffers, one behind another, in one call."""
        self.append(b"".join(parts))

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._written

    def flush(self) -> None:
        """Flush the writer, if it can be."""
        flush = getattr(self._writer, "flush", None)
        if flush is not None:
            flush()

    def sync(self) -> None:
        """Flush, and bring the bytes to the disk if the writer has a descriptor."""
        self.flush()
        if hasattr(self._writer, "fileno"):
            os.fsync(self._writer.fileno())

    def close(self) -> None:
        """Close the writer."""
        self._writer.close()

    def discard(self) -> None:
        """Raise UnimplementedError: such writers can only be closed."""
        raise UnimplementedError("what a writer factory opened cannot be discarded; close it", path=self.name)
