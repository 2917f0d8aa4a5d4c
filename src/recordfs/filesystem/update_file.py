"""The contract of files that can be changed anywhere, which few stores have."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

from recordfs.filesystem.files import RandomAccessFile
from recordfs.open_files.buffers import byte_view

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["UpdateFile"]


class UpdateFile(RandomAccessFile):
    """A file open for reading, and for writing at any offset.

    Reading is RandomAccessFile's and sees every earlier write of this object. Writing is for one thread at a time.

    A backend writes, besides ``_read`` and ``_size``, the four methods below that begin with an underscore.
    """

    def write(self, offset: int, data: Buffer) -> None:
        """Put all of ``data`` at an offset, over what is there; a gap after the old end is filled with zeros.

        A call that raises may have changed some of the bytes.

        Raises:
            InvalidArgumentError: ``offset`` is negative.
            ResourceExhaustedError: No space or quota is left.
            TypeError: ``data`` is str, or not a contiguous buffer.
            UnimplementedError: The file takes bytes only at its end, and this is not there.
        """
        offset, _ = self._checked_range(offset)
        with byte_view(data) as view:
            self._write(offset, view)

    def truncate(self, length: int) -> None:
        """Make the file ``length`` bytes long: cut off, or filled up with zeros.

        Raises:
            InvalidArgumentError: ``length`` is negative.
            UnimplementedError: The store cannot change the length of a file.
        """
        length, _ = self._checked_range(length)
        self._truncate(length)

    def flush(self) -> None:
        """Return when everything written is visible to a new reader."""
        self._check_open()
        self._flush()

    def sync(self) -> None:
        """Flush, and return when the bytes survive a power cut where the store can promise that."""
        self._check_open()
        self._sync()

    def close(self) -> None:
        """Publish what was written and release what the file holds. Idempotent; if it raises, the file stays open."""
        if not self._closed:
            self._close()
            self._end()

    @abc.abstractmethod
    def _write(self, offset: int, data: memoryview) -> None:
        """Put all of a flat view of bytes at an offset. The view is released after the call."""

    @abc.abstractmethod
    def _truncate(self, length: int) -> None:
        """Make the file ``length`` bytes long."""

    @abc.abstractmethod
    def _flush(self) -> None:
        """Make everything written visible to new readers."""

    def _sync(self) -> None:
        """Make everything durable where the store can."""
        self._flush()
