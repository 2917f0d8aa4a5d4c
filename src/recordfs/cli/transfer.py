"""Copying for ``cp`` and ``mv``: what goes where is found out before the first byte moves, so progress has an end."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from recordfs.cli.formatting import format_count, format_duration, format_rate, format_size
from recordfs.cli.parallel import do_in_parallel
from recordfs.cli.status import FAILED, OK
from recordfs.errors import (
    AbortedError,
    InvalidArgumentError,
    IsADirectoryError,
    NotADirectoryError,
    NotFoundError,
    RecordFSError,
)
from recordfs.filesystem import DirectoryEntry
from recordfs.operations.tree_copy import CopyPair, copy_file, plan_tree_copy, target_of_entry
from recordfs.paths import basename, dirname, join
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recordfs.cli.console import Console
    from recordfs.filesystem import FileStatistics, FileSystem

__all__ = ["CopyPlan", "copy_planned", "delete_copied", "make_parent", "plan_copy", "targets_of"]


class PlannedFile(NamedTuple):
    """One file to copy; ``known`` is what is known of it, None where its listing told too little."""

    source: str
    target: str
    known: FileStatistics | None

    @property
    def length(self) -> int:
        """Its size in bytes, 0 where the store cannot tell."""
        return 0 if self.known is None else max(0, self.known.length)


class CopyPlan(NamedTuple):
    """What a copy comes to.

    Attributes:
        files: In the order in which they are copied.
        directories: To be made at the target, each after its parent; where a store has no directories of its own only
            those that are empty.
        source_directories: Each before what is in it.
        refused: What of the source cannot be copied, and why.
    """

    files: list[PlannedFile]
    directories: list[str]
    source_directories: list[str]
    refused: list[RecordFSError]

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
        InvalidArgumentError: Two sources would get the same name, or one is a key that would lead out of the target.
    """
    file_system = get_file_system(target)
    is_directory = file_system.is_directory(target)
    if not (is_directory or target.endswith("/") or len(sources) > 1):
        return [target]
    if not is_directory and file_system.file_exists(target.rstrip("/")):
        raise NotADirectoryError("this has to be a directory to take what is copied, and is a file", path=target)
    targets = [_target_in(file_system, target, source) for source in sources]
    if len(set(targets)) < len(targets):
        double = next(path for path in targets if targets.count(path) > 1)
        raise InvalidArgumentError("two of the sources have the same name, and would replace each other", path=double)
    return targets


def _target_in(file_system: FileSystem, directory: str, source: str) -> str:
    """Return where a source goes in a directory: under its own name, or, of what has none, its contents."""
    name = basename(source.rstrip("/"))
    source_system = get_file_system(source)
    if name in (".", "..") and source_system.capabilities(source).verbatim_names:
        try:
            return target_of_entry(file_system, directory, DirectoryEntry(name, is_directory=False))
        except InvalidArgumentError as error:
            error.path = source
            raise
    # Of a bare root, `.` and `..` the contents are meant.
    return join(directory, "" if name in (".", "..") else name)


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
        plan.files.append(PlannedFile(source, target, statistics))
        return
    if not recursive:
        raise IsADirectoryError("this is a directory; -r copies directories", path=source)
    pair = CopyPair(file_system, source, get_file_system(target), target)
    for step in plan_tree_copy(pair, follow_links=False):
        if step.error is not None:
            plan.refused.append(step.error)
        elif step.is_directory:
            plan.source_directories.append(step.source)
            if step.needs_making:
                plan.directories.append(step.target)
        else:
            known = step.known or _stat_or_none(file_system, step.source)
            plan.files.append(PlannedFile(step.source, step.target, known))


def _stat_or_none(file_system: FileSystem, path: str) -> FileStatistics | None:
    """Return what is known of a file. What is wrong with it is reported when it is copied."""
    try:
        return file_system.stat(path)
    except RecordFSError:
        return None


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
    status = FAILED if plan.refused else OK
    for refusal in plan.refused:
        console.failure(refusal)
    for directory in plan.directories:
        try:
            get_file_system(directory).recursively_create_dir(directory)
        except RecordFSError as error:
            status = max(status, console.failure(error))

    def copy_one(file: PlannedFile) -> None:
        make_parent(file.target)
        advance = partial(progress.advance, what=file.source)
        pair = CopyPair(get_file_system(file.source), file.source, get_file_system(file.target), file.target)
        copy_file(pair, overwrite=overwrite, progress=advance, known=file.known)

    copied = 0

    def note(file: PlannedFile, outcome: RecordFSError | None) -> None:
        nonlocal status, copied
        if outcome is None:
            copied += 1
        else:
            status = max(status, console.failure(outcome))

    began = time.perf_counter()
    with console.progress("copying", total=sum(file.length for file in plan.files)) as progress:
        do_in_parallel(copy_one, plan.files, jobs, progress, note)
    seconds = time.perf_counter() - began
    console.remark(
        f"copied {format_count(copied, 'file')} ({format_size(progress.done)}) in {format_duration(seconds)} "
        f"({format_rate(progress.done, seconds)})"
    )
    return status


def delete_copied(plan: CopyPlan, console: Console, *, jobs: int) -> int:
    """Delete what a plan has copied and nothing else: what has come into the source meanwhile, or was written, stays.

    Returns:
        The exit status.
    """
    status = OK

    def delete(file: PlannedFile) -> None:
        file_system = get_file_system(file.source)
        if file.known is not None and not _is_unchanged(file.known, file_system.stat(file.source)):
            raise AbortedError(
                "not deleted, because it was written to while it was copied: the copy may not have all of it",
                path=file.source,
            )
        file_system.delete_file(file.source)
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


def _is_unchanged(known: FileStatistics, now: FileStatistics) -> bool:
    """Tell whether a file is still what it was before it was copied, as far as the store can tell."""
    if known.version is not None and now.version is not None:
        return known.version == now.version
    return (known.length, known.mtime_nsec) == (now.length, now.mtime_nsec)


def make_parent(path: str) -> None:
    """Make the directory above a path, where the store has directories that need making."""
    parent = dirname(path)
    file_system = get_file_system(path)
    if parent and file_system.capabilities(parent).directories == "explicit":
        file_system.recursively_create_dir(parent)
