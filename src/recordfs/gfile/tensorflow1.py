"""The functions on paths under the names of their parameters in TensorFlow 1: ``file_io.copy``, ``gfile.Copy`` ...

What they do, and raise, is said at the functions of ``path_functions`` that they call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.gfile import path_functions as v2

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Unpack

    from recordfs.filesystem import FileStatistics
    from recordfs.paths import PathInput
    from recordfs.registry import Where

__all__ = [
    "copy",
    "create_dir",
    "delete_file",
    "delete_recursively",
    "file_exists",
    "get_matching_files",
    "is_directory",
    "list_directory",
    "recursive_create_dir",
    "rename",
    "stat",
    "walk",
]


def copy(oldpath: PathInput, newpath: PathInput, overwrite: bool = False, **where: Unpack[Where]) -> None:
    """Copy one file, as ``gfile.copy``."""
    v2.copy(oldpath, newpath, overwrite, **where)


def create_dir(dirname: PathInput, **where: Unpack[Where]) -> None:
    """Make one directory, as ``gfile.mkdir``."""
    v2.mkdir(dirname, **where)


def delete_file(filename: PathInput, **where: Unpack[Where]) -> None:
    """Delete one file, as ``gfile.remove``."""
    v2.remove(filename, **where)


def delete_recursively(dirname: PathInput, **where: Unpack[Where]) -> None:
    """Delete a directory with all in it, as ``gfile.rmtree``."""
    v2.rmtree(dirname, **where)


def file_exists(filename: PathInput, **where: Unpack[Where]) -> bool:
    """Tell whether a file or directory is there, as ``gfile.exists``."""
    return v2.exists(filename, **where)


def get_matching_files(filename: PathInput | Iterable[PathInput], **where: Unpack[Where]) -> list[str]:
    """Return the paths that match a pattern, as ``gfile.glob``."""
    return v2.glob(filename, **where)


def is_directory(dirname: PathInput, **where: Unpack[Where]) -> bool:
    """Tell whether a path is a directory, as ``gfile.isdir``."""
    return v2.isdir(dirname, **where)


def list_directory(dirname: PathInput, **where: Unpack[Where]) -> list[str]:
    """Return the bare names of a directory's children, as ``gfile.listdir``."""
    return v2.listdir(dirname, **where)


def recursive_create_dir(dirname: PathInput, **where: Unpack[Where]) -> None:
    """Make a directory and those above it, as ``gfile.makedirs``."""
    v2.makedirs(dirname, **where)


def rename(oldname: PathInput, newname: PathInput, overwrite: bool = False, **where: Unpack[Where]) -> None:
    """Move a file or directory, as ``gfile.rename``."""
    v2.rename(oldname, newname, overwrite, **where)


def stat(filename: PathInput, **where: Unpack[Where]) -> FileStatistics:
    """Return size, time and kind of a path, as ``gfile.stat``."""
    return v2.stat(filename, **where)


def walk(top: PathInput, in_order: bool = True, **where: Unpack[Where]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Iterate over a tree of directories, as ``gfile.walk``; ``in_order`` is its ``topdown``."""
    return v2.walk(top, in_order, **where)
