"""Names of local files: temporary ones, renames that never overwrite, entries that survive a power cut."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time

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

__all__ = [
    "check_can_become_file",
    "make_temporary_beside",
    "move_without_overwriting",
    "posix_error",
    "remove_stale_temporaries",
    "sync_directory_of",
    "version_of",
]

TEMPORARY_PREFIX = f"{TEMPORARY_NAME}-"
"""How the names of unpublished files begin; they stand beside their target, because a rename crosses no device."""

STALE_AGE_SECONDS = 24 * 60 * 60
"""An unpublished file that nobody has written to for so long, and whose writer lives no more, is removed."""

# Hard links that the filesystem does not have, or that it refuses on other people's files (fs.protected_hardlinks).
_NO_HARD_LINK = frozenset({errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK})


def posix_error(error: OSError, path: str) -> RecordFSError:
    """Return the recordfs error for a failed system call on a path. Raise it ``from error``."""
    if error.errno == errno.ELOOP:
        return NotFoundError("a symbolic link that leads nowhere: it comes back to itself", path=path)
    return error_from_os_error(error, path)


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


def make_temporary_beside(name: str, target: str, *, mode: int = 0o666, append: bool = True) -> tuple[int, str]:
    """Make an empty file in the directory of ``target``, with the permissions of what it will replace.

    Args:
        name: The path that the caller knows, for errors.
        target: The file that the temporary one will become.
        mode: Permission bits where the target is new; the process's umask is taken off.
        append: Open with O_APPEND, which ``copy_file_range`` refuses.

    Returns:
        A descriptor open for writing, and the temporary name.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | (os.O_APPEND if append else 0)
    directory = os.path.dirname(target)
    remove_stale_temporaries_once(directory)
    while True:
        temporary = os.path.join(directory, TEMPORARY_PREFIX + os.urandom(8).hex())
        try:
            descriptor = os.open(temporary, flags, mode)
        except FileExistsError:
            continue
        except OSError as error:
            raise posix_error(error, name) from error
        break
    with contextlib.suppress(OSError):  # where there are no locks, age alone says what is stale
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        os.fchmod(descriptor, stat.S_IMODE(os.stat(target).st_mode))
    except FileNotFoundError:
        pass  # a new file: the mode it was made with stands
    except OSError as error:
        os.close(descriptor)
        os.unlink(temporary)
        raise posix_error(error, name) from error
    return descriptor, temporary


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
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_mtime > newest:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # its writer lives, and takes its time
        except OSError:
            pass  # a filesystem without locks
        os.unlink(path)
    finally:
        os.close(descriptor)


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
        os.unlink(source)
        return
    # Without hard links an empty file holds the place: whoever makes it has won, and readers see it for a moment.
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
    try:
        os.rename(source, target)
    except BaseException:
        os.unlink(target)
        raise


def sync_directory_of(local: str, name: str) -> None:
    """Make the directory entry of a file survive a power cut."""
    try:
        descriptor = os.open(os.path.dirname(local) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        except OSError as error:
            # Some network and FUSE filesystems have no fsync for directories; they write entries at once.
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
        finally:
            os.close(descriptor)
    except OSError as error:
        raise posix_error(error, name) from error
