"""The paths that the user's words stand for: patterns are matched on any filesystem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.errors import InvalidArgumentError, RecordFSError
from recordfs.filesystem_defaults.patterns import no_match_error
from recordfs.operations import glob
from recordfs.paths import has_wildcards
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from recordfs.cli.console import Console

__all__ = [
    "check_is_no_source",
    "expand",
    "expand_all",
    "expand_record_files",
    "for_each_path",
    "lengths_of",
    "total_length",
]


def expand(path: str) -> list[str]:
    """Return the paths that one argument means.

    A path without wildcards means itself, whether it exists or not. One with wildcards means the file of just that
    name if there is one, else what matches, sorted; a component ``**`` matches any number of directories.

    Raises:
        NotFoundError: Nothing matches. An empty result would look like success.
    """
    if not has_wildcards(path):
        return [path]
    file_system = get_file_system(path)
    if file_system.file_exists(path):
        return [path]
    matches = glob(path, recursive=True)
    if not matches:
        raise no_match_error(file_system, path)
    return matches


def check_is_no_source(target: str, sources: Iterable[str]) -> None:
    """Refuse to write a result over a file that it is made of.

    Raises:
        InvalidArgumentError: Both paths lead to one file.
    """
    file_system = get_file_system(target)
    written = file_system.canonical_path(target)
    for source in sources:
        if get_file_system(source) is file_system and file_system.canonical_path(source) == written:
            raise InvalidArgumentError(
                f"this would replace {source}, which it is made of: give it a path of its own", path=target
            )


def expand_all(arguments: Iterable[str], console: Console) -> tuple[list[str], int]:
    """Return the paths that all arguments mean, and the exit status of those that mean none, which are printed."""
    paths: list[str] = []
    status = 0
    for argument in arguments:
        try:
            paths += expand(argument)
        except RecordFSError as error:
            status = max(status, console.failure(error))
    return paths, status


def expand_record_files(arguments: Iterable[str], console: Console) -> tuple[list[str], int]:
    """Do the same for record files: the index of one that is meant too is left out, and counted in a remark.

    ``data/*`` means the records, also where the shell has expanded it.
    """
    from recordfs.records.index import without_indexes  # the commands for other files have no use for it

    paths, status = expand_all(arguments, console)
    records = without_indexes(paths)
    if len(records) < len(paths):
        console.remark(f"left out {len(paths) - len(records)} indexes of these files")
    return records, status


def total_length(paths: Sequence[str], console: Console) -> int | None:
    """Return how many bytes files have together, for a progress bar; None where none would be drawn."""
    lengths = lengths_of(paths, console)
    return None if lengths is None else sum(lengths)


def lengths_of(paths: Sequence[str], console: Console) -> list[int] | None:
    """Return how many bytes each of some files has, for a progress bar; None where none would be drawn."""
    if not console.draws_progress:
        return None
    if len(paths) < 2:
        return [_length_or_zero(path) for path in paths]
    from concurrent.futures import ThreadPoolExecutor  # many questions to a far store are mostly waiting

    with ThreadPoolExecutor(16) as executor:
        return list(executor.map(_length_or_zero, paths))


def _length_or_zero(path: str) -> int:
    """Return the length of a file. What is wrong with it is told by whoever reads it."""
    try:
        return max(0, get_file_system(path).stat(path).length)
    except RecordFSError:
        return 0


def for_each_path(
    arguments: Iterable[str],
    console: Console,
    work: Callable[[str], None],
    *,
    expand: Callable[[Iterable[str], Console], tuple[list[str], int]] = expand_all,
) -> int:
    """Do something with every path that the arguments mean, going on after a failure.

    Returns:
        The worst exit status; each failure has been printed as a line of its own.
    """
    meant, status = expand(arguments, console)
    for path in meant:
        try:
            work(path)
        except RecordFSError as error:
            status = max(status, console.failure(error))
    return status
