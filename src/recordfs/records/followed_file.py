"""A file that is followed: what comes after its end, and whether its path still names it.

Open files of stores that declare ``detects_replacement`` notice for themselves. Of all others the path is looked at
again whenever the end is reached: if size or time have changed, the file is opened again, and it is the same one if the
last bytes that were read stand in it where they stood. Where reading begins inside a file, the bytes before that place
are read for this. The price of a look is one ``stat``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from recordfs.errors import (
    AbortedError,
    DeadlineExceededError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from recordfs.errors import RecordFSError
    from recordfs.filesystem import FileStatistics, FileSystem, RandomAccessFile

__all__ = ["FollowedFile"]

REMEMBERED = 64 << 10
"""How many of the last bytes that were read are kept to know the file by."""

PATIENCE = 1.0
"""Seconds after which a file that is gone, or shorter than what was read of it, counts as replaced: some writers write
the whole file again to make it longer."""

_PASSING = (UnavailableError, DeadlineExceededError, ResourceExhaustedError)
"""Errors of a store or a system that is overloaded or not reached; the same call may work later."""

_RESTART = 'on_replaced="restart" goes on with what stands there then'


class FollowedFile:
    """The file at a path, under the contract of a RandomAccessFile as far as a record reader uses it.

    A store that cannot be reached has no bytes now; ``outage`` is the error. One thread at a time, reading in order.

    Args:
        path: The full path.
        file_system: What it is on.
        may_be_missing: Wait for a file that is not there instead of raising NotFoundError now.
    """

    def __init__(self, path: str, file_system: FileSystem, *, may_be_missing: bool = False) -> None:
        self._path = path
        self._file_system = file_system
        capabilities = file_system.capabilities(path)
        self._detects_replacement = capabilities.detects_replacement
        self._growing_reads = capabilities.growing_reads
        self._file: RandomAccessFile | None = None
        self._position = 0
        self._last_bytes = b""
        # Whether the last read found less than it asked for, or nothing.
        self._was_short = self._at_end = False
        # What stood at the path when the file was looked at last, and since when it is not there as it was.
        self._seen: FileStatistics | None = None
        self._missing_since: float | None = None
        self._missing = ""
        self.outage: RecordFSError | None = None
        self.replaced = False
        if not may_be_missing:
            self._file = file_system.new_random_access_file(path)

    def read_into(self, offset: int, buffer: Buffer) -> int:
        """Read into a buffer and return how many bytes came; 0 if there are none now.

        Raises:
            AbortedError: The file was deleted, replaced, cut short or rewritten; ``replaced`` is set then.
        """
        try:
            count = self._read_into(offset, buffer)
        except _PASSING as error:
            self._note_outage(error)
            return 0
        except AbortedError:
            self.replaced = True
            raise
        self.outage = None
        return count

    def check_ending(self) -> None:
        """Raise what leaves open whether there is more: the store cannot be reached, or the file is not there now."""
        if self.outage is not None:
            raise self.outage
        if self._missing_since is not None:
            raise self._replaced_error(self._missing)

    def size(self) -> int:
        """Return the size of what is open, -1 while nothing is."""
        return -1 if self._file is None else self._file.size()

    def close(self) -> None:
        """Close what is open. Idempotent."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _read_into(self, offset: int, buffer: Buffer) -> int:
        if self._file is None:
            try:
                self._file = self._file_system.new_random_access_file(self._path)
            except NotFoundError:
                if self._missing_since is not None:
                    self._miss("it was deleted")
                return 0
        if offset != self._position and not self._go_to(self._file, offset):
            return 0
        if self._detects_replacement:
            count = self._read_pinned(self._file, buffer)
        else:
            count = self._read_by_path(self._file, buffer)
        self._remember(buffer, count)
        return count

    def _go_to(self, file: RandomAccessFile, offset: int) -> bool:
        """Go on reading at another place; False if the file does not reach that far, and has not for long.

        Raises:
            AbortedError: It has been too short for long: what the caller knows of it was cut off.
        """
        # Where the store notices replacing, one byte is enough to see that the file reaches that far.
        size = min(offset, 1 if self._detects_replacement else REMEMBERED)
        before = file.read(offset - size, size)
        if len(before) < size:
            # Nothing of it was used at that place, so the next look may take what the path names then.
            self._file = None
            file.close()
            self._miss(f"it is shorter than the {offset} bytes after which to go on")
            return False
        self._missing_since = None
        self._position, self._last_bytes = offset, before
        return True

    def _read_pinned(self, file: RandomAccessFile, buffer: Buffer) -> int:
        try:
            return file.read_into(self._position, buffer)
        except AbortedError as error:
            raise AbortedError(f"{error.message}; {_RESTART}", path=self._path) from error

    def _read_by_path(self, file: RandomAccessFile, buffer: Buffer) -> int:
        """Read what is open; at its end look at what the path names."""
        if not self._at_end or self._growing_reads:
            try:
                if count := self._read_after_last_bytes(file, buffer):
                    return count
            except (AbortedError, NotFoundError):
                self._seen = None  # the store gives no more of that version: look what there is now
        try:
            return self._read_successor(file, buffer)
        except AbortedError:
            # Its own writer may have written a little more before it lost its name.
            if self._growing_reads and (count := self._read_after_last_bytes(file, buffer)):
                return count
            raise

    def _read_successor(self, file: RandomAccessFile, buffer: Buffer) -> int:
        """Read what the path names now, if that has changed and is still the same file."""
        try:
            statistics = self._file_system.stat(self._path)
            if statistics == self._seen and statistics.length >= 0:
                return 0
            successor = self._file_system.new_random_access_file(self._path)
        except NotFoundError:
            self._miss("it was deleted")
            return 0
        try:
            is_same = self._is_same(successor)
            count = successor.read_into(self._position, buffer) if is_same else 0
        except NotFoundError:  # where opening asks the store for nothing, reading finds out
            successor.close()
            self._miss("it was deleted")
            return 0
        except BaseException:
            successor.close()
            raise
        if not is_same:
            successor.close()
            return 0
        self._file, self._seen = successor, statistics
        file.close()
        return count

    def _read_after_last_bytes(self, file: RandomAccessFile, buffer: Buffer) -> int:
        """Read; bytes that came after what was the end count only if those before them are still the same."""
        count = file.read_into(self._position, buffer)
        return count if not count or not self._was_short or self._is_same(file) else 0

    def _is_same(self, file: RandomAccessFile) -> bool:
        """Tell whether a file begins with what was read; False if it is too short to tell, and has not been for long.

        Raises:
            AbortedError: It holds other bytes, or has been too short for long.
        """
        known = self._last_bytes
        found = file.read(self._position - len(known), len(known)) if known else b""
        if len(found) < len(known):
            self._miss(f"it is shorter than the {self._position} bytes that were read")
            return False
        if found != known:
            raise self._replaced_error(f"it holds other bytes than were read before byte {self._position}")
        self._missing_since = None
        return True

    def _miss(self, what: str) -> None:
        """Note that what was read is not there now: a writer may be rewriting it, and a little more.

        Raises:
            AbortedError: That has been so for long.
        """
        now = time.monotonic()
        self._seen = None
        self._missing = what
        if self._missing_since is None:
            self._missing_since = now
        elif now - self._missing_since >= PATIENCE:
            raise self._replaced_error(what)

    def _remember(self, buffer: Buffer, count: int) -> None:
        self._at_end = count == 0
        self._position += count
        if self._detects_replacement:
            return
        with memoryview(buffer) as view, view.cast("B") as data:
            self._was_short = count < len(data)
            with data[max(0, count - REMEMBERED) : count] as fresh:
                self._last_bytes = (self._last_bytes[len(fresh) - REMEMBERED :] + fresh)[-REMEMBERED:]

    def _replaced_error(self, what: str) -> AbortedError:
        return AbortedError(f"the file was replaced while it was followed: {what}; {_RESTART}", path=self._path)

    def _note_outage(self, error: RecordFSError) -> None:
        """Keep an error that is tried again, and say so once."""
        if self.outage is None:
            import logging  # slow to import, and seldom needed

            logging.getLogger("recordfs").warning("%s; still following", error)
        self.outage = error
