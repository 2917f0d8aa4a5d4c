"""What a save replaces: the files that were there when it began, and none that came since.

Nothing tells a data file that a killed saver left from one of another saver that is about to publish its index. So what
is replaced is moved aside first, and deleted after the end: a rename has one winner, who then sees what it caught and
can put it back. Where files cannot be moved in one step, stores replace an object only if it is what the writer saw.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from recordfs.errors import AbortedError, AlreadyExistsError, NotFoundError

if TYPE_CHECKING:
    from recordfs.filesystem import FileStatistics, FileSystem, WritableFile

__all__ = ["Replacement", "another_saver", "delete_if_there", "statistics_of"]


def statistics_of(file_system: FileSystem, path: str) -> FileStatistics | None:
    """Return what is known of a file; None if it is not there."""
    try:
        return file_system.stat(path)
    except NotFoundError:
        return None


def delete_if_there(file_system: FileSystem, path: str) -> bool:
    """Delete a file, and return whether it was there: it may have been moved, or somebody else deleted it."""
    try:
        file_system.delete_file(path)
    except NotFoundError:
        return False
    return True


class Replacement:
    """The files that one save replaces, until it is done or given up. One thread at a time.

    Args:
        file_system: Serves all of them.
        directory: Where they lie.
    """

    def __init__(self, file_system: FileSystem, directory: str) -> None:
        capabilities = file_system.capabilities(directory)
        self._file_system = file_system
        self._can_move = capabilities.atomic_rename and capabilities.exclusive_create
        self._writes_aside = capabilities.atomic_write
        # Where each file that is replaced is meanwhile, and what was published in its place.
        self._aside: dict[str, str] = {}
        self._published: dict[str, FileStatistics] = {}

    def path_to_write(self, path: str, known: FileStatistics | None) -> str:
        """Return where to write a file that ``publish`` brings to its path: another if it can be moved from there."""
        return path if known is None or not self._can_move else _temporary_path(path)

    def publish(self, file: WritableFile, path: str, known: FileStatistics | None) -> None:
        """Close a file that was written where ``path_to_write`` tells, and let it take its place.

        Args:
            file: The file. It was opened exclusively if ``known`` is None.
            path: Its path in the end.
            known: What was there when the save began, which is replaced; None for nothing.

        Raises:
            AlreadyExistsError: Something else is there by now: another saver is at work, and loses nothing.
        """
        if known is None or not self._can_move:
            if known is not None and self._writes_aside:
                self._check(path, known)
            try:
                file.close()
            except AbortedError as error:
                raise another_saver(path) from error
            return
        file.close()
        written = self._file_system.stat(file.name)
        self.clear(path, known)
        self._file_system.rename_file(file.name, path, overwrite=False)
        self._published[path] = written

    def clear(self, path: str, known: FileStatistics) -> None:
        """Take a file away, for ``put_back`` to bring back where it can be moved.

        Raises:
            AlreadyExistsError: It is not what is known of it, or gone: another saver is at work, and loses nothing.
        """
        self._check(path, known)
        if not self._can_move:
            delete_if_there(self._file_system, path)
            return
        aside = _temporary_path(path)
        try:
            # Nobody else has that name. A rename that refuses to overwrite may be a link and a deletion, as on POSIX,
            # and two savers could take the same file.
            self._file_system.rename_file(path, aside)
        except NotFoundError as error:
            raise another_saver(path) from error
        self._aside[path] = aside
        if not _is_moved(self._file_system.stat(aside), known):  # another saver came between the look and the rename
            self._moves_back(path)
            del self._aside[path]
            raise another_saver(path)

    def _check(self, path: str, known: FileStatistics) -> None:
        if statistics_of(self._file_system, path) != known:
            raise another_saver(path)

    @property
    def aside(self) -> dict[str, str]:
        """By its path, where each file is that was moved and has not been brought back."""
        return dict(self._aside)

    def finish(self) -> None:
        """Delete what was replaced."""
        while self._aside:
            path = next(iter(self._aside))
            delete_if_there(self._file_system, self._aside[path])
            del self._aside[path]

    def put_back(self) -> None:
        """Bring back what was moved, last first.

        Where another saver's file stands by now, that stays, and neither does what was moved before come back: an index
        would lead to data that are not its own.
        """
        is_whole = True
        while self._aside:
            path = next(reversed(self._aside))
            is_whole = is_whole and self._moves_back(path)
            if not is_whole:
                delete_if_there(self._file_system, self._aside[path])
            del self._aside[path]

    def _moves_back(self, path: str) -> bool:
        """Move a file back to where it was, and tell whether that was possible."""
        found, own = statistics_of(self._file_system, path), self._published.get(path)
        if found is not None and (own is None or not _is_moved(found, own)):
            return False
        try:
            self._file_system.rename_file(self._aside[path], path, overwrite=found is not None)
        except AlreadyExistsError:
            return False
        return True


def _temporary_path(path: str) -> str:
    """Return a name beside a file that nobody else has. TensorFlow calls temporary files so, too."""
    return f"{path}.tempstate{secrets.randbits(62)}"


def _is_moved(found: FileStatistics, known: FileStatistics) -> bool:
    """Tell whether a file is one that had another path: its version may have changed with that."""
    return (found.length, found.mtime_nsec) == (known.length, known.mtime_nsec)


def another_saver(path: str) -> AlreadyExistsError:
    """Return the error of a saver that another one got ahead of."""
    return AlreadyExistsError("another saver of this prefix has been at work since this one began", path=path)
