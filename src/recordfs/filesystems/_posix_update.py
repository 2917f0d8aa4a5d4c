"""Local files that are changed in place."""

from __future__ import annotations

import os

from recordfs.errors import FileTooLargeError, RecordFSError
from recordfs.filesystem.update_file import UpdateFile
from recordfs.filesystems._posix_files import PosixRandomAccessFile
from recordfs.filesystems._posix_names import posix_error

__all__ = ["PosixUpdateFile"]


class PosixUpdateFile(PosixRandomAccessFile, UpdateFile):
    """An existing local file open for ``pread`` and ``pwrite``. Nothing is buffered: a write is visible at once."""

    _access = os.O_RDWR

    def _write(self, offset: int, data: memoryview) -> None:
        descriptor = self._open_descriptor()
        done = 0
        while done < len(data):
            try:
                done += os.pwrite(descriptor.number, data[done:], offset + done)
            except (OSError, OverflowError) as error:
                raise _error(error, self._name) from error

    def _truncate(self, length: int) -> None:
        try:
            os.ftruncate(self._open_descriptor().number, length)
        except (OSError, OverflowError) as error:
            raise _error(error, self._name) from error

    def _flush(self) -> None:
        """Every write is visible already."""

    def _sync(self) -> None:
        try:
            os.fsync(self._open_descriptor().number)
        except OSError as error:
            raise posix_error(error, self._name) from error


def _error(error: OSError | OverflowError, name: str) -> RecordFSError:
    """Return the error of a system call, which Python does not even try with a number beyond 63 bits."""
    if isinstance(error, OverflowError):
        return FileTooLargeError("no file reaches so far", path=name)
    return posix_error(error, name)
