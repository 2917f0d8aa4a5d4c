"""Deleting local trees without ever following a link, whatever others rename meanwhile.

A path is looked up again by every system call, and a directory that was looked at may be a link to another tree by the
next one. So each directory is opened once, in the one above it and with O_NOFOLLOW, and what is in it is deleted
relative to its descriptor, as ``shutil.rmtree`` does it.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from recordfs._core import Descriptor
from recordfs.errors import AbortedError, NotFoundError
from recordfs.filesystem_defaults.directories import MAX_REPORTED_FAILURES, undeleted_error
from recordfs.filesystems._posix_names import posix_error
from recordfs.paths import join

if TYPE_CHECKING:
    from recordfs.errors import RecordFSError

__all__ = ["delete_tree"]

_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

# What opening says of a link, or of a file, where a directory was.
_NO_DIRECTORY_ANY_MORE = frozenset({errno.ELOOP, errno.ENOTDIR})

_MOST_OPEN = 32
"""Levels of a deep tree whose descriptors are held; the way further up goes through ``..``, which is checked."""


class _Level:
    """A directory on the way from the top to where the deletion is.

    Attributes:
        path: As the caller would spell it.
        name: In the directory above.
        identity: Device and inode, which tell it from what somebody put in its place.
        descriptor: Open on it; None where too many levels lie below.
        subdirectories: Names in it that are still to be gone into.
        unlisted: Why not all names are known.
    """

    __slots__ = ("descriptor", "identity", "name", "path", "subdirectories", "unlisted")

    def __init__(self, path: str, name: str, descriptor: Descriptor) -> None:
        self.path = path
        self.name = name
        self.descriptor: Descriptor | None = descriptor
        self.subdirectories: list[str] = []
        self.unlisted: RecordFSError | None = None
        self.identity = _identity(descriptor)

    def close(self) -> None:
        if self.descriptor is not None:
            self.descriptor.close()
            self.descriptor = None

    @property
    def number(self) -> int:
        """The descriptor's, of one of the lowest levels."""
        assert self.descriptor is not None
        return self.descriptor.number


class _Deletion:
    """One tree on its way out."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._levels: list[_Level] = []
        self._failures: list[tuple[str, RecordFSError]] = []
        self._undeleted = [0, 0]

    def run(self, local: str) -> None:
        try:
            self._enter(self._path, Descriptor.open(local, _OPEN_DIRECTORY), local)
            while len(self._levels) > 1 or self._levels[0].subdirectories:
                level = self._levels[-1]
                if level.subdirectories:
                    self._go_into(level, level.subdirectories.pop())
                elif not self._go_up(level):
                    break
            else:
                top = self._levels[0]
                try:
                    os.rmdir(local)
                except OSError as error:
                    self._note(top.path, top.unlisted or posix_error(error, top.path), directory=True)
        finally:
            for level in self._levels:
                level.close()
        if self._failures:
            raise undeleted_error(self._path, self._failures, *self._undeleted) from self._failures[0][1]

    def _note(self, path: str, error: RecordFSError, *, directory: bool) -> None:
        """Count what could not be deleted. What is gone already is as it should be."""
        if isinstance(error, NotFoundError):
            return
        self._undeleted[directory] += 1
        if len(self._failures) < MAX_REPORTED_FAILURES:
            self._failures.append((path, error))

    def _enter(self, path: str, descriptor: Descriptor, name: str) -> None:
        """Delete the files of a directory that was opened, and remember the directories in it."""
        level = _Level(path, name, descriptor)
        self._levels.append(level)
        if len(self._levels) > _MOST_OPEN:
            self._levels[-_MOST_OPEN - 1].close()
        try:
            with os.scandir(level.number) as entries:
                for entry in entries:
                    if _is_directory(entry):
                        level.subdirectories.append(entry.name)
                    else:
                        self._unlink(level, entry.name)
        except OSError as error:
            level.unlisted = posix_error(error, path)

    def _unlink(self, level: _Level, name: str) -> None:
        try:
            os.unlink(name, dir_fd=level.number)
        except OSError as error:
            path = join(level.path, name)
            self._note(path, posix_error(error, path), directory=False)

    def _go_into(self, level: _Level, name: str) -> None:
        """Open a directory in a directory; what has become a link since it was listed is deleted as one."""
        path = join(level.path, name)
        try:
            descriptor = Descriptor.open(name, _OPEN_DIRECTORY, dir_fd=level.number)
        except OSError as error:
            if error.errno in _NO_DIRECTORY_ANY_MORE:
                self._unlink(level, name)
                return
            try:
                os.rmdir(name, dir_fd=level.number)  # empty, it needs no listing
            except OSError:
                self._note(path, posix_error(error, path), directory=True)
            return
        self._enter(path, descriptor, name)

    def _go_up(self, level: _Level) -> bool:
        """Remove a directory that is done and go on in the one above; False if that is not there any more."""
        above = self._levels[-2]
        if above.descriptor is None:
            above.descriptor = Descriptor.open("..", _OPEN_DIRECTORY, dir_fd=level.number)
            if _identity(above.descriptor) != above.identity:
                moved = AbortedError("somebody moved this elsewhere while it was being deleted", path=level.path)
                for each in self._levels:
                    self._note(each.path, moved, directory=True)
                return False
        self._levels.pop().close()
        try:
            os.rmdir(level.name, dir_fd=above.number)
        except OSError as error:
            # A directory that could not be listed is not empty for that reason, which is the one to tell.
            self._note(level.path, level.unlisted or posix_error(error, level.path), directory=True)
        return True


def delete_tree(path: str, local: str) -> None:
    """Delete a local directory with all in it, going on after failures.

    Args:
        path: As the caller gave it, for errors.
        local: As the operating system takes it.

    Raises:
        OSError: It cannot be opened as a directory: it is missing, a file, or a link.
        FailedPreconditionError: Something is left; see ``FileSystem.delete_recursively``.
    """
    _Deletion(path).run(local)


def _identity(descriptor: Descriptor) -> tuple[int, int]:
    status = os.fstat(descriptor.number)
    return status.st_dev, status.st_ino


def _is_directory(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a directory itself; what cannot be told is tried as a file."""
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False
