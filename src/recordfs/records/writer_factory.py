"""Writers for path prefixes, as tensorboardX 2.6's ``record_writer`` has them: the same names, arguments and results.

A factory that was registered for the part of a path before its first ``:`` wins over recordfs' filesystems. Every other
path goes to the filesystem of its scheme.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from recordfs.file_objects import OutputStream
from recordfs.paths import path_to_str
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recordfs.filesystem import FileSystem
    from recordfs.paths import PathInput

__all__ = [
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
    file_system, name = resolve(path, file_system=file_system, options=options)
    if file_system.capabilities(name).directories == "explicit":
        file_system.recursively_create_dir(name)
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
    file_system, name = resolve(path, file_system=file_system, options=options)
    return OutputStream(file_system.new_writable_file(name))
