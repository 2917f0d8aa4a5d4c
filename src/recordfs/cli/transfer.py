"""Copying for ``cp`` and ``mv``: what goes where is found out before the first byte moves, so progress has an end."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from recordfs.cli.parallel import do_in_parallel
from recordfs.cli.status import FAILED, OK
from recordfs.errors import (
    InvalidArgumentError,
    IsADirectoryError,
    NotADirectoryError,
    NotFoundError,
    RecordFSError,
)
from recordfs.operations import copy
from recordfs.paths import basename, dirname, join
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from recordfs.cli.console import Console
    from recordfs.filesystem import DirectoryEntry, FileSystem

__all__ = ["CopyPlan", "copy_planned", "delete_copied", "inside", "make_parent", "plan_copy", "targets_of"]


class PlannedFile(NamedTuple):
    """One file to copy; ``length`` is in bytes, 0 where the store cannot tell."""

    source: str
    target: str
    length: int


class CopyPlan(NamedTuple):
    """What a copy comes to.

    Attributes:
        files: In the order in which they are copied.
        directories: To be made at the target, each behind its parent; where a store has no directories of its own only
            those that are empty.
        source_directories: Each before what is in it.
        skipped_links: Links to directories in the source, which are not followed.
    """

    files: list[PlannedFile]
    directories: list[str]
    source_directories: list[str]
    skipped_links: list[str]

    @classmethod
    def empty(cls) -> CopyPlan:
        """Return a plan of nothing, to be added to."""
        return cls([], [], [], [])


def targets_of(sources: Sequence[str], target: str) -> list[str]:
    """Return where each source goes, as ``cp`` and ``mv`` of every system decide it.

    Into the target, under its own name, if the target is a directory, ends with a slash, or has to hold several;
    otherwise the target is the new name.

    Raises:
        NotADirectoryError: The target has to be a directory, and is a file.
        InvalidArgumentError: Two sources would get the same name.
    """
    file_system = get_file_system(target)
    is_directory = file_system.is_directory(target)
    if not (is_directory or target.endswith("/") or len(sources) > 1):
        return [target]
    if not is_directory and file_system.file_exists(target.rstrip("/")):
        raise NotADirectoryError("this has to be a directory to take what is copied, and is a file", path=target)
    targets = [join(target, _own_name(source)) for source in sources]
    if len(set(targets)) < len(targets):
        double = next(path for path in targets if targets.count(path) > 1)
        raise InvalidArgumentError("two of the sources have the same name, and would replace each other", path=double)
    return targets


def _own_name(path: str) -> str:
    """Return the last component of a path; nothing for a bare root, ``.`` and ``..``, whose contents are meant."""
    name = basename(path.rstrip("/"))
    return "" if name in (".", "..") else name


def plan_copy(source: str, target: str, plan: CopyPlan, *, recursive: bool) -> None:
    """Find out what a copy of a file or of a directory comes to, and add it to a plan.

    Raises:
        NotFoundError: The source is missing.
        IsADirectoryError: It is a directory, and ``recursive`` is False.
        InvalidArgumentError: The target lies inside the source.
    """
    file_system = get_file_system(source)
    statistics = file_system.stat(source)
    if not statistics.is_directory:
        plan.files.append(PlannedFile(source, target, max(0, statistics.length)))
        return
    if not recursive:
        raise IsADirectoryError("this is a directory; -r copies directories", path=source)
    if inside(source, target):
        raise InvalidArgumentError(f"a directory cannot be copied into itself, to {target}", path=source)
    explicit = get_file_system(target).capabilities(target).directories == "explicit"
    _plan_directory(file_system, file_system.tree_lister(source), source, target, plan, explicit=explicit)


def _plan_directory(
    file_system: FileSystem,
    list_directory: Callable[[str], Iterable[DirectoryEntry]],
    source: str,
    target: str,
    plan: CopyPlan,
    *,
    explicit: bool,
) -> None:
    """Add a directory and everything below it, by name."""
    entries = sorted(list_directory(source), key=lambda entry: entry.name)
    plan.source_directories.append(source)
    if explicit or not entries:
        plan.directories.append(target)
    for entry in entries:
        child, child_target = join(source, entry.name), join(target, entry.name)
        if entry.is_directory and entry.is_symbolic_link:
            plan.skipped_links.append(child)
        elif entry.is_directory:
            _plan_directory(file_system, list_directory, child, child_target, plan, explicit=explicit)
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


def copy_planned(plan: CopyPlan, console: Console, *, overwrite: bool, jobs: int) -> int:
    """Carry a plan out under a progress bar, going on after a failure.

    Args:
        plan: What to copy.
        console: Takes a line for each failure.
        overwrite: Replace files that exist; otherwise each is a failure.
        jobs: How many files to copy at once.

    Returns:
        The exit status.
    """
    status = OK
    for link in plan.skipped_links:
        console.error(f"{link}: not copied: this is a link to a directory, and links are not followed")
        status = FAILED
    for directory in plan.directories:
        try:
            get_file_system(directory).recursively_create_dir(directory)
        except RecordFSError as error:
            status = max(status, console.failure(error))

    def copy_file(file: PlannedFile) -> None:
        make_parent(file.target)
        advance = partial(progress.advance, what=file.source)
        copy(file.source, file.target, overwrite=overwrite, progress=advance)

    def note(file: PlannedFile, outcome: RecordFSError | None) -> None:
        nonlocal status
        if outcome is not None:
            status = max(status, console.failure(outcome))

    with console.progress("copying", total=sum(file.length for file in plan.files)) as progress:
        do_in_parallel(copy_file, plan.files, jobs, progress, note)
    return status


def delete_copied(plan: CopyPlan, console: Console, *, jobs: int) -> int:
    """Delete what a plan has copied and nothing else: what has come into the source meanwhile stays.

    Returns:
        The exit status.
    """
    status = OK

    def delete(file: PlannedFile) -> None:
        get_file_system(file.source).delete_file(file.source)
        progress.advance(1, file.source)

    def note(file: PlannedFile, outcome: RecordFSError | None) -> None:
        nonlocal status
        if outcome is not None:
            status = max(status, console.failure(outcome))

    with console.progress("deleting", total=len(plan.files), unit="files") as progress:
        do_in_parallel(delete, plan.files, jobs, progress, note)
    for directory in reversed(plan.source_directories):
        try:
            get_file_system(directory).delete_dir(directory)
        except NotFoundError:
            pass  # where a store has no directories of its own, it went with the last file
        except RecordFSError as error:
            status = max(status, console.failure(error))
    return status


def make_parent(path: str) -> None:
    """Make the directory above a path, where the store has directories that need making."""
    parent = dirname(path)
    file_system = get_file_system(path)
    if parent and file_system.capabilities(parent).directories == "explicit":
        file_system.recursively_create_dir(parent)
