"""The contract of files that can be changed anywhere, which few stores have."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

from recordfs.filesystem.files import RandomAccessFile

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["UpdateFile"]


class UpdateFile(RandomAccessFile):
    """A file open for reading, and for writing at any offset.

    Reading is RandomAccessFile's and sees every earlier write of this object. Writing is for one thread at a time.
    """

    @abc.abstractmethod
    def write(self, offset: int, data: Buffer) -> None:
        """Put all of ``data`` at an offset, over what is there; a gap behind the old end is filled with zeros.

        A call that raises may have changed some of the bytes.

        Raises:
            InvalidArgumentError: ``offset`` is negative.
            ResourceExhaustedError: No space or quota is left.
            UnimplementedError: The file takes bytes only at its end, and this is not there.
        """

    @abc.abstractmethod
    def truncate(self, length: int) -> None:
        """Make the file ``length`` bytes long: cut off, or filled up with zeros.

        Raises:
            InvalidArgumentError: ``length`` is negative.
            UnimplementedError: The file cannot.
        """

    @abc.abstractmethod
    def flush(self) -> None:
        """Return when everything written is visible to a new reader."""

    def sync(self) -> None:
        """Flush, and return when the bytes survive a power cut where the store can promise that."""
        self.flush()
