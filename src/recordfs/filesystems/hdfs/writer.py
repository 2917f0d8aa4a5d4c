"""Writing at the end of a file, in place or under a temporary name that ``close`` renames."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from recordfs.errors import NotFoundError
from recordfs.filesystem.files import WritableFile
from recordfs.filesystems.hdfs.errors import LeaseLostError
from recordfs.open_files.unclosed_writers import keep_until_closed

if TYPE_CHECKING:
    from collections.abc import Callable

    from recordfs.filesystems.hdfs.pipeline import Pipeline

__all__ = ["HdfsWritableFile"]

BUFFER_SIZE = 1 << 20
"""Appends are collected to this many bytes: each piece that is handed on costs a change of threads."""


class HdfsWritableFile(WritableFile):
    """A file of HDFS open for writing at its end.

    What was appended is in memory until there is a mebibyte of it or it is flushed; 16 MiB are held at most.

    Args:
        name: The full path as the caller gave it.
        pipeline: What takes the bytes to the datanodes.
        publish: Called after the file was closed, to give it its name; None for a file that has it.
        withdraw: Called to delete it instead; None for a file that has its name.
    """

    def __init__(
        self,
        name: str,
        pipeline: Pipeline,
        publish: Callable[[], None] | None = None,
        withdraw: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(name, atomic=publish is not None)
        self._pipeline = pipeline
        self._publish = publish
        self._withdraw = withdraw
        # What the pipeline has not been given yet, and the length that it had then. If it has another by now, it has
        # taken these bytes, and Ctrl-C kept us from noting it.
        self._pending, self._pending_from = bytearray(), pipeline.length
        self._written = False
        keep_until_closed(self)

    def _append(self, data: memoryview) -> None:
        self._settle()
        if len(self._pending) + len(data) >= BUFFER_SIZE:
            self._hand_on()
            if len(data) >= BUFFER_SIZE:
                self._pipeline.write(data)
                return
        self._pending += data

    def _hand_on(self) -> None:
        """Give the pipeline what is in memory; if that fails it stays there."""
        self._settle()
        if self._pending:
            with memoryview(self._pending) as view:
                self._pipeline.write(view)
            self._settle()

    def _settle(self) -> None:
        """Forget what the pipeline has taken."""
        if self._pipeline.length != self._pending_from:
            self._pending, self._pending_from = bytearray(), self._pipeline.length

    def _flush(self) -> None:
        self._hand_on()
        self._pipeline.sync()

    def _tell(self) -> int:
        self._settle()
        return self._pipeline.length + len(self._pending)

    def _close(self) -> None:
        try:
            if not self._written:
                self._hand_on()
                self._pipeline.close()
                self._written = True
            if self._publish is not None:
                self._publish()
        except LeaseLostError:
            self._end()  # trying again cannot help
            raise

    def _discard(self) -> None:
        self._pending, self._pending_from = bytearray(), self._pipeline.length
        if self._withdraw is None:
            self._pipeline.close_as_synced()
            return
        self._pipeline.abandon()
        with contextlib.suppress(NotFoundError):  # it was to vanish anyway
            self._withdraw()

    def _end(self) -> None:
        super()._end()
        self._pending = bytearray()
        self._pipeline.abandon()
