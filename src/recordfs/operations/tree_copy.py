"""What a copy of a tree comes to, step by step: which file goes where, and what cannot go at all.

A store's names are not to be trusted: ``..`` is a key like any other on S3 and leads out of a local directory. So each
name becomes a path of the target here and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from recordfs.errors import AlreadyExistsError, FailedPreconditionError, InvalidArgumentError, RecordFSError
from recordfs.filesystem_defaults.copies import stream_copy
from recordfs.operations.walking import DirectoryChain
from recordfs.paths import is_plain_name, is_temporary_name, join, join_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recordfs.filesystem import DirectoryEntry, FileStatistics, FileSystem

__all__ = ["CopyPair", "CopyStep", "copy_file", "is_inside", "plan_tree_copy", "target_of_entry"]


class CopyPair(NamedTuple):
    """The two ends of a copy."""

    source_file_system: FileSystem
    source: str
    target_file_system: FileSystem
    target: str


class CopyStep(NamedTuple):
    """One file or directory of a tree that is copied.

    Attributes:
        source: Where it is.
        target: Where it goes; empty if it cannot go anywhere.
        is_directory: It is a directory: to be made at the target if ``needs_making``.
        needs_making: Files in it do not bring the directory with them.
        known: What the listing told of a file; None if it told too little.
        error: Why it is not copied; what is below it is not either.
    """

    source: str
    target: str
    is_directory: bool
    needs_making: bool = False
    known: FileStatistics | None = None
    error: RecordFSError | None = None


def copy_file(
    pair: CopyPair,
    *,
    overwrite: bool,
    progress: Callable[[int], object] | None,
    known: FileStatistics | None = None,
) -> int:
    """Copy one file, by the store itself where it can, and return its size in bytes.

    Args:
        pair: What to copy, and the name of the copy.
        overwrite: Replace a file that is there.
        progress: Called with a number of bytes whenever so many more have been copied.
        known: What is known of the source, from a listing or ``stat``.

    Raises:
        As ``operations.copy``.
    """
    source_system, source, target_system, target = pair
    if source_system is target_system:
        source_system.copy_file(source, target, overwrite=overwrite)
        size = source_system.get_file_size(target) if known is None else max(0, known.length)
        if progress is not None and size > 0:
            progress(size)
        return size
    if not overwrite and target_system.file_exists(target):
        raise AlreadyExistsError("the target of a copy exists and overwrite is False", path=target)
    return stream_copy(*pair, overwrite=overwrite, progress=progress, known=known)


def is_inside(file_system: FileSystem, directory: str, path: str) -> bool:
    """Tell whether a path is a directory itself or lies below it, through whatever links."""
    outer = file_system.canonical_path(directory).rstrip("/") + "/"
    return (file_system.canonical_path(path).rstrip("/") + "/").startswith(outer)


def target_of_entry(file_system: FileSystem, directory: str, entry: DirectoryEntry) -> str:
    """Return the path in a directory that the copy of something in another gets.

    Raises:
        InvalidArgumentError: Its name would lead out of the directory, or no path can hold it.
        FailedPreconditionError: It is a directory beside a file of its name, which this filesystem cannot have.
    """
    if "\0" in entry.name:
        raise InvalidArgumentError(f"the name {entry.name!r} holds a NUL character, which no path can")
    if is_plain_name(entry.name):
        return join(directory, entry.name)
    if file_system.capabilities(directory).verbatim_names:
        return join_entry(directory, entry.name, is_directory=entry.is_directory)
    if is_plain_name(entry.name.removesuffix("/")):
        raise FailedPreconditionError(
            f"a key and keys below it cannot both be copied: in {directory} the name {entry.name[:-1]!r} is a file's "
            "or a directory's"
        )
    raise InvalidArgumentError(f"the name {entry.name!r} leads out of the target {directory}, and is refused")


def plan_tree_copy(pair: CopyPair, *, follow_links: bool) -> Iterator[CopyStep]:
    """Iterate over what a copy of a directory comes to, by name, each directory before what is in it.

    Args:
        pair: What to copy, and the name of the copy.
        follow_links: Go into directories that are symbolic links; else each is a step with an error.

    Yields:
        Steps. What cannot be listed, has no name at the target or leads round in a circle is one with an ``error``.

    Raises:
        InvalidArgumentError: The target lies inside the source.
    """
    source_system, source, target_system, target = pair
    if source_system is target_system and is_inside(source_system, source, target):
        raise InvalidArgumentError(f"a directory cannot be copied into itself, to {target}", path=source)
    explicit = target_system.capabilities(target).directories == "explicit"
    list_directory = source_system.tree_lister(source)
    stack = [(DirectoryChain(source, None), target)]
    while stack:
        chain, here = stack.pop()
        directory = chain.directory
        try:
            listed = [entry for entry in list_directory(directory) if not is_temporary_name(entry.name)]
            entries = sorted(listed, key=lambda entry: entry.name)
        except RecordFSError as error:
            yield CopyStep(directory, here, is_directory=True, error=error)
            continue
        yield CopyStep(directory, here, is_directory=True, needs_making=explicit or not entries)
        below = []
        for entry in entries:
            step = _step_of(pair, chain, here, entry, follow_links=follow_links)
            if step.is_directory and step.error is None:
                below.append((DirectoryChain(step.source, chain), step.target))
            else:
                yield step
        stack.extend(reversed(below))


def _step_of(
    pair: CopyPair, chain: DirectoryChain, here: str, entry: DirectoryEntry, *, follow_links: bool
) -> CopyStep:
    """Return the step for one entry of a directory, whose copy is ``here``."""
    source = join_entry(chain.directory, entry.name, is_directory=entry.is_directory)
    target = ""
    error: RecordFSError | None = None
    try:
        target = target_of_entry(pair.target_file_system, here, entry)
        if entry.is_directory and entry.is_symbolic_link:
            _check_link(pair, chain, source, follow_links=follow_links)
    except (FailedPreconditionError, InvalidArgumentError) as refusal:
        refusal.path = source
        error = refusal
    return CopyStep(source, target, entry.is_directory, known=entry.statistics, error=error)


def _check_link(pair: CopyPair, chain: DirectoryChain, link: str, *, follow_links: bool) -> None:
    """Raise unless a link to a directory may be followed, and leads to something that has an end.

    A copy without end needs a way back to a directory that the walk came through, or into the copy itself: as every
    other way to the target was refused at the beginning, that is a link above the target, or into it.
    """
    if not follow_links:
        raise FailedPreconditionError("not copied: this is a link to a directory, and links are not followed")
    source_system, source, target_system, target = pair
    if chain.holds(source_system, link) or is_inside(source_system, link, source):
        raise FailedPreconditionError("a symbolic link leads back to a directory above it")
    if source_system is target_system and (
        is_inside(source_system, link, target) or is_inside(source_system, target, link)
    ):
        raise FailedPreconditionError(f"a symbolic link leads to the copy {target}, or to a directory above it")
