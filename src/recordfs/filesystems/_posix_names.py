"""Names of local files: temporary ones, renames that never overwrite, entries that survive a power cut."""

from __future__ import annotations

import errno
import os
import stat

from recordfs.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    IsADirectoryError,
    NotFoundError,
    RecordFSError,
    error_from_os_error,
)

__all__ = [
    "check_can_become_file",
    "make_temporary_beside",
    "move_without_overwriting",
    "posix_error",
    "sync_directory_of",
]

TEMPORARY_PREFIX = ".recordfs-tmp-"
"""How the names of unpublished files begin; they stand beside their target, because a rename crosses no device."""

# Hard links that the filesystem does not have, or that it refuses on other people's files (fs.protected_hardlinks).
_NO_HARD_LINK = frozenset({errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK})


def posix_error(error: OSError, path: str) -> RecordFSError:
    """Return the recordfs error for a failed system call on a path. Raise it ``from error``."""
    if error.errno == errno.ELOOP:
        return NotFoundError("a symbolic link that leads nowhere: it comes back to itself", path=path)
    return error_from_os_error(error, path)


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
    while True:
        temporary = os.path.join(directory, TEMPORARY_PREFIX + os.urandom(8).hex())
        try:
            descriptor = os.open(temporary, flags, mode)
        except FileExistsError:
            continue
        except OSError as error:
            raise posix_error(error, name) from error
        break
    try:
        os.fchmod(descriptor, stat.S_IMODE(os.stat(target).st_mode))
    except FileNotFoundError:
        pass  # a new file: the mode it was made with stands
    except OSError as error:
        os.close(descriptor)
        os.unlink(temporary)
        raise posix_error(error, name) from error
    return descriptor, temporary


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
