"""Local files that are changed in place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from recordfs.errors import FileTooLargeError, InvalidArgumentError, RecordFSError
from recordfs.filesystem.files import byte_view
from recordfs.filesystem.update_file import UpdateFile
from recordfs.filesystems._posix_files import PosixRandomAccessFile
from recordfs.filesystems._posix_names import posix_error

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["PosixUpdateFile"]


class PosixUpdateFile(PosixRandomAccessFile, UpdateFile):
    """An existing local file open for ``pread`` and ``pwrite``. Nothing is buffered: a write is visible at once."""

    _access = os.O_RDWR

    def write(self, offset: int, data: Buffer) -> None:
        """Put all of ``data`` at an offset."""
        descriptor = self._open_descriptor()
        if offset < 0:
            raise InvalidArgumentError(f"offset has to be at least 0, found {offset}", path=self._name)
        with byte_view(data) as view:
            done = 0
            while done < len(view):
                try:
                    done += os.pwrite(descriptor.number, view[done:], offset + done)
                except (OSError, OverflowError) as error:
                    raise _error(error, self._name) from error

    def truncate(self, length: int) -> None:
        """Make the file ``length`` bytes long."""
        descriptor = self._open_descriptor()
        if length < 0:
            raise InvalidArgumentError(f"a length has to be at least 0, found {length}", path=self._name)
        try:
            os.ftruncate(descriptor.number, length)
        except (OSError, OverflowError) as error:
            raise _error(error, self._name) from error

    def flush(self) -> None:
        """Every write is visible already."""
        self._open_descriptor()

    def sync(self) -> None:
        """Return when the bytes are on the disk."""
        try:
            os.fsync(self._open_descriptor().number)
        except OSError as error:
            raise posix_error(error, self._name) from error


def _error(error: OSError | OverflowError, name: str) -> RecordFSError:
    """Return the error of a system call, which Python does not even try with a number beyond 63 bits."""
    if isinstance(error, OverflowError):
        return FileTooLargeError("no file reaches so far", path=name)
    return posix_error(error, name)
