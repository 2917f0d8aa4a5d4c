"""What people do with files and trees, on any filesystem and between two: copy, rename, walk, match patterns.

Every function takes paths with or without a scheme and finds the filesystem itself; ``file_system=`` names one
instead, ``options=`` gives the found one its options. Errors are those of the filesystem contract. All may be
called from several threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs.errors import UnimplementedError
from recordfs.filesystem_defaults.patterns import find_matching_paths
from recordfs.operations.tree_copy import CopyPair, copy_file, plan_tree_copy
from recordfs.operations.walking import walk_tree
from recordfs.registry import canonical_scheme, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Unpack

    from recordfs.errors import RecordFSError
    from recordfs.filesystem import FileStatistics, FileSystem
    from recordfs.paths import PathInput
    from recordfs.registry import Where

    Options = Mapping[str, Any] | None

__all__ = [
    "TreeCopy",
    "copy",
    "copy_tree",
    "exists",
    "glob",
    "isdir",
    "listdir",
    "makedirs",
    "mkdir",
    "remove",
    "rename",
    "rmtree",
    "stat",
    "walk",
]


class TreeCopy(NamedTuple):
    """What ``copy_tree`` did.

    Attributes:
        files: How many files were copied.
        directories: How many directories the tree has, its top included.
        bytes: How many bytes the copied files have.
    """

    files: int
    directories: int
    bytes: int


def exists(path: PathInput, **where: Unpack[Where]) -> bool:
    """Tell whether a file or directory is there; not for a symbolic link that leads nowhere.

    Raises:
        As ``FileSystem.file_exists``: UnavailableError, where no answer is not taken for a "no".
    """
    file_system, name = resolve(path, **where)
    return file_system.file_exists(name)


def isdir(path: PathInput, **where: Unpack[Where]) -> bool:
    """Tell whether a path is a directory.

    Raises:
        As ``FileSystem.is_directory``: UnavailableError, where no answer is not taken for a "no".
    """
    file_system, name = resolve(path, **where)
    return file_system.is_directory(name)


def stat(path: PathInput, **where: Unpack[Where]) -> FileStatistics:
    """Return size, time of modification and kind of a path.

    Raises:
        NotFoundError: It is missing.
        Otherwise as ``FileSystem.stat``.
    """
    file_system, name = resolve(path, **where)
    return file_system.stat(name)


def listdir(path: PathInput, **where: Unpack[Where]) -> list[str]:
    """Return the bare names of a directory's children, in no order.

    Raises:
        NotFoundError: It is missing.
        NotADirectoryError: It is a file.
        Otherwise as ``FileSystem.get_children``.
    """
    file_system, name = resolve(path, **where)
    return file_system.get_children(name)


def mkdir(path: PathInput, **where: Unpack[Where]) -> None:
    """Make one directory.

    Raises:
        AlreadyExistsError: Anything stands there.
        NotFoundError: The directory above it is missing, where directories have to be made.
        Otherwise as ``FileSystem.create_dir``.
    """
    file_system, name = resolve(path, **where)
    file_system.create_dir(name)


def makedirs(path: PathInput, **where: Unpack[Where]) -> None:
    """Make a directory and what is missing above it; fine if it exists.

    Raises:
        NotADirectoryError: A file stands in the way.
        Otherwise as ``FileSystem.recursively_create_dir``.
    """
    file_system, name = resolve(path, **where)
    file_system.recursively_create_dir(name)


def remove(path: PathInput, **where: Unpack[Where]) -> None:
    """Delete one file or symbolic link.

    Raises:
        NotFoundError: It is missing.
        IsADirectoryError: It is a directory.
        Otherwise as ``FileSystem.delete_file``.
    """
    file_system, name = resolve(path, **where)
    file_system.delete_file(name)


def rmtree(path: PathInput, **where: Unpack[Where]) -> None:
    """Delete a directory with all in it, or a file; never follows a symbolic link.

    Raises:
        NotFoundError: It is missing.
        Otherwise as ``FileSystem.delete_recursively``.
    """
    file_system, name = resolve(path, **where)
    file_system.delete_recursively(name)


def _resolve_pair(
    source: PathInput,
    target: PathInput,
    file_system: FileSystem | None,
    options: Options,
    target_file_system: FileSystem | None,
    target_options: Options,
) -> CopyPair:
    """Return filesystem and name of both paths; the target shares the source's where nothing else is said."""
    source_system, source_name = resolve(source, file_system=file_system, options=options)
    if target_file_system is None and target_options is None and canonical_scheme(source) == canonical_scheme(target):
        target_file_system = source_system
    target_system, target_name = resolve(target, file_system=target_file_system, options=target_options)
    return CopyPair(source_system, source_name, target_system, target_name)


def rename(
    source: PathInput,
    target: PathInput,
    *,
    overwrite: bool = False,
    **where: Unpack[Where],
) -> None:
    """Move a file or directory to another name on the same filesystem.

    The keywords hold for both paths.

    Raises:
        UnimplementedError: The two paths belong to different filesystems.
        Otherwise as ``FileSystem.rename_file``.
    """
    if canonical_scheme(source) != canonical_scheme(target):
        raise UnimplementedError(
            f"a rename stays within one filesystem, and {target!r} is on another; copy it and delete this",
            path=resolve(source, **where)[1],
        )
    file_system, source_name = resolve(source, **where)
    _, target_name = resolve(target, file_system=file_system)
    file_system.rename_file(source_name, target_name, overwrite=overwrite)


def copy(
    source: PathInput,
    target: PathInput,
    *,
    overwrite: bool = False,
    progress: Callable[[int], object] | None = None,
    file_system: FileSystem | None = None,
    options: Options = None,
    target_file_system: FileSystem | None = None,
    target_options: Options = None,
) -> None:
    """Copy one file, within a filesystem or between any two. A copy onto itself leaves the file as it is.

    Args:
        source: The file to read.
        target: The name of the copy, never a directory to copy into.
        overwrite: Replace a file that is there.
        progress: Called with a number of bytes whenever so many more have been copied.
        file_system: Serves the source, and a target with the same scheme.
        options: For the source, and for a target with the same scheme.
        target_file_system: Serves the target.
        target_options: For the target.

    Raises:
        NotFoundError: The source is missing (nothing is made then), or the target's directory is.
        AlreadyExistsError: ``overwrite`` is False and the target exists.
        IsADirectoryError: One of the two is a directory.
    """
    pair = _resolve_pair(source, target, file_system, options, target_file_system, target_options)
    if pair.source_file_system is pair.target_file_system and progress is None:
        pair.source_file_system.copy_file(pair.source, pair.target, overwrite=overwrite)  # nobody asks for the size
    else:
        copy_file(pair, overwrite=overwrite, progress=progress)


def copy_tree(
    source: PathInput,
    target: PathInput,
    *,
    overwrite: bool = False,
    progress: Callable[[int], object] | None = None,
    file_system: FileSystem | None = None,
    options: Options = None,
    target_file_system: FileSystem | None = None,
    target_options: Options = None,
) -> TreeCopy:
    """Copy a directory with all in it, or a file, to a target that is made or added to.

    Symbolic links are followed: what they point to is copied. What writers have not published is left out. Stops at the
    first error and leaves what was copied. Arguments as in ``copy``.

    Raises:
        InvalidArgumentError: The target lies inside the source, or a name in the source would lead out of the target.
        FailedPreconditionError: A symbolic link leads back to a directory above it or to the copy; or the source has
            both a key and keys below it, and the target cannot.
        Otherwise as ``copy``.
    """
    pair = _resolve_pair(source, target, file_system, options, target_file_system, target_options)
    known = pair.source_file_system.stat(pair.source)
    if not known.is_directory:
        return TreeCopy(1, 0, copy_file(pair, overwrite=overwrite, progress=progress, known=known))
    files = directories = size = 0
    for step in plan_tree_copy(pair, follow_links=True):
        if step.error is not None:
            raise step.error
        if step.is_directory:
            if step.needs_making:
                pair.target_file_system.recursively_create_dir(step.target)
            directories += 1
        else:
            ends = pair._replace(source=step.source, target=step.target)
            size += copy_file(ends, overwrite=overwrite, progress=progress, known=step.known)
            files += 1
    return TreeCopy(files, directories, size)


def walk(
    top: PathInput,
    topdown: bool = True,
    onerror: Callable[[RecordFSError], object] | None = None,
    followlinks: bool = False,
    **where: Unpack[Where],
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Iterate over a tree of directories, like ``os.walk``; what writers have not published is left out.

    Args:
        top: Where to begin. If it is missing or a file, nothing is yielded.
        topdown: Yield a directory before what is in it, and let the caller prune its list of directories in place;
            else after it.
        onerror: Called with the error of each directory that cannot be listed, or that is a link back to a directory
            above; the walk goes on if it returns. Without it a missing directory and such a link are passed over, and
            other errors end the walk.
        followlinks: Go into directories that are symbolic links, but never round in circles.
        **where: What serves ``top``.

    Yields:
        ``(directory, names of directories, names of files)``, where ``directory`` begins as ``top`` was given.
        Links to directories stand among the directories. In a store of keys a directory beside a file of its name
        stands there as ``name/``, and what has no name at all (of the key ``a//b``) as ``""``.
    """
    file_system, name = resolve(top, **where)
    return walk_tree(file_system, name, topdown, onerror, followlinks)


def glob(
    pattern: PathInput,
    *,
    recursive: bool = False,
    **where: Unpack[Where],
) -> list[str]:
    r"""Return the full paths that match a pattern, sorted.

    Args:
        pattern: ``* ? [..] [!..] [^..] \c`` match within one component of the path, names that begin with a dot too;
            what writers have not published (``.recordfs-tmp*``) only where the component begins with that name.
        recursive: Let a component ``**`` match any number of directories, none included; as the last one it matches
            everything below. Symbolic links to directories are not followed by it. Without this ``**`` is ``*``.
        **where: What serves the pattern.
    """
    file_system, text = resolve(pattern, **where)
    return find_matching_paths(file_system, text, recursive=True) if recursive else file_system.get_matching_paths(text)
