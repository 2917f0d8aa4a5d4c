"""Names of local files: temporary ones, renames that never overwrite, entries that survive a power cut."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from typing import TYPE_CHECKING

from recordfs._core import Descriptor
from recordfs.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    IsADirectoryError,
    NotFoundError,
    RecordFSError,
    error_from_os_error,
)
from recordfs.paths import TEMPORARY_NAME
from recordfs.per_process import PerProcess

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "check_can_become_file",
    "make_temporary",
    "move_without_overwriting",
    "posix_error",
    "real_path",
    "remove_stale_temporaries",
    "remove_temporary",
    "replace_placeholder",
    "sync_directory_of",
    "temporary_beside",
    "version_of",
]

TEMPORARY_PREFIX = f"{TEMPORARY_NAME}-"
"""How the names of unpublished files begin; they stand beside their target, because a rename crosses no device."""

STALE_AGE_SECONDS = 24 * 60 * 60
"""An unpublished file that nobody has written to for so long, and whose writer lives no more, is removed."""

# Looks at a path whose links others are changing.
_ATTEMPTS = 10

# The extended attribute in which Linux keeps who else may use a file (acl(5)).
_ACCESS_LIST = "system.posix_acl_access"

# Hard links that the filesystem does not have, or that it refuses on other people's files (fs.protected_hardlinks).
_NO_HARD_LINK = frozenset({errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK})


def posix_error(error: OSError, path: str) -> RecordFSError:
    """Return the recordfs error for a failed system call on a path. Raise it ``from error``."""
    if error.errno == errno.ELOOP:
        return NotFoundError("a symbolic link that leads nowhere: it comes back to itself", path=path)
    if error.errno == errno.ENXIO:
        return FailedPreconditionError("this is a socket, or a pipe or device that nobody serves", path=path)
    return error_from_os_error(error, path)


def real_path(local: str, name: str) -> str:
    """Return an absolute path without symbolic links.

    Raises:
        NotFoundError: It is relative to a working directory that is gone.
    """
    for _ in range(_ATTEMPTS):
        # A link that was one when it was looked at, and none when it was read, is an error even where missing names are
        # none (Python 3.11's realpath); the next look finds what is there now.
        with contextlib.suppress(OSError):
            return os.path.realpath(local)
    try:
        return os.path.realpath(local)
    except OSError as error:
        raise posix_error(error, name) from error


def version_of(status: os.stat_result) -> str:
    """Return the version that the contract tells of a local file: its inode, size and time of modification."""
    return f"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"


def check_can_become_file(name: str, target: str, *, exclusive: bool) -> None:
    """Raise early what publishing at ``target`` would raise in the end."""
    try:
        status = os.lstat(target)
    except FileNotFoundError:
        return
    except OSError as error:
        raise posix_error(error, name) from error
    if exclusive:
        raise AlreadyExistsError("a file or directory is there already", path=name)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError("a directory stands where the file is to be written", path=name)
    if not stat.S_ISREG(status.st_mode):
        raise FailedPreconditionError("only a regular file can be replaced atomically", path=name)


def temporary_beside(target: str) -> str:
    """Return a name in the directory of ``target`` for what is not published yet."""
    return os.path.join(os.path.dirname(target), TEMPORARY_PREFIX + os.urandom(8).hex())


def make_temporary(name: str, temporary: str, target: str, *, mode: int = 0o666, append: bool = True) -> Descriptor:
    """Make an empty file that will replace another, for the people whose file that is.

    Whatever is raised before it is published, an interrupt also here, the caller calls ``remove_temporary``.

    Args:
        name: The path that the caller knows, for errors.
        temporary: The name of the file, from ``temporary_beside``.
        target: The file that it will become.
        mode: Permission bits where the target is new; the process's umask is taken off.
        append: Open with O_APPEND, which ``copy_file_range`` refuses.

    Returns:
        A descriptor open for writing.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | (os.O_APPEND if append else 0)
    remove_stale_temporaries_once(os.path.dirname(target))
    try:
        descriptor = Descriptor.open(temporary, flags, mode)
        with contextlib.suppress(OSError):  # where there are no locks, age alone says what is stale
            fcntl.flock(descriptor.number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _take_over_permissions(descriptor.number, target)
    except OSError as error:
        raise posix_error(error, name) from error
    return descriptor


def _take_over_permissions(descriptor: int, target: str) -> None:
    """Let a new file be for the same people as the one that it will replace; a new name keeps what it was made with.

    The owner is the same where the process may say so (root may), else whoever runs it.
    """
    try:
        standing = os.stat(target)
    except FileNotFoundError:
        return
    made = os.fstat(descriptor)
    mode = stat.S_IMODE(standing.st_mode)
    if (made.st_uid, made.st_gid) != (standing.st_uid, standing.st_gid):
        for owner in ((-1, standing.st_gid), (standing.st_uid, -1)):
            try:
                os.fchown(descriptor, *owner)
            except OSError:
                mode &= ~(stat.S_ISUID | stat.S_ISGID)  # they would lend the rights of somebody else
    os.fchmod(descriptor, mode)
    with contextlib.suppress(OSError):  # most files have none, and some filesystems no such lists
        os.setxattr(descriptor, _ACCESS_LIST, os.getxattr(target, _ACCESS_LIST))


def remove_temporary(temporary: str, error: BaseException) -> None:
    """Remove an unpublished file because of an error, which stays the one that the user sees.

    An interrupt may come after the file was published: then nothing is left to remove.
    """
    try:
        os.unlink(temporary)
    except FileNotFoundError:
        pass
    except OSError as second:
        error.add_note(f"{temporary} could not be removed: {second.strerror}")


_cleaned: PerProcess[set[str]] = PerProcess(set)
"""The directories that this process has looked after, by their absolute paths."""


def remove_stale_temporaries_once(directory: str) -> None:
    """Remove what dead writers left in a directory, once a process: it lists the directory."""
    cleaned = _cleaned.get()
    absolute = os.path.abspath(directory)
    if absolute not in cleaned:
        if len(cleaned) > 10_000:
            cleaned.clear()
        cleaned.add(absolute)
        remove_stale_temporaries(directory)


def remove_stale_temporaries(directory: str) -> None:
    """Remove unpublished files that are older than a day and that no living process has open for writing.

    What cannot be looked at or removed stays, without an error: it is not what the caller is about. ``recordfs doctor``
    names what is there.
    """
    newest = time.time() - STALE_AGE_SECONDS
    try:
        with os.scandir(directory or ".") as entries:
            names = [entry.name for entry in entries if entry.name.startswith(TEMPORARY_PREFIX)]
    except OSError:
        return
    for name in names:
        with contextlib.suppress(OSError):
            _remove_if_stale(os.path.join(directory, name), newest)


def _remove_if_stale(path: str, newest: float) -> None:
    """Remove a file that was last written before ``newest``, unless its writer holds the lock on it."""
    with Descriptor.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK) as descriptor:
        status = os.fstat(descriptor.number)
        if not stat.S_ISREG(status.st_mode) or status.st_mtime > newest:
            return
        try:
            fcntl.flock(descriptor.number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # its writer lives, and takes its time
        except OSError:
            pass  # a filesystem without locks
        os.unlink(path)


def move_without_overwriting(source: str, target: str) -> None:
    """Rename a file or a symbolic link to a name that is free, in a way that only one of several can win.

    Raises:
        OSError: FileExistsError where something stands at the target, and what the system calls raise.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_HARD_LINK:
            raise
    else:
        linked = os.lstat(target)
        try:
            os.unlink(source)
        except OSError:
            # Its directory may not be changed: the file stays where it is, and nowhere else.
            _remove_if_still(target, linked, os.unlink)
            raise
        return
    # Without hard links an empty file holds the place: whoever makes it has won, and readers see it for a moment.
    Descriptor.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC).close()
    replace_placeholder(source, target, os.unlink)


def replace_placeholder(source: str, target: str, remove: Callable[[str], object]) -> None:
    """Rename onto what was made only to hold the place; if that fails, remove the placeholder and nothing else.

    Args:
        source: What is renamed.
        target: Where the placeholder stands.
        remove: Deletes the placeholder.
    """
    placeholder = os.lstat(target)
    try:
        os.rename(source, target)
    except BaseException:
        # An interrupt may come after the rename: then what was renamed stands there.
        _remove_if_still(target, placeholder, remove)
        raise


def _remove_if_still(path: str, status: os.stat_result, remove: Callable[[str], object]) -> None:
    """Remove what this process made at a path, unless something else stands there, or it cannot be removed."""
    with contextlib.suppress(OSError):
        if os.path.samestat(status, os.lstat(path)):
            remove(path)


def sync_directory_of(local: str, name: str) -> None:
    """Make the directory entry of a file survive a power cut."""
    try:
        with Descriptor.open(os.path.dirname(local) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) as directory:
            os.fsync(directory.number)
    except OSError as error:
        # Some network and FUSE filesystems have no fsync for directories; they write entries at once.
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise posix_error(error, name) from error
