"""The files that a plugin opens, as the contract has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.errors import FailedPreconditionError, InternalError, NotFoundError, RecordFSError
from recordfs.filesystem import RandomAccessFile, WritableFile
from recordfs.open_files.unclosed_writers import keep_until_closed

if TYPE_CHECKING:
    from collections.abc import Callable

    from recordfs.plugins.operations import PluginReader, PluginWriter

__all__ = ["PluginRandomAccessFile", "PluginWritableFile"]

# The interface counts in 64 bits; there are no bytes past this offset.
_LAST_OFFSET = (1 << 63) - 1


class PluginRandomAccessFile(RandomAccessFile):
    """A plugin's file, open for reading.

    Args:
        name: The full path.
        reader: The open file.
        ask_size: Returns the size of what stands at the path now.
        length: How many bytes the file had when it was opened, -1 where the plugin does not say.
        grows: Whether the file shows bytes that were added later.
    """

    def __init__(
        self, name: str, reader: PluginReader, ask_size: Callable[[], int], *, length: int, grows: bool
    ) -> None:
        super().__init__(name)
        self._reader = reader
        self._ask_size = ask_size
        self._length = length
        self._grows = grows

    def _read(self, offset: int, n: int) -> bytes:
        if offset > _LAST_OFFSET or n == 0:
            return b""
        data = self._reader.read(offset, min(n, _LAST_OFFSET))
        if len(data) < n:
            self._check_end(offset + len(data))
        return data

    def _read_into(self, offset: int, view: memoryview) -> int:
        if offset > _LAST_OFFSET or not view:
            return 0
        count = self._reader.read_into(offset, view)
        if count == 0:
            self._check_end(offset)
        return count

    def _check_end(self, end: int) -> None:
        """Raise where the plugin ended the file before its end: copies would lose the rest of it without a word."""
        if end >= self._length:
            return
        try:
            size = self._ask_size()
        except NotFoundError:
            return  # deleted meanwhile; what can still be read of it is the plugin's affair
        if end < size:
            raise InternalError(
                f"the plugin broke the interface: a read ended at byte {end} of a file of {size} bytes",
                path=self._name,
            )

    def _size(self) -> int:
        return self._ask_size() if self._grows else self._length

    def _close(self) -> None:
        self._reader.close()


class PluginWritableFile(WritableFile):
    """A plugin's file, open for writing at its end.

    The interface does not say what a failed append has taken. The file asks the plugin's ``tell`` where there is one,
    and goes on if that was nothing or all; else it can be used no more. Nor may a file be closed twice, so one whose
    ``close`` failed is closed all the same, and every later ``close`` says that its bytes are lost.

    Args:
        name: The full path.
        writer: The open file.
        length: How many bytes the file held when it was opened.
        can_tell: Whether the plugin can tell the position.
    """

    def __init__(self, name: str, writer: PluginWriter, *, length: int = 0, can_tell: bool) -> None:
        self._writer = writer
        self._length = length
        self._can_tell = can_tell
        self._broken: str | None = None
        self._failure_of_close: str | None = None
        super().__init__(name)
        keep_until_closed(self)

    def _append(self, data: memoryview) -> None:
        if not data:
            return
        length = self._length
        try:
            self._writer.append(data)
        except BaseException:
            # Ctrl-C may come after the plugin took all, and then counts as an append that happened.
            taken = self._position() - length if self._can_tell else -1
            if taken == len(data):
                self._length = length + taken
            elif taken != 0:
                self._broken = "the plugin took a part of an append that failed" if taken > 0 else "an append failed"
            raise
        self._length = length + len(data)

    def _position(self) -> int:
        try:
            return self._writer.tell()
        except RecordFSError:
            return -1

    def _flush(self) -> None:
        self._writer.flush()

    def _sync(self) -> None:
        self._writer.sync()

    def _tell(self) -> int:
        return self._length

    def close(self) -> None:
        """Close the file, once. After a failure every further call raises FailedPreconditionError: the bytes are lost.

        What buffers bytes for this file calls it again, and would take a silent return for success.
        """
        failure = self._failure_of_close
        if failure is not None:
            raise FailedPreconditionError(
                f"the file cannot be closed again, and what the plugin has not stored is lost: {failure}",
                path=self._name,
            )
        super().close()

    def _close(self) -> None:
        try:
            self._writer.close()
            if self._broken is not None:
                raise self._broken_error()
        except BaseException as error:
            self._failure_of_close = f"close failed with {type(error).__name__}: {error}"
            raise
        finally:
            self._end()

    def _check_usable(self) -> None:
        super()._check_usable()
        if self._broken is not None:
            raise self._broken_error()

    def _broken_error(self) -> FailedPreconditionError:
        return FailedPreconditionError(
            f"the writer can no longer be used, and what the file holds is not known: {self._broken}", path=self._name
        )
