"""Functions on paths that answer as TensorFlow 2's ``tf.io.gfile`` does, on any filesystem.

They are those of ``recordfs.operations``; here is only where TensorFlow answers differently. Every function is safe to
call from any thread. Where TensorFlow loses data or loops for ever these do not: ``docs/gfile.md`` lists it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from recordfs import operations, paths
from recordfs.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotADirectoryError,
    NotFoundError,
    PermissionDeniedError,
    UnknownSchemeError,
)
from recordfs.paths import path_to_str
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Unpack

    from recordfs.errors import RecordFSError
    from recordfs.filesystem import FileStatistics
    from recordfs.paths import PathInput
    from recordfs.registry import Where


__all__ = [
    "copy",
    "exists",
    "glob",
    "isdir",
    "join",
    "listdir",
    "makedirs",
    "mkdir",
    "remove",
    "rename",
    "rmtree",
    "stat",
    "walk",
]

# What says that a path is not there, or is not what was asked for. That a store cannot be reached says neither.
_NO = (NotFoundError, FailedPreconditionError, PermissionDeniedError, InvalidArgumentError)


def exists(path: PathInput, **where: Unpack[Where]) -> bool:
    """Tell whether a file or directory is there, following links; False too where that may not be known.

    Args:
        path: A full path.
        **where: ``file_system``, which serves the path instead of what is registered for its scheme, or ``options`` for
            the registered one. They are the same in every function of this module.

    Raises:
        UnknownSchemeError: Nothing is registered for the scheme.
        UnavailableError: The store cannot be reached. No answer is not taken for a "no".
    """
    file_system, name = resolve(path, **where)
    try:
        return file_system.file_exists(name)
    except _NO:
        return False


def isdir(path: PathInput, **where: Unpack[Where]) -> bool:
    """Tell whether a path is a directory, following links; False too for unknown schemes.

    Raises:
        UnavailableError: The store cannot be reached.
    """
    try:
        file_system, name = resolve(path, **where)
    except UnknownSchemeError:
        return False
    try:
        return file_system.is_directory(name)
    except _NO:
        return False


def listdir(path: PathInput, **where: Unpack[Where]) -> list[str]:
    """Return the bare names of a directory's children, hidden ones too, in no order.

    Raises:
        NotFoundError: It is missing, or a file, or its scheme is unknown.
        PermissionDeniedError: It may not be read.
    """
    try:
        return operations.listdir(path, **where)
    except (NotFoundError, NotADirectoryError, UnknownSchemeError) as error:
        raise NotFoundError(f"Could not find directory: {error.message}", path=path_to_str(path)) from error


def glob(
    pattern: PathInput | Iterable[PathInput],
    *,
    recursive: bool = False,
    **where: Unpack[Where],
) -> list[str]:
    r"""Return the paths that match a pattern, sorted; of several patterns the results one after another.

    Args:
        pattern: ``* ? [..] [!..] [^..] \c`` match within one component of the path, names that begin with a dot too.
            A pattern without wildcards gives itself if that exists; one that ends with a slash only directories.
        recursive: Let a component ``**`` match any number of directories; without it ``**`` is ``*``.
        **where: As in ``exists``.

    Returns:
        The paths as the pattern spells them. Empty where nothing matches, or a directory is missing or not readable.

    Raises:
        UnknownSchemeError: Nothing is registered for the scheme.
    """
    patterns = [pattern] if isinstance(pattern, str | bytes | os.PathLike) else list(pattern)
    return [path for one in patterns for path in operations.glob(one, recursive=recursive, **where)]


def walk(
    top: PathInput,
    topdown: bool = True,
    onerror: Callable[[RecordFSError], object] | None = None,
    followlinks: bool = True,
    **where: Unpack[Where],
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Iterate over a tree of directories: ``(directory, names of directories, names of files)`` of each.

    Args:
        top: Where to begin; a missing one or a file yields nothing.
        topdown: Yield a directory before what is in it; the list of directories may then be pruned in place.
        onerror: Called with the error of a directory that cannot be listed; the walk goes on if it returns. Without
            it, a directory that has vanished is passed over and other errors are raised.
        followlinks: Go into directories that are symbolic links, as TensorFlow does, but never round in circles.
        **where: As in ``exists``.
    """
    return operations.walk(top, topdown, onerror, followlinks, **where)


def mkdir(path: PathInput, **where: Unpack[Where]) -> None:
    """Make one directory. Fine if it exists, and nothing for an empty path.

    Raises:
        NotFoundError: Its parent is missing.
        AlreadyExistsError: A file stands there.
        NotADirectoryError: A part above it is a file.
    """
    file_system, name = resolve(path, **where)
    if not name:
        return
    try:
        file_system.create_dir(name)
    except AlreadyExistsError:
        if not file_system.is_directory(name):
            raise


def makedirs(path: PathInput, **where: Unpack[Where]) -> None:
    """Make a directory and those above it that are missing. Fine if it exists, and nothing for an empty path.

    Raises:
        NotADirectoryError: The path or a part above it is a file.
    """
    if path_to_str(path):
        operations.makedirs(path, **where)


def copy(
    src: PathInput,
    dst: PathInput,
    overwrite: bool = False,
    **where: Unpack[Where],
) -> None:
    """Copy one file, within a filesystem or between any two, by the store itself where it can.

    A copy onto itself with ``overwrite`` leaves the file as it is. A new local file gets the permission bits of a
    local source. ``dst`` is never a directory to copy into. The keywords are the source's, and the target's where
    its scheme is the same.

    Raises:
        AlreadyExistsError: ``dst`` exists and ``overwrite`` is False.
        NotFoundError: ``src`` is missing (nothing is made then), or the directory of ``dst`` is.
        IsADirectoryError: One of the two is a directory.
    """
    operations.copy(src, dst, overwrite=overwrite, **where)


def rename(
    src: PathInput,
    dst: PathInput,
    overwrite: bool = False,
    **where: Unpack[Where],
) -> None:
    """Move a file, or a directory with all in it, to another name on the same filesystem.

    Raises:
        AlreadyExistsError: ``dst`` exists and ``overwrite`` is False.
        NotFoundError: ``src`` is missing.
        FailedPreconditionError: One is a directory and the other is not, or both are and ``dst`` has children.
        UnimplementedError: They are on different filesystems.
    """
    operations.rename(src, dst, overwrite=overwrite, **where)


def remove(path: PathInput, **where: Unpack[Where]) -> None:
    """Delete one file, or a symbolic link (not what it points to).

    Raises:
        NotFoundError: It is missing.
        IsADirectoryError: It is a directory.
    """
    operations.remove(path, **where)


def rmtree(path: PathInput, **where: Unpack[Where]) -> None:
    """Delete a directory with all in it, or a file. Of symbolic links only the links are deleted.

    Raises:
        NotFoundError: It is missing, or below a file.
        FailedPreconditionError: Something could not be deleted; ``failures`` of the error says what.
    """
    try:
        operations.rmtree(path, **where)
    except NotADirectoryError as error:
        raise NotFoundError(error.message, path=error.path) from error


def stat(path: PathInput, **where: Unpack[Where]) -> FileStatistics:
    """Return ``length`` (bytes), ``mtime_nsec`` and ``is_directory`` of a path, following links.

    Raises:
        NotFoundError: It is missing.
        NotADirectoryError: A part above it is a file.
    """
    return operations.stat(path, **where)


def join(path: PathInput, *args: PathInput) -> Any:
    """Join components with ``/``, as ``recordfs.paths.join`` does: all str (or os.PathLike), or all bytes.

    A component with a leading slash starts again at the root: of the bucket or host where there is one.

    Raises:
        TypeError: str and bytes are mixed.
    """
    parts = [os.fspath(part) for part in (path, *args)]
    kinds = {type(part) for part in parts}
    if kinds == {bytes}:
        return os.fsencode(paths.join(*map(os.fsdecode, parts)))
    if bytes in kinds:
        raise TypeError("join takes either str or bytes, not both")
    return paths.join(*map(os.fsdecode, parts))
