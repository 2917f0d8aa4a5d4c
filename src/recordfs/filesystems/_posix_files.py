"""Open local files: reading at offsets, writing at the end, and writing under a temporary name."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

from recordfs._core import Descriptor
from recordfs.errors import (
    IsADirectoryError,
    UnimplementedError,
)
from recordfs.filesystem import FileStatistics
from recordfs.filesystem.files import RandomAccessFile
from recordfs.filesystems._buffered_writer import BufferedWritableFile
from recordfs.filesystems._posix_names import (
    check_can_become_file,
    make_temporary,
    move_without_overwriting,
    posix_error,
    real_path,
    remove_temporary,
    sync_directory_of,
    temporary_beside,
    version_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

__all__ = ["AtomicPosixFile", "PosixRandomAccessFile", "PosixWritableFile"]

# A buffer this large is allocated before anything is known about the file's size.
_TRUSTED_READ = 1 << 20

# Beyond this no file reaches, and the system calls take no number that does not fit into 63 bits.
_MAX_OFFSET = 1 << 62

# How many buffers one writev takes (IOV_MAX); POSIX promises 16, Linux has 1024.
_MAX_PARTS = os.sysconf("SC_IOV_MAX") if "SC_IOV_MAX" in os.sysconf_names else 16


class PosixRandomAccessFile(RandomAccessFile):
    """A local file open for reading. Thread-safe without a lock, and usable in a forked child.

    Args:
        name: The full path as the caller gave it.
        local: The same as the operating system takes it.
    """

    _access = os.O_RDONLY

    def __init__(self, name: str, local: str) -> None:
        try:
            # Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
            descriptor = Descriptor.open(local, self._access | os.O_CLOEXEC | os.O_NONBLOCK)
            # A reader that is closed while another thread is inside `pread` does not close it: the system would give
            # the number to another file, and the thread would read that. It closes when the last one lets go.
            self._descriptor: Descriptor | None = descriptor
            mode = os.fstat(descriptor.number).st_mode
        except OSError as error:
            raise posix_error(error, name) from error
        if stat.S_ISDIR(mode):
            files = f"{name.rstrip('/')}/*"
            raise IsADirectoryError(f"a directory cannot be read as a file; {files!r} matches what is in it", path=name)
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            raise UnimplementedError("a pipe cannot be read at offsets; pass an open file object instead", path=name)
        super().__init__(name)

    def _open_descriptor(self) -> Descriptor:
        """Return the descriptor; another thread may close the file at any moment."""
        descriptor = self._descriptor
        if descriptor is None:
            self._check_open()
        assert descriptor is not None
        return descriptor

    def _read(self, offset: int, n: int) -> bytes:
        descriptor = self._open_descriptor()
        if offset > _MAX_OFFSET:
            return b""
        try:
            first = n
            if n > _TRUSTED_READ:
                first = min(n, max(_TRUSTED_READ, os.fstat(descriptor.number).st_size - offset))
            data = os.pread(descriptor.number, first, offset)
            if len(data) == n or not data:
                return data
            return self._read_on(descriptor, data, offset, n)
        except OSError as error:
            raise posix_error(error, self._name) from error

    def _read_on(self, descriptor: Descriptor, data: bytes, offset: int, n: int) -> bytes:
        """Go on after ``data`` until ``n`` bytes are there or the file ends."""
        parts = [data]
        got = len(data)
        while got < n:
            more = os.pread(descriptor.number, min(n - got, _TRUSTED_READ), offset + got)
            if not more:
                break
            parts.append(more)
            got += len(more)
        return data if len(parts) == 1 else b"".join(parts)

    def _read_into(self, offset: int, view: memoryview) -> int:
        descriptor = self._open_descriptor()
        try:
            return os.preadv(descriptor.number, [view], offset) if offset <= _MAX_OFFSET else 0
        except OSError as error:
            raise posix_error(error, self._name) from error

    def _size(self) -> int:
        number = self._open_descriptor().number
        try:
            status = os.fstat(number)
            if stat.S_ISREG(status.st_mode):
                return status.st_size
            # For what is not a regular file the system says 0, whatever there is to read.
            if stat.S_ISBLK(status.st_mode):
                return os.lseek(number, 0, os.SEEK_END)  # reads take an offset, and have no position to lose
            if not os.pread(number, 1, 0):
                return 0
        except OSError as error:
            raise posix_error(error, self._name) from error
        raise UnimplementedError("this device has no size; pass an open file object instead", path=self._name)

    def statistics(self) -> FileStatistics:
        """Return what ``stat`` tells of the file that is open."""
        try:
            status = os.fstat(self._open_descriptor().number)
        except OSError as error:
            raise posix_error(error, self._name) from error
        return FileStatistics(status.st_size, status.st_mtime_ns, False, version_of(status))

    def _fileno(self) -> int:
        return self._open_descriptor().number

    def _close(self) -> None:
        self._descriptor = None  # reads under way in other threads still end well


class PosixWritableFile(BufferedWritableFile):
    """A local file open for writing at its end.

    Several may append to one file, in any number of processes. What a failed write left is cut off again only while it
    is the end of the file; another writer's bytes never are.

    Args:
        name: The full path as the caller gave it.
        local: The file that is open, as the operating system takes it.
        descriptor: Open for writing with O_APPEND; it becomes this object's.
        atomic: As in WritableFile.
    """

    def __init__(self, name: str, local: str, descriptor: Descriptor, *, atomic: bool = False) -> None:
        try:
            # Absolute, because the process may change its working directory before the file is closed.
            self._local = os.path.abspath(local)
            status = os.fstat(descriptor.number)
        except OSError as error:
            descriptor.close()
            raise posix_error(error, name) from error
        self._descriptor = descriptor
        self._number = descriptor.number
        self._directory_synced = False
        # The descriptor's position after the last write, and where a write began that takes several system calls.
        self._reached = self._began = 0
        # A pipe or a terminal has no end that could be cut off.
        self._regular = stat.S_ISREG(status.st_mode)
        super().__init__(name, written=status.st_size if self._regular else 0, atomic=atomic)

    def _write(self, parts: Sequence[Buffer], total: int) -> int:
        try:
            done = self._write_once(parts)
            if done != total:
                self._write_rest(parts, done)
            # With O_APPEND the position is where the last write ended, wherever another writer had moved the end.
            if not self._regular:
                return self._written + total
            self._reached = self._position()
            return self._reached
        except OSError as error:
            raise posix_error(error, self._name) from error

    def _write_once(self, parts: Sequence[Buffer]) -> int:
        """Let the system take what it will, and return how much that was.

        One call from C puts the result of another into the list, so that no signal handler can run between the two:
        however a write ends, it is known how many bytes of it are in the file.
        """
        landed = self._landed
        if len(parts) == 1:
            landed.extend(map(os.write, (self._number,), parts))
        else:
            landed.extend(map(os.writev, (self._number,), (parts[:_MAX_PARTS],)))
        return landed[-1]

    def _write_rest(self, parts: Sequence[Buffer], done: int) -> None:
        """Go on after the system took only ``done`` bytes."""
        self._began = self._position() - done if self._regular else 0
        views = [memoryview(part) for part in parts]
        try:
            while views:
                while views and done >= len(views[0]):
                    done -= len(views.pop(0))
                if views:
                    views[0], whole = views[0][done:], views[0]
                    whole.release()
                    done = self._write_once(views)
                    if not done:
                        raise OSError(errno.EIO, "the system takes no more bytes and gives no reason")
        finally:
            for view in views:
                view.release()

    def _position(self) -> int:
        return os.lseek(self._number, 0, os.SEEK_CUR)

    def _undo(self, attempted: int) -> None:
        written = sum(self._landed)
        if not self._regular:
            if written:
                self._break("a write was cut short, and what is not a regular file cannot be set back")
            return
        try:
            end = self._position()
            if not written and end == self._reached:
                return
            began = self._began if len(self._landed) > 1 else end - written
            size = os.fstat(self._number).st_size
            if size == end and end - began == written > 0:
                os.ftruncate(self._number, began)
            elif size > began or not written:
                self._break(
                    f"a write was cut short, and what arrived of it stays in the file before offset {end}, because "
                    "another writer has appended to the file meanwhile"
                )
            self._reached = end
        except OSError as error:
            raise posix_error(error, self._name) from error

    def _make_durable(self) -> None:
        if not self._regular:
            return
        try:
            os.fsync(self._number)
        except OSError as error:
            # After a failed fsync Linux forgets which pages were not written: a second fsync would lie.
            self._break(f"fsync failed ({error.strerror}), so bytes already written may be lost")
            raise posix_error(error, self._name) from error
        if not self.atomic:
            self._sync_directory()

    def _sync_directory(self) -> None:
        if not self._directory_synced:
            sync_directory_of(self._local, self._name)
            self._directory_synced = True

    def _publish(self) -> None:
        """Everything written is visible already."""

    def _release(self) -> None:
        self._number = -1  # what is called too late finds no other file by it
        try:
            self._descriptor.close()
        except OSError as error:
            raise posix_error(error, self._name) from error


class AtomicPosixFile(PosixWritableFile):
    """A local file that is written under a temporary name beside its target and renamed by ``close``.

    Without ``sync`` before ``close`` no observer sees less than the whole file, but a power cut may still lose it;
    with it the file and its directory are made durable.

    Args:
        name: The full path as the caller gave it.
        target: The file to publish, as the operating system takes it.
        exclusive: Publish only if nothing stands there.
    """

    def __init__(self, name: str, target: str, *, exclusive: bool) -> None:
        try:
            # A link stays a link: what it points to is replaced.
            self._target = os.path.abspath(target) if exclusive else real_path(target, name)
        except OSError as error:  # the working directory is gone
            raise posix_error(error, name) from error
        self._exclusive = exclusive
        self._durable = False
        self._published = False
        check_can_become_file(name, self._target, exclusive=exclusive)
        temporary = temporary_beside(self._target)
        try:
            descriptor = make_temporary(name, temporary, self._target)
            super().__init__(name, temporary, descriptor, atomic=True)
        except BaseException as error:
            remove_temporary(temporary, error)
            raise

    def _make_durable(self) -> None:
        super()._make_durable()
        self._durable = True

    def _publish(self) -> None:
        if self._published:
            return
        if self._durable:
            super()._make_durable()
        else:
            self._hear_of_late_errors()
        try:
            if self._exclusive:
                move_without_overwriting(self._local, self._target)
            else:
                os.replace(self._local, self._target)
        except OSError as error:
            # An earlier call may have been interrupted after it had published, before it could say so.
            if not self._stands_at_target():
                raise posix_error(error, self._name) from error
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._local)
        self._published = True
        if self._durable:
            sync_directory_of(self._target, self._name)

    def _hear_of_late_errors(self) -> None:
        """Raise what network filesystems (NFS, SMB, FUSE) tell only when a descriptor is closed: that bytes are lost.

        Every close of a file brings its bytes to the server, and this one's own descriptor is needed until it is
        published.
        """
        try:
            second = Descriptor.duplicate(self._number)
        except OSError:
            return  # no descriptor is left for it: the close that comes at the end tells the same, only later
        try:
            second.close()
        except OSError as error:
            self._break(f"the system could not keep what was written ({error.strerror})")
            raise posix_error(error, self._name) from error

    def _stands_at_target(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._number), os.lstat(self._target))
        except OSError:
            return False

    def _release(self) -> None:
        try:
            if not self._published:
                os.unlink(self._local)
        except FileNotFoundError:
            pass  # somebody cleaned up; it was to vanish anyway
        except OSError as error:
            raise posix_error(error, self._name) from error
        finally:
            super()._release()
