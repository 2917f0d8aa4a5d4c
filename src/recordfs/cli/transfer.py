"""Copying for ``cp`` and ``mv``: what goes where is found out before the first byte moves, so progress has an end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from recordfs.errors import (
    InvalidArgumentError,
    IsADirectoryError,
    NotADirectoryError,
    RecordFSError,
)
from recordfs.operations import copy
from recordfs.paths import basename, dirname, join
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from recordfs.cli.console import Console
    from recordfs.filesystem import FileSystem

__all__ = ["CopyPlan", "copy_planned", "inside", "plan_copy", "targets_of"]


class PlannedFile(NamedTuple):
    """One file to copy; ``length`` is in bytes, 0 where the store cannot tell."""

    source: str
    target: str
    length: int


class CopyPlan(NamedTuple):
    """What a copy of one argument comes to.

    Attributes:
        files: In the order in which they are copied.
        directories: To be made at the target, each behind its parent.
        skipped_links: Links to directories in the source, which are not followed.
    """

    files: list[PlannedFile]
    directories: list[str]
    skipped_links: list[str]


def targets_of(sources: Sequence[str], target: str) -> list[str]:
    """Return where each source goes, as ``cp`` and ``mv`` of every system decide it.

    Into the target, under its own name, if the target is a directory, ends with a slash, or has to hold several;
    otherwise the target is the new name.

    Raises:
        NotADirectoryError: The target has to be a directory, and is a file.
    """
    file_system = get_file_system(target)
    is_directory = file_system.is_directory(target)
    if not (is_directory or target.endswith("/") or len(sources) > 1):
        return [target]
    if not is_directory and file_system.file_exists(target.rstrip("/")):
        raise NotADirectoryError("this has to be a directory to take what is copied, and is a file", path=target)
    return [join(target, _own_name(source)) for source in sources]


def _own_name(path: str) -> str:
    """Return the last component of a path; nothing for a bare root, ``.`` and ``..``, whose contents are meant."""
    name = basename(path.rstrip("/"))
    return "" if name in (".", "..") else name


def plan_copy(source: str, target: str, *, recursive: bool) -> CopyPlan:
    """Find out what a copy of a file or of a directory comes to.

    Raises:
        NotFoundError: The source is missing.
        IsADirectoryError: It is a directory, and ``recursive`` is False.
        InvalidArgumentError: The target lies inside the source.
    """
    file_system = get_file_system(source)
    statistics = file_system.stat(source)
    if not statistics.is_directory:
        return CopyPlan([PlannedFile(source, target, max(0, statistics.length))], [], [])
    if not recursive:
        raise IsADirectoryError("this is a directory; -r copies directories", path=source)
    if inside(source, target):
        raise InvalidArgumentError(f"a directory cannot be copied into itself, to {target}", path=source)
    plan = CopyPlan([], [], [])
    _plan_directory(file_system, source, target, plan)
    return plan


def _plan_directory(file_system: FileSystem, source: str, target: str, plan: CopyPlan) -> None:
    """Add a directory and everything below it, by name."""
    plan.directories.append(target)
    for entry in sorted(file_system.list_directory(source), key=lambda entry: entry.name):
        child, child_target = join(source, entry.name), join(target, entry.name)
        if entry.is_directory and entry.is_symbolic_link:
            plan.skipped_links.append(child)
        elif entry.is_directory:
            _plan_directory(file_system, child, child_target, plan)
        else:
            length = entry.length if entry.length is not None else _length_or_zero(file_system, child)
            plan.files.append(PlannedFile(child, child_target, max(0, length)))


def _length_or_zero(file_system: FileSystem, path: str) -> int:
    """Return a length for the progress bar. What is wrong with the file is reported when it is copied."""
    try:
        return file_system.stat(path).length
    except RecordFSError:
        return 0


def inside(directory: str, path: str) -> bool:
    """Tell whether a path is a directory itself or lies below it, by name."""
    file_system = get_file_system(directory)
    if get_file_system(path) is not file_system:
        return False
    outer = file_system.canonical_path(directory).rstrip("/") + "/"
    return (file_system.canonical_path(path).rstrip("/") + "/").startswith(outer)


def copy_planned(plan: CopyPlan, console: Console, advance: Callable[[int, str], None], *, overwrite: bool) -> int:
    """Carry a plan out, going on after a failure.

    Args:
        plan: What to copy.
        console: Takes a line for each failure.
        advance: Called with the number of bytes that have been copied since its last call, and the file's path.
        overwrite: Replace files that exist; otherwise each is a failure.

    Returns:
        The exit status.
    """
    status = 0
    for link in plan.skipped_links:
        console.error(f"{link}: not copied: this is a link to a directory, and links are not followed")
        status = 1
    try:
        for directory in plan.directories:
            get_file_system(directory).recursively_create_dir(directory)
    except RecordFSError as error:
        return console.failure(error)
    for file in plan.files:
        try:
            _copy_file(file, advance, overwrite=overwrite)
        except RecordFSError as error:
            status = max(status, console.failure(error))
    return status


def _copy_file(file: PlannedFile, advance: Callable[[int, str], None], *, overwrite: bool) -> None:
    """Copy one file, and make the directories above it where the store has such."""
    target_system = get_file_system(file.target)
    parent = dirname(file.target)
    if parent and target_system.capabilities(parent).directories == "explicit":
        target_system.recursively_create_dir(parent)
    copy(file.source, file.target, overwrite=overwrite, progress=lambda count: advance(count, file.source))
