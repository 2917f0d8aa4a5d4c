"""Directories that are made with those above them, and deleted with all in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    NotADirectoryError,
    NotFoundError,
    RecordFSError,
)
from recordfs.paths import clean_path, dirname, is_plain_name, join, parse_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recordfs.filesystem import FileSystem

__all__ = [
    "MAX_REPORTED_FAILURES",
    "UndeletedError",
    "check_not_local_root",
    "create_with_parents",
    "delete_recursively",
    "undeleted_error",
]

MAX_REPORTED_FAILURES = 100
"""Failures of one deletion that its error holds."""


class UndeletedError(FailedPreconditionError):
    """A tree could not be deleted as a whole.

    Attributes:
        failures: The first hundred of what could not be deleted, as ``(path, error)``.
        undeleted_files: How many files could not be, all counted.
        undeleted_directories: How many directories.
    """

    failures: Sequence[tuple[str, RecordFSError]] = ()
    undeleted_files: int = 0
    undeleted_directories: int = 0


def create_with_parents(file_system: FileSystem, path: str) -> None:
    """Make a directory and those above it that are missing."""
    missing = []
    current = path
    while True:
        try:
            statistics = file_system.stat(current)
        except NotFoundError:
            missing.append(current)
            parent = dirname(current.rstrip("/") or current)
            if parent in (current, ""):
                break
            current = parent
            continue
        if not statistics.is_directory:
            raise NotADirectoryError("a file stands where a directory is to be made", path=current)
        break
    for directory in reversed(missing):
        try:
            file_system.create_dir(directory)
        except AlreadyExistsError:
            # Somebody else made it meanwhile, which is as good, unless it is a file.
            if not file_system.is_directory(directory):
                raise NotADirectoryError("a file stands where a directory is to be made", path=directory) from None


def check_not_local_root(path: str) -> None:
    """Raise where a deletion would take this machine: ``file://tmp/`` is ``/``, because what comes first is a host."""
    parsed = parse_path(path)
    if parsed.scheme in ("", "file") and clean_path(parsed.path) == "/":
        raise FailedPreconditionError(
            "this is the root of all local files, which is never deleted; delete what is in it by name"
            + (f" (in a URL {parsed.authority!r} is a host: file:///{parsed.authority})" if parsed.authority else ""),
            path=path,
        )


def delete_recursively(file_system: FileSystem, path: str) -> None:
    """Delete a tree from its leaves up, going on after failures."""
    check_not_local_root(path)
    if not file_system.stat(path).is_directory:
        file_system.delete_file(path)
        return
    failures: list[tuple[str, RecordFSError]] = []
    undeleted = [0, 0]
    unlisted: dict[str, RecordFSError] = {}

    def note(child: str, error: RecordFSError, *, directory: bool) -> None:
        undeleted[directory] += 1
        if len(failures) < MAX_REPORTED_FAILURES:
            failures.append((child, error))

    takes_any_name = file_system.capabilities(path).verbatim_names
    directories = [path]
    position = 0
    while position < len(directories):
        directory = directories[position]
        position += 1
        try:
            for entry in file_system.list_directory(directory):
                child = join(directory, entry.name)
                if not takes_any_name and not is_plain_name(entry.name):
                    # Followed, a name such as ".." would have what lies beside the tree deleted, and all above it.
                    note(child, _leads_out(child, entry.name), directory=entry.is_directory)
                    continue
                if entry.is_directory and not entry.is_symbolic_link:
                    directories.append(child)
                    continue
                try:
                    file_system.delete_file(child)
                except NotFoundError:
                    pass  # gone already, which is what was asked for
                except RecordFSError as error:
                    note(child, error, directory=False)
        except NotFoundError:
            pass
        except RecordFSError as error:
            unlisted[directory] = error
    for directory in reversed(directories):
        try:
            file_system.delete_dir(directory)
        except NotFoundError:
            pass
        except RecordFSError as error:
            # A directory that could not be listed is not empty for that reason, which is the one to tell.
            note(directory, unlisted.get(directory, error), directory=True)
    if failures:
        raise undeleted_error(path, failures, *undeleted) from failures[0][1]


def _leads_out(path: str, name: str) -> FailedPreconditionError:
    return FailedPreconditionError(
        f"the filesystem lists the name {name!r}, which leads out of the directory, and is not followed", path=path
    )


def undeleted_error(
    path: str, failures: list[tuple[str, RecordFSError]], files: int, directories: int
) -> UndeletedError:
    """Return the error of a tree that could not be deleted as a whole."""
    first_path, first_error = failures[0]
    error = UndeletedError(
        f"{files} file(s) and {directories} directory(ies) could not be deleted; the first is {first_path}: "
        f"{first_error.message}",
        path=path,
    )
    error.failures = failures
    error.undeleted_files = files
    error.undeleted_directories = directories
    return error
