"""Which files are event files, and which of them belong to which run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from recordfs.errors import NotADirectoryError, NotFoundError
from recordfs.events.names import IGNORED_ENDING
from recordfs.events.stored_index import STORED_INDEX_PREFIX, stored_index_path
from recordfs.filesystem import FileStatistics
from recordfs.paths import basename, join_entry, parse_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recordfs.filesystem import FileSystem

__all__ = ["EventFile", "files_of_runs", "is_event_file"]


class EventFile(NamedTuple):
    """An event file as a listing shows it.

    Attributes:
        run: The run that it belongs to: its directory, relative to the log directory; ``"."`` for that itself.
        path: The full path.
        length: Its size in bytes; None where the listing does not know.
        mtime_nsec: When it was modified last, in nanoseconds since 1970; None where the listing does not know.
        version: As in FileStatistics; None where the listing does not know, or the store has none.
        has_stored_index: Whether an index stands beside it, as ``recordfs events index`` writes one.
    """

    run: str
    path: str
    length: int | None
    mtime_nsec: int | None
    version: str | None = None
    has_stored_index: bool = False

    @property
    def statistics(self) -> FileStatistics | None:
        """What ``stat`` would tell, where the listing told it."""
        if self.length is None or self.mtime_nsec is None:
            return None
        return FileStatistics(self.length, self.mtime_nsec, False, self.version)


def is_event_file(name: str) -> bool:
    """Tell whether TensorBoard takes a file for an event file, by its name.

    Source: ``IsSummaryEventsFile`` in ``tensorboard/backend/event_processing/io_wrapper.py``.
    """
    name = basename(name)
    return "tfevents" in name and not name.endswith(IGNORED_ENDING)


def files_of_runs(file_system: FileSystem, logdir: str) -> list[EventFile]:
    """Return the event files below a directory, sorted by run and name: the order in which TensorBoard reads them.

    A path that is a file itself is a run of one file, whatever its name is.

    Raises:
        NotFoundError: There is nothing at the path.
        Otherwise as listing does: what cannot be listed is never taken for empty.
    """
    if is_event_file(logdir) and not file_system.is_directory(logdir):
        return [_named_file(file_system, logdir)]
    try:
        files = sorted(_walk(file_system, logdir), key=lambda file: (file.run, file.path))
    except NotADirectoryError:
        return [_named_file(file_system, logdir)]
    if not files and not file_system.is_directory(logdir):
        try:
            return [_named_file(file_system, logdir)]
        except NotFoundError as error:
            raise NotFoundError("there is no such log directory", path=logdir) from error
    return files


def _named_file(file_system: FileSystem, path: str) -> EventFile:
    statistics = file_system.stat(path)
    return EventFile(".", path, statistics.length, statistics.mtime_nsec, statistics.version)


class _Links(NamedTuple):
    """The symbolic links that a walk has followed on its way to a directory. TensorBoard follows them as well.

    Attributes:
        left: The real paths of the directories that they were found in.
    """

    left: tuple[str, ...] = ()

    def followed(self, directory: str, link: str) -> _Links | None:
        """Return these links and one more; None for one that leads back up, or that only its filesystem can follow."""
        parsed = parse_path(link)
        if parsed.scheme not in ("", "file"):
            return None
        left = (*self.left, os.path.realpath(parse_path(directory).path))
        target = os.path.join(os.path.realpath(parsed.path), "")
        return None if any(os.path.join(real, "").startswith(target) for real in left) else _Links(left)


def _walk(file_system: FileSystem, logdir: str) -> Iterator[EventFile]:
    list_directory = file_system.tree_lister(logdir)
    waiting = [("", logdir, _Links())]
    top = logdir if logdir.endswith("/") else f"{logdir}/"
    while waiting:
        run, directory, links = waiting.pop()
        found = []
        indexes = set()
        try:
            for entry in list_directory(directory):
                if entry.is_directory:
                    path = join_entry(directory, entry.name, is_directory=True)
                    after = links.followed(directory, path) if entry.is_symbolic_link else links
                    if after is not None:
                        # A key with two slashes has a directory without a name, which the run's name keeps.
                        within = path.startswith(top) and len(path) > len(top)
                        child = path[len(top) :] if within else f"{run}/{entry.name}" if run else entry.name
                        waiting.append((child, path, after))
                elif is_event_file(entry.name):
                    path = join_entry(directory, entry.name, is_directory=False)
                    found.append(EventFile(run or ".", path, entry.length, entry.mtime_nsec, entry.version))
                elif entry.name.startswith(STORED_INDEX_PREFIX):
                    indexes.add(entry.name)
        except NotFoundError:
            if not run:
                raise
            # A run that is deleted while its siblings are listed.
        for file in found:
            yield file._replace(has_stored_index=basename(stored_index_path(file.path)) in indexes) if indexes else file
