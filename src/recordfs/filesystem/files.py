"""The contract of open files: random reads, and writing at the end.

A backend derives from RandomAccessFile and WritableFile and writes the methods that begin with an underscore. The
public ones check first, once for all backends, that the file is open, that it is this process's, and that the arguments
make sense; so in ``_read``, ``_append`` and the like they do. What is marked abstract has to be written; the rest
follows from that, correct everywhere and replaced where the store can do better. Where the price of a check shows (a
local file and short lines), a backend overrides the public method, and says so there.
"""

from __future__ import annotations

import abc
import os
import warnings
from typing import TYPE_CHECKING, Protocol

from recordfs.errors import (
    ClosedFileError,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    UnimplementedError,
)
from recordfs.filesystem.unclosed_writers import close_at_exit, forget, is_left_to_exit
from recordfs.per_process import OwningProcess
from recordfs.redaction import redact
from recordfs.whole_numbers import whole_number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from typing_extensions import Buffer

__all__ = [
    "AppendableFile",
    "OpenFile",
    "RandomAccessFile",
    "WritableFile",
    "byte_view",
    "close_after",
    "coalesce",
    "end_after",
    "give_up",
    "writable_byte_view",
]


def byte_view(data: Buffer) -> memoryview:
    """Return any contiguous buffer as a flat view of its bytes. Release it after use.

    Raises:
        TypeError: ``data`` is str, no buffer, or not contiguous.
    """
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"expected bytes or another buffer, found {type(data).__name__}") from None
    if view.ndim == 1 and view.format == "B" and view.c_contiguous:
        return view
    if "O" in (view.format or ""):
        raise TypeError("expected a buffer of bytes or numbers, found one of Python objects")
    if not view.c_contiguous:
        raise TypeError("expected a contiguous buffer, found one with gaps; copy it with bytes() first")
    # Views with a zero in their shape cannot be cast.
    return view.cast("B") if view.nbytes else memoryview(b"")


def writable_byte_view(buffer: Buffer, path: str) -> memoryview:
    """Return a writable contiguous buffer as a flat view of its bytes. Release it after use.

    Raises:
        InvalidArgumentError: It is read-only or not contiguous.
        TypeError: It is no buffer.
    """
    with memoryview(buffer) as view:
        if "O" in (view.format or ""):
            raise InvalidArgumentError("read_into needs a buffer of bytes or numbers, found Python objects", path=path)
        if view.readonly or not view.c_contiguous:
            trouble = "a read-only one" if view.readonly else "one with gaps"
            raise InvalidArgumentError(f"read_into needs a writable, contiguous buffer, found {trouble}", path=path)
        return view.cast("B") if view.nbytes else memoryview(bytearray())


class OpenFile(abc.ABC):
    """What every open file shares: the name that it was opened by, and that it can be closed.

    Args:
        name: The full path as the caller gave it.
    """

    _closed = True  # until __init__ is through: a half-made file has nothing to let go of

    def __init__(self, name: str) -> None:
        self._name = name
        self._closed = False

    @property
    def name(self) -> str:
        """The full path that the file was opened by."""
        return self._name

    @property
    def closed(self) -> bool:
        """Whether the file was closed or discarded."""
        return self._closed

    @abc.abstractmethod
    def close(self) -> None:
        """Release what the file holds. Idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            close_after(self, error)

    def _check_made(self) -> None:
        """Raise where a backend's class has not called ``__init__``: such a file would do nothing, and say nothing."""
        if "_name" not in self.__dict__:
            raise TypeError(f"{type(self).__name__}.__init__ has to call super().__init__(name)")

    def _check_open(self) -> None:
        """Raise ClosedFileError after ``close``."""
        if self._closed:
            self._check_made()
            raise ClosedFileError("the file has been closed", path=self._name)

    def _checked_range(self, offset: int, n: int = 0) -> tuple[int, int]:
        """Return both as Python's numbers: those of NumPy overflow. Raise unless the file is open and they are >= 0."""
        self._check_open()
        if type(offset) is not int or type(n) is not int:
            offset, n = whole_number(offset, "offset", path=self._name), whole_number(n, "n", path=self._name)
        if offset < 0 or n < 0:
            raise InvalidArgumentError(f"offset and n have to be at least 0, found {offset} and {n}", path=self._name)
        return offset, n


class RandomAccessFile(OpenFile):
    """A file open for reading at any offset.

    Every method may be called from several threads at once, and in a forked child. No position is kept. After ``close``
    every call but ``close``, ``closed`` and ``name`` raises ClosedFileError.

    A backend writes ``_read`` and ``_size``, and may write ``_read_into``, ``_read_blocks``, ``_read_ahead`` and
    ``_close``.
    """

    def read(self, offset: int, n: int) -> bytes:
        """Return up to ``n`` bytes from ``offset``.

        Returns:
            Fewer than ``n`` bytes only where the file ends, ``b""`` at or past its end.

        Raises:
            InvalidArgumentError: ``offset`` or ``n`` is negative.
            TypeError: One of them is no whole number.
            AbortedError: The store noticed that the file was replaced by another since it was opened.
        """
        offset, n = self._checked_range(offset, n)
        data = self._read(offset, n)
        return data if type(data) is bytes and len(data) <= n else self._checked(data, n)

    def read_into(self, offset: int, buffer: Buffer) -> int:
        """Read into a writable buffer and return how many bytes were read.

        A return of less than the buffer's size is not the end of the file; 0 for a buffer that is not empty is. The
        file keeps no reference to the buffer.

        Raises:
            InvalidArgumentError: ``offset`` is negative, or the buffer is read-only or not contiguous.
            AbortedError: As ``read``.
        """
        offset, _ = self._checked_range(offset)
        with writable_byte_view(buffer, self._name) as view:
            return self._read_into(offset, view)

    def read_ranges(self, ranges: Sequence[tuple[int, int]], *, max_gap: int = 65536) -> list[bytes]:
        """Read many ranges, merging neighbours.

        They are no part of a sequence: no read-ahead begins by them, and none that is under way is given up.

        Args:
            ranges: ``(offset, length)`` pairs in any order; duplicates and overlaps are allowed.
            max_gap: Ranges with at most this many unwanted bytes between them are fetched by one read.

        Returns:
            One bytes object a range, in the order asked, each short or empty past the end as in ``read``.

        Raises:
            InvalidArgumentError: A number is negative. Nothing is read then.
            TypeError: A number is no whole one. Nothing is read then.
            AbortedError: As ``read``.
        """
        self._check_open()
        ranges = [
            (offset, length)
            if type(offset) is int and type(length) is int
            else (whole_number(offset, "an offset", path=self._name), whole_number(length, "a length", path=self._name))
            for offset, length in ranges
        ]
        blocks = coalesce(ranges, whole_number(max_gap, "max_gap", path=self._name), self._name)
        results: list[bytes] = [b""] * len(ranges)
        contents = self._read_blocks([(start, end) for start, end, _ in blocks])
        for (start, _, members), content in zip(blocks, contents, strict=True):
            # Slicing all of a bytes object gives the object itself; of other buffers each range is copied once.
            source: bytes | memoryview = content if type(content) is bytes else memoryview(content)
            for index in members:
                offset, length = ranges[index]
                results[index] = bytes(source[offset - start : offset - start + length])
        return results

    def read_ahead(self, offset: int, n: int) -> int | None:
        """Begin to fetch bytes that will be read soon, if this store takes its time; return at once.

        It changes when bytes come, never which. A backend may fetch fewer, to bound its memory.

        Returns:
            The file's size as it is known without asking, or None from a store that gains nothing by this.

        Raises:
            InvalidArgumentError: A number is negative.
        """
        return self._read_ahead(*self._checked_range(offset, n))

    def size(self) -> int:
        """Return the size in bytes, asked anew at every call where the file can grow."""
        self._check_open()
        return self._size()

    def fileno(self) -> int:
        """Return the operating system's descriptor, which stays this object's.

        Raises:
            UnimplementedError: The file is none of the operating system's. (It is an io.UnsupportedOperation too, as
                Python's own files raise.)
        """
        self._check_open()
        return self._fileno()

    def close(self) -> None:
        """Release what the file holds. Idempotent."""
        self._check_made()
        if not self._closed:
            self._closed = True
            self._close()

    # What a backend writes.

    @abc.abstractmethod
    def _read(self, offset: int, n: int) -> bytes:
        """Return up to ``n`` bytes, fewer only at the end."""

    @abc.abstractmethod
    def _size(self) -> int:
        """Return the size in bytes."""

    def _read_into(self, offset: int, view: memoryview) -> int:
        """Fill a flat view of bytes from its start and return how many came."""
        data = self._checked(self._read(offset, len(view)), len(view))
        view[: len(data)] = data
        return len(data)

    def _checked(self, data: Buffer, n: int) -> bytes:
        """Return what a backend read as bytes, unless it can be no answer."""
        try:
            content = data if isinstance(data, bytes) else bytes(memoryview(data))
        except TypeError:
            raise InternalError(
                f"{type(self).__name__}._read returned {type(data).__name__}; expected bytes", path=self._name
            ) from None
        if len(content) > n:
            raise InternalError(
                f"{type(self).__name__}._read returned {len(content)} bytes; expected at most {n}", path=self._name
            )
        return content

    def _read_blocks(self, blocks: list[tuple[int, int]]) -> Sequence[Buffer]:
        """Return the bytes of each ``(start, end)``, short or empty past the end; a store may fetch in parallel."""
        return [self._read(start, end - start) for start, end in blocks]

    def _read_ahead(self, offset: int, n: int) -> int | None:
        """Begin to fetch."""
        return None

    def _fileno(self) -> int:
        raise UnimplementedError(f"{type(self).__name__} has no descriptor of the operating system", path=self._name)

    def _close(self) -> None:
        """Release what the file holds; called once. Reads may be under way in other threads."""


def coalesce(ranges: Sequence[tuple[int, int]], max_gap: int, path: str) -> list[tuple[int, int, list[int]]]:
    """Merge ranges into blocks.

    Returns:
        ``(start, end, members)`` for each block in ascending order, where ``members`` are indexes into ``ranges``.
        Empty ranges are in no block.

    Raises:
        InvalidArgumentError: A number is negative.
    """
    for offset, length in ranges:
        if offset < 0 or length < 0:
            raise InvalidArgumentError(
                f"a range needs an offset and a length of at least 0, found ({offset}, {length})", path=path
            )
    if max_gap < 0:
        raise InvalidArgumentError(f"max_gap has to be at least 0, found {max_gap}", path=path)
    blocks: list[tuple[int, int, list[int]]] = []
    for index in sorted((i for i, (_, length) in enumerate(ranges) if length), key=lambda i: ranges[i][0]):
        offset, length = ranges[index]
        if blocks and offset - blocks[-1][1] <= max_gap:
            start, end, members = blocks[-1]
            members.append(index)
            blocks[-1] = (start, max(end, offset + length), members)
        else:
            blocks.append((offset, offset + length, [index]))
    return blocks


class WritableFile(OpenFile):
    """A file open for writing at its end.

    One thread at a time. A file belongs to the process that opened it: in a forked child every call raises
    FailedPreconditionError, and letting go of it does nothing. After ``close`` or ``discard`` every call but these two,
    ``closed`` and ``name`` raises ClosedFileError.

    Leaving a ``with`` block closes the file, by an exception too: what was appended is kept. A file opened with
    ``atomic=True`` is discarded then.

    One that nobody closed is closed when it is collected (an atomic one is discarded), with a ResourceWarning.

    A backend writes ``_append``, ``_flush``, ``_tell`` and ``_close``, and may write ``_append_parts``, ``_sync``,
    ``_discard`` and ``publish``; it extends ``_check_usable`` where a failure is final, and ``_end``.

    Args:
        name: The full path as the caller gave it.
        atomic: Whether only ``close`` publishes, all or nothing.
    """

    _closes_when_collected = True
    """Whether letting go of the file closes it. Not where it is another's, who closes it."""

    def __init__(self, name: str, *, atomic: bool = False) -> None:
        super().__init__(name)
        self._atomic = atomic
        self._owner = OwningProcess()
        if self._closes_when_collected:
            close_at_exit(self, atomic=atomic)

    def __del__(self, is_left_to_exit: Callable[[object], bool] = is_left_to_exit) -> None:
        # What the exit could not close is collected after it, when this module's names may be gone.
        if self._closed or not self._closes_when_collected or is_left_to_exit(self) or not self._owner.is_current:
            return
        # Errors get out and are reported by the interpreter as unraisable; nothing half-written is published.
        try:
            if self.atomic:
                self.discard()
            else:
                self.close()
        finally:
            # Last, because it raises where warnings are errors.
            warnings.warn(
                f"unclosed writer of {redact(self._name)}; close it or use `with`",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    @property
    def atomic(self) -> bool:
        """Whether only ``close`` publishes, all or nothing."""
        return self._atomic

    def append(self, data: Buffer) -> None:
        """Take all of ``data``; it may be buffered, in at most 16 MiB a file.

        A call that raises has taken nothing of ``data``. Errors of work in the background come out of the next call.
        The file keeps no reference to the caller's buffer.

        Raises:
            ResourceExhaustedError: No space or quota is left.
            TypeError: ``data`` is str or no contiguous buffer.
        """
        self._check_usable()
        with byte_view(data) as view:
            self._append(view)

    def append_parts(self, parts: Sequence[Buffer]) -> None:
        """Take several buffers, one after another, all of them or, if it raises, none. Raises as ``append``."""
        self._check_usable()
        views: list[memoryview] = []
        try:
            for part in parts:
                views.append(byte_view(part))  # noqa: PERF401 (those that were made are released if a later one fails)
            self._append_parts(views)
        finally:
            for view in views:
                view.release()

    def flush(self) -> None:
        """Return when everything appended is visible to a new reader, for the price of the new bytes.

        On a filesystem whose capabilities say ``flush_visibility="close"`` it hands the bytes on, and no more. For an
        atomic file it hands the bytes on and publishes nothing.

        A flush that raises keeps its bytes; a later flush tries again. On a local disk a failed ``sync`` is final.
        """
        self._check_usable()
        self._flush()

    def sync(self) -> None:
        """Flush, and return when the bytes survive a power cut where the store can promise that."""
        self._check_usable()
        self._sync()

    def tell(self) -> int:
        """Return the size of the file with everything taken so far, in bytes. Does no I/O."""
        self._check_open()
        return self._tell()

    def close(self) -> None:
        """Publish everything and release what the file holds. Idempotent; a failure is raised.

        A file that was never written to is published empty. If publishing fails and can be tried again, the file
        stays open and the bytes stay in it.
        """
        self._check_made()
        if not self._closed:
            self._check_process()
            self._close()
            self._end()

    def discard(self) -> None:
        """Let go of the file without publishing what has not been flushed. Idempotent.

        Of an atomic file nothing becomes visible; of another what was flushed before stays.

        Raises:
            UnimplementedError: This kind of file has no way to do it; it is still open.
        """
        if not self._closed:
            self._check_process()
            self._discard()
            self._end()

    def publish(self, *, overwrite: bool = False) -> None:
        """Publish everything, of an atomic file too, and with ``overwrite`` over what another writer put there.

        A writer that lost against another on an object store gets its bytes out by this.

        Raises:
            UnimplementedError: This filesystem has no writers that lose.
        """
        self._check_open()
        raise UnimplementedError(
            f"{type(self).__name__} publishes by flush and close alone: no writer of this filesystem loses against "
            "another",
            path=self._name,
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and self.atomic:
            give_up(self, error)
        else:
            super().__exit__(kind, error, traceback)

    # What a backend writes.

    @abc.abstractmethod
    def _append(self, data: memoryview) -> None:
        """Take all of a flat view of bytes, or raise and take nothing. The view is released after the call."""

    @abc.abstractmethod
    def _flush(self) -> None:
        """Make everything visible to new readers; of an atomic file only hand it on."""

    @abc.abstractmethod
    def _tell(self) -> int:
        """Return the size with everything taken so far."""

    @abc.abstractmethod
    def _close(self) -> None:
        """Publish everything; if it raises, the file stays open unless ``_end`` was called."""

    def _append_parts(self, parts: list[memoryview]) -> None:
        """Take all parts or none. The default joins them, which copies."""
        with memoryview(b"".join(parts)) as joined:
            self._append(joined)

    def _sync(self) -> None:
        """Make everything durable where the store can."""
        self._flush()

    def _discard(self) -> None:
        """Drop what was not flushed; if it raises, the file stays open unless ``_end`` was called.

        Of an atomic file nothing has been published before ``_close``, so the default has nothing to do.
        """
        if not self.atomic:
            raise UnimplementedError(f"{type(self).__name__} cannot be discarded", path=self._name)

    def _end(self) -> None:
        """Be closed from now on, and let go of everything; called after ``_close`` and ``_discard``, perhaps twice."""
        self._closed = True
        forget(self)

    def is_in_use(self) -> bool:
        """Return whether a call is known to be under way: then another thread's ``close`` has to wait for it."""
        return False

    def _check_usable(self) -> None:
        """Raise where nothing can be appended or flushed: closed, another process's, or broken for good."""
        self._check_open()

    def _check_open(self) -> None:
        super()._check_open()
        self._check_process()

    def _check_process(self) -> None:
        if not self._owner.is_current:
            raise FailedPreconditionError(
                f"the writer belongs to process {self._owner.pid}, and this is process {os.getpid()}; "
                "open one in each process",
                path=self._name,
            )


AppendableFile = WritableFile
"""A file open for writing after what it held already; ``tell`` counts that too. The contract is WritableFile's."""


class _Closable(Protocol):
    """What can be closed."""

    @property
    def closed(self) -> bool: ...
    def close(self) -> None: ...


def close_after(file: _Closable, error: BaseException) -> None:
    """Close what an error has left, unless it is closed. The error stays the one that the user sees.

    It may be that of a ``close``, which is tried once more then. What fails becomes a note of ``error``.
    """
    if not file.closed:
        end_after(file.close, error)


def end_after(close: Callable[[], object], error: BaseException) -> None:
    """Call what ends something that an error has left. What fails in it becomes a note of that error."""
    try:
        close()
    except Exception as second:  # noqa: BLE001 (the first error is the one to see, and this one is its note)
        error.add_note(f"closing failed too: {type(second).__name__}: {second}")


class _Writer(Protocol):
    """What can be given up."""

    @property
    def name(self) -> str: ...
    @property
    def atomic(self) -> bool: ...
    def discard(self) -> None: ...
    def close(self) -> None: ...


def give_up(writer: _Writer, error: BaseException) -> None:
    """Let go of a writer because of an error, which stays the one that the user sees.

    The writer is discarded; where it cannot be, it is closed, so that nothing waits to be collected, unless it is
    atomic: half of such a file is never published. What fails in that becomes a note of ``error``.
    """
    try:
        try:
            writer.discard()
        except UnimplementedError:
            if writer.atomic:
                raise
            writer.close()
    except Exception as second:  # noqa: BLE001 (the first error is the one to see, and this one is its note)
        error.add_note(f"letting go of {writer.name} failed too: {type(second).__name__}: {second}")
