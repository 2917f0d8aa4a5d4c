"""Spool: an event file's bytes on the local disk, for as long as the event file itself lacks some of them.

A spool is two files in the spool directory. ``<random>.image`` has exactly the bytes that the event file is to have;
the process that has the spool holds a lock on it. ``<random>.json``, the *note*, says what event file it is for.
Options of a filesystem are not kept there, for they may hold secrets: a resumed upload uses those that are configured
then. Files of other names are not looked at.

What is on the disk, step by step, so that a process may die between any two:

1. An image without bytes, locked. Nothing was promised yet.
2. Image and note. Events are added to the image.
3. The event file is complete: the image is removed.
4. A note without an image: nothing is missing any more. The note is removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import weakref
from typing import TYPE_CHECKING, NamedTuple

from recordfs._core import Descriptor
from recordfs.errors import InvalidArgumentError, NotFoundError, error_from_os_error
from recordfs.events.names import anchored
from recordfs.paths import basename, is_plain_name, join

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from recordfs.filesystem import FileSystem

__all__ = ["Spool", "SpoolNote", "delete_replaced", "spool_directory", "spool_stem"]

COMPARED_BYTES = 64 << 10
"""So many of the last bytes of an event file tell whether it is the beginning of an image."""

_NAME = re.compile(r"([0-9a-f]{16})\.(?:image|json)")


def spool_directory() -> str:
    """Return where spools are: ``$RECORDFS_SPOOL_DIR``, else ``recordfs/spool`` in the user's directory for state."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.environ.get("RECORDFS_SPOOL_DIR") or os.path.join(state, "recordfs", "spool")


def spool_stem(name: str) -> str | None:
    """Return what the names of a spool's two files begin with; None if this is the name of neither."""
    found = _NAME.fullmatch(name)
    return None if found is None else found[1]


class SpoolNote(NamedTuple):
    """What a spool is for.

    Attributes:
        target: The event file.
        replaced: Names of event files beside it that have a part of its events, and are deleted once it is complete.
    """

    target: str
    replaced: tuple[str, ...] = ()

    def redirected(self, target: str) -> SpoolNote:
        """Return the note of a spool whose event file takes nothing more, so that all of it goes to another."""
        return SpoolNote(target, (*self.replaced, basename(self.target)))


class Spool:
    """A spool that this process has: no other takes it while it is open. One thread writes it, any may read.

    Attributes:
        path: The image.
    """

    def __init__(self, path: str, file: Descriptor) -> None:
        self.path = path
        self._note = f"{path.removesuffix('.image')}.json"
        self._file = file
        self._number = file.number
        _open.add(self)

    @classmethod
    def make(cls, directory: str, note: SpoolNote) -> Self:
        """Make an empty one, and the directory too, if it is missing.

        Raises:
            As making local files does.
        """
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
        except OSError as error:
            raise error_from_os_error(error, directory) from error
        while True:
            path = os.path.join(directory, f"{os.urandom(8).hex()}.image")
            try:
                file = Descriptor.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise error_from_os_error(error, path) from error
            spool = cls(path, file)
            try:
                fcntl.flock(file.number, fcntl.LOCK_EX)
                if spool.is_there:
                    spool.write_note(note)
                    return spool
            except BaseException:
                spool.remove()
                raise
            # Somebody found an image without bytes and without a note, and removed it as one that was left.
            spool.close()

    @classmethod
    def take(cls, path: str) -> Self | None:
        """Open one that a process has left; None while a process has it, and once it is gone.

        Raises:
            As opening a local file does.
        """
        try:
            file = Descriptor.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            # Its event file is complete, and only the note was left.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{path.removesuffix('.image')}.json")
            return None
        except OSError as error:
            raise error_from_os_error(error, path) from error
        spool = cls(path, file)
        try:
            fcntl.flock(file.number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            spool.close()
            return None
        # Who had it until now may have completed it while this opened it.
        if spool.is_there:
            return spool
        spool.close()
        return None

    @property
    def is_there(self) -> bool:
        """Whether nobody has removed the image."""
        return os.fstat(self._number).st_nlink > 0

    @property
    def size(self) -> int:
        """The size of the image in bytes."""
        return os.fstat(self._number).st_size

    def write_note(self, note: SpoolNote) -> None:
        """Say what it is for.

        Raises:
            As writing local files does. What was said before stands then.
        """
        # Who resumes it may stand in another directory.
        content = {
            "format": 1,
            "target": anchored(note.target),
            "process": os.getpid(),
            "replaced": list(note.replaced),
        }
        temporary = f"{self._note}.new"
        try:
            with open(temporary, "w", encoding="utf-8") as file:
                json.dump(content, file)
            os.replace(temporary, self._note)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise error_from_os_error(error, self._note) from error

    def read_note(self) -> SpoolNote:
        """Return what it is for.

        Raises:
            NotFoundError: There is no note.
            InvalidArgumentError: It cannot be read.
        """
        try:
            with open(self._note, "rb") as file:
                content = json.loads(file.read())
            target, replaced = content["target"], content.get("replaced", [])
            if content["format"] != 1 or not isinstance(target, str) or not isinstance(replaced, list):
                raise ValueError("unknown format")
            if not all(isinstance(name, str) and is_plain_name(name) for name in replaced):
                raise ValueError("a file that it replaces is not beside its target")
        except OSError as error:
            raise error_from_os_error(error, self._note) from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InvalidArgumentError(f"this note of a spool cannot be read: {error}", path=self._note) from error
        return SpoolNote(target, tuple(replaced))

    def write(self, data: bytes, offset: int) -> None:
        """Write bytes at an offset. What raises may have written some of them.

        Raises:
            As writing local files does.
        """
        done = 0
        try:
            while done < len(data):
                done += os.pwrite(self._number, data[done:], offset + done)
        except OSError as error:
            raise error_from_os_error(error, self.path) from error

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the image; fewer, if it ends before.

        Raises:
            As reading local files does.
        """
        try:
            return os.pread(self._number, length, offset)
        except OSError as error:
            raise error_from_os_error(error, self.path) from error

    def begins_with(self, file_system: FileSystem, path: str, length: int) -> bool:
        """Tell whether the image begins with the bytes of an event file of so many, by the last 64 KiB of these.

        Raises:
            As reading the event file does.
        """
        if length > self.size:
            return False
        begin = max(0, length - COMPARED_BYTES)
        with file_system.new_random_access_file(path) as file:
            theirs = file.read(begin, length - begin)
        return theirs == self.read(begin, length - begin)

    def remove(self) -> None:
        """Delete it: its event file is complete."""
        for path in (self.path, self._note):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        self.close()

    def close(self) -> None:
        """Leave it to whoever takes it next. Idempotent."""
        self._number = -1  # what is called too late finds no other file by it
        self._file.close()


_open: weakref.WeakSet[Spool] = weakref.WeakSet()
"""The spools that this process has."""


def _leave_to_parent() -> None:
    # A lock is one for parent and child: a child that outlives its parent would keep others from what that left.
    for spool in list(_open):
        spool.close()
    _open.clear()


os.register_at_fork(after_in_child=_leave_to_parent)


def delete_replaced(spool: Spool, file_system: FileSystem, path: str, replaced: Sequence[str]) -> None:
    """Delete event files whose events are all in the one that replaced them, which is complete.

    One that has other bytes than the image is somebody else's by now, and stays.

    Args:
        spool: The image of all of them.
        file_system: Where they are.
        path: The one that is complete.
        replaced: The names of those beside it.

    Raises:
        As looking at them and deleting them does.
    """
    for name in replaced:
        old = join(path[: -len(basename(path))], name)
        with contextlib.suppress(NotFoundError):
            if old != path and spool.begins_with(file_system, old, file_system.stat(old).length):
                file_system.delete_file(old)
