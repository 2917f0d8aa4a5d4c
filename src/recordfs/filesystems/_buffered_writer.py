"""The part of writing that the filesystems of this machine share: a small buffer, and appends that are all or nothing.

A subclass says how bytes get to the end of its file and how a failed attempt is taken back; this class keeps the count,
so that an error or a KeyboardInterrupt at any point leaves either none or all of what one call was given.
"""

from __future__ import annotations

import abc
import weakref
from typing import TYPE_CHECKING

from recordfs.errors import FailedPreconditionError, RecordFSError
from recordfs.filesystem.files import WritableFile
from recordfs.open_files.one_call import CallUnderWay, no_call, refuse_call

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Buffer

__all__ = ["BufferedWritableFile"]

BUFFER_SIZE = 64 * 1024
"""Appends smaller than this are collected; a larger one goes straight to the file, without a copy."""


class BufferedWritableFile(WritableFile):
    """A file being written, with what was taken but not yet written in memory.

    Args:
        name: The full path as the caller gave it.
        written: How many bytes the file holds already.
        atomic: Only ``close`` publishes.
    """

    def __init__(self, name: str, *, written: int = 0, atomic: bool = False) -> None:
        # How far the file reaches by this writer's count, and where its last write really ended: further on, if other
        # writers append to the same file. `flush` brings the count up to date.
        self._written = self._end_of_file = written
        self._pending = bytearray()
        # While a write is under way: how many bytes it has, and what of it has landed in the file, as the subclass
        # notes it. Both are cleared by the one assignment that counts the write, or after it was undone.
        # What is in flight without a call that is under way was left by one that failed, and is taken back.
        self._in_flight = 0
        self._call_under_way: Callable[[], CallUnderWay | None] = no_call
        self._landed: list[int] = []
        self._broken: str | None = None
        super().__init__(name, atomic=atomic)

    # What a subclass writes.

    @abc.abstractmethod
    def _write(self, parts: Sequence[Buffer], total: int) -> int:
        """Write all parts (``total`` bytes) at the end of the file, and return where they end.

        Notes in ``_landed``, which is empty, what ``_undo`` has to know.
        """

    @abc.abstractmethod
    def _undo(self, attempted: int) -> None:
        """Cut off what a failed write of ``attempted`` bytes left in the file, and no byte of another writer's.

        Calls ``_break`` where that is not possible. May be called again after it was interrupted.
        """

    @abc.abstractmethod
    def _publish(self) -> None:
        """Make what was written final; called once by ``close``, and again if it raised."""

    @abc.abstractmethod
    def _release(self) -> None:
        """Let go of descriptors and temporary files. Called once."""

    def _show(self) -> None:
        """Make what was written visible to new readers; nothing to do where every write is."""

    def _make_durable(self) -> None:
        """Make what was written survive a power cut, where that means something."""

    # The contract.

    def _tell(self) -> int:
        # Where others append to the same file it is exact after each flush, and counts only this writer's bytes from
        # there on.
        return self._written + len(self._pending)

    def append(self, data: Buffer) -> None:
        """Take all of ``data``, or raise and take nothing."""
        # The public method, because the checks and a view would double the price of the usual short line.
        if type(data) is bytes and len(data) + len(self._pending) < BUFFER_SIZE:
            self._check_usable()
            self._pending += data
            return
        super().append(data)

    def _append(self, data: memoryview) -> None:
        size = len(data)
        if len(self._pending) + size >= BUFFER_SIZE:
            self._drain()
            if size >= BUFFER_SIZE:
                self._commit([data], size)
                return
        self._pending += data

    def _append_parts(self, parts: list[memoryview]) -> None:
        size = sum(map(len, parts))
        if len(self._pending) + size >= BUFFER_SIZE:
            self._drain()
            if size >= BUFFER_SIZE:
                self._commit([part for part in parts if len(part)], size)
                return
        joined = b"".join(parts)  # first: what is pending may be another object after a call
        self._pending += joined

    def _flush(self) -> None:
        self._drain()
        self._written = self._end_of_file
        if not self.atomic:
            self._show()

    def _sync(self) -> None:
        self._flush()
        self._make_durable()

    def _close(self) -> None:
        self._check_idle()
        if self._broken is not None:
            self._end()
            raise self._broken_error()
        self._drain()
        self._publish()

    def _discard(self) -> None:
        self._check_idle()
        try:
            self._settle()
        finally:
            self._pending = bytearray()
            self._end()

    def is_in_use(self) -> bool:
        """Return whether bytes are on their way to the file."""
        return self._in_flight != 0 and self._call_under_way() is not None

    # The bookkeeping.

    def _drain(self) -> None:
        """Write what is in memory; if that fails it stays there."""
        self._settle()
        pending = self._pending
        if pending:
            self._commit([pending], len(pending), drained=True)

    def _commit(self, parts: Sequence[Buffer], total: int, *, drained: bool = False) -> None:
        """Write parts at the end and count them, all or nothing; ``drained`` says that they are what was pending."""
        self._settle()
        call = CallUnderWay()
        reference = weakref.ref(call)
        empty = bytearray()
        # One statement without a call, here and below: no signal handler can run in the middle of it. From here on its
        # calls to this writer are refused; what one has written until here is not written again.
        self._in_flight, self._call_under_way = total, reference
        try:
            if drained:
                if parts[0] is not self._pending:
                    self._in_flight = 0
                    return
                self._in_flight = total = len(self._pending)
            end = self._write(parts, total)
            counted = self._written + total
            self._written, self._end_of_file, self._pending, self._in_flight, self._landed = (
                counted,
                end,
                empty if drained else self._pending,
                0,
                [],
            )
        except BaseException as error:
            del call  # the error's traceback would keep it
            try:
                self._settle()
            except RecordFSError as second:
                # The next call tries again before it does anything else, and raises if it cannot.
                error.add_note(f"taking back the incomplete write failed too, and will be tried again: {second}")
            if self._broken is not None:
                error.add_note(f"the writer can no longer be used: {self._broken}")
            raise

    def _settle(self) -> None:
        """Take back what an interrupted or failed write may have left in the file."""
        if self._in_flight:
            self._undo(self._in_flight)
            self._in_flight, self._landed = 0, []

    def _end(self) -> None:
        """Release once, whatever happens in it."""
        if not self._closed:
            super()._end()
            self._release()

    def _break(self, reason: str) -> None:
        """Refuse everything from now on, because the file's contents can no longer be vouched for."""
        self._broken = reason
        self._in_flight, self._landed = 0, []

    def _broken_error(self) -> FailedPreconditionError:
        return FailedPreconditionError(f"the writer can no longer be used: {self._broken}", path=self._name)

    def _check_usable(self) -> None:
        # One test for all of them, because the price of a call shows in that of a short line.
        if self._closed or self._in_flight or self._broken is not None or not self._owner.is_current:
            super()._check_usable()
            if self._broken is not None:
                raise self._broken_error()
            self._check_idle()

    def _check_idle(self) -> None:
        """Raise in a call inside another one: it would take back what that has written, or be forgotten by it."""
        if self.is_in_use():
            raise refuse_call(self)
