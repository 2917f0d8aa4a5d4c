"""Files of any fsspec filesystem, open for reading and for writing."""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, Any

from recordfs.errors import FailedPreconditionError, RecordFSError, UnavailableError, UnimplementedError
from recordfs.filesystem import RandomAccessFile, WritableFile
from recordfs.filesystems._foreign_writes import count_taken
from recordfs.filesystems._fsspec_checks import info_now
from recordfs.filesystems._fsspec_errors import error_from_fsspec, fsspec_errors
from recordfs.open_files.unclosed_writers import keep_until_closed
from recordfs.per_process import PerProcess
from recordfs.redaction import redact, redacted_cause

if TYPE_CHECKING:
    from recordfs.filesystems._fsspec_checks import WrittenFileCheck
    from recordfs.filesystems._fsspec_clients import FsspecClients

__all__ = ["BLOCK_SIZE", "FsspecRandomAccessFile", "FsspecWritableFile"]

BLOCK_SIZE = 8 << 20
"""How much an fsspec file collects before it uploads; stores with multipart uploads need at least 5 MiB."""

_WRITE_SIZE = 4 << 20


class FsspecRandomAccessFile(RandomAccessFile):
    """A file read through fsspec; its size is that of the time it was opened.

    Of a filesystem that works in fsspec's own thread every read is one ranged request, and reads run side by side.
    Of any other one file is held open, and reads take turns.

    Args:
        name: The full path as the caller gave it.
        clients: Where the fsspec instance comes from, again in every process.
        size: In bytes; None where the store does not tell.
    """

    def __init__(self, name: str, clients: FsspecClients, size: int | None) -> None:
        super().__init__(name)
        self._clients = clients
        self._length = size
        self._turns = PerProcess(threading.Lock)
        # A parent's handle shares its position with the child's, so the child opens another.
        self._handle: PerProcess[Any] = PerProcess(self._open_handle)

    def _read(self, offset: int, n: int) -> bytes:
        if self._length is not None:
            n = min(n, self._length - offset)
        if n <= 0:
            return b""
        data = self._read_once(offset, n)
        if len(data) < n and self._is_as_it_was():
            # A connection that broke off, which many a client takes for the end.
            data = self._read_once(offset, n)
            if len(data) < n:
                raise UnavailableError(
                    f"the store gave {len(data)} of {n} bytes at {offset}, twice, of a file that is as it was",
                    path=self._name,
                )
        return data

    def _read_once(self, offset: int, n: int) -> bytes:
        file_system, path = self._clients.resolve(self._name)
        with fsspec_errors(self._name):
            if file_system.async_impl:
                return _bytes_of(file_system.cat_file(path, start=offset, end=offset + n), n)
            return self._read_from_handle(offset, n)

    def _is_as_it_was(self) -> bool:
        """Tell whether the store says that the file still has the size with which it was opened."""
        if self._length is None:
            return False
        info = info_now(self._clients, self._name)
        return info is not None and info.get("size") == self._length

    def _open_handle(self) -> Any:
        file_system, path = self._clients.resolve(self._name)
        return file_system.open(path, "rb", cache_type="none")

    def _read_from_handle(self, offset: int, n: int) -> bytes:
        with self._turns.get():
            handle = self._handle.get()
            reached = handle.seek(offset)
            if isinstance(reached, int) and reached != offset:
                raise TypeError(f"asked to go to byte {offset}, the store's file went to {reached}")
            data = _bytes_of(handle.read(n), n)
            while len(data) < n and (more := _bytes_of(handle.read(n - len(data)), n - len(data))):
                data += more
            return data

    def _size(self) -> int:
        if self._length is None:
            raise UnimplementedError("the store does not report the size of this file", path=self._name)
        return self._length

    def _close(self) -> None:
        with self._turns.get():
            handle = self._handle.take()
        if handle is not None:
            with fsspec_errors(self._name):
                handle.close()


class FsspecWritableFile(WritableFile):
    """A file written through fsspec.

    fsspec does not say what became of bytes whose writing failed. So a failure is final: every later call raises
    FailedPreconditionError, and ``close`` publishes what the store took before it, if it lets itself be closed.

    Args:
        name: The full path as the caller gave it.
        handle: The open fsspec file.
        size: How many bytes it holds already.
        check: Looks at what the store has in the end.
        atomic: It was opened with ``autocommit=False``.
        visible_on_flush: The store shows flushed bytes to new readers.
    """

    def __init__(
        self,
        name: str,
        handle: Any,
        *,
        size: int,
        check: WrittenFileCheck,
        atomic: bool,
        visible_on_flush: bool,
    ) -> None:
        self._handle = handle
        self._length = size
        self._check = check
        # Where it is True there is nothing to warn of.
        self._warned = visible_on_flush or atomic
        self._failure: Exception | None = None
        super().__init__(name, atomic=atomic)
        keep_until_closed(self)

    def _append(self, data: memoryview) -> None:
        complete = False
        try:
            for start in range(0, len(data), _WRITE_SIZE):
                block = bytes(data[start : start + _WRITE_SIZE])
                self._write(block)
                self._check.add(block)
            self._length += len(data)
            complete = True
        except RecordFSError as error:
            self._failure = error
            raise
        except Exception as error:  # noqa: BLE001 (raised below, without its secrets)
            raise self._failed(error) from redacted_cause(error)
        finally:
            if not complete and self._failure is None:  # KeyboardInterrupt, somewhere in the middle
                self._failure = InterruptedError("writing was interrupted")

    def _write(self, block: bytes) -> None:
        """Write all of a block; some files write a part and say so, others return nothing."""
        while block:
            block = block[count_taken(self._handle.write(block), len(block), self._name) :]

    def _flush(self) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{redact(self._name)}: this filesystem shows a file to readers when it is closed; flush only hands "
                "bytes on",
                UserWarning,
                stacklevel=3,
            )
        try:
            self._handle.flush()
        except Exception as error:  # noqa: BLE001 (raised below, without its secrets)
            raise self._failed(error) from redacted_cause(error)

    def _tell(self) -> int:
        self._check_usable()  # of bytes whose writing failed nobody knows the count
        return self._length

    def _close(self) -> None:
        if self._failure is None:
            # Stands until all went well: a second `close` after an interrupted one must not seem to succeed.
            self._failure = InterruptedError("closing it was interrupted or failed")
            try:
                with fsspec_errors(self._name):
                    self._handle.close()
                    if self.atomic:
                        self._handle.commit()
            except RecordFSError:
                self._end()
                raise
            self._end()
            self._check.run(self._length)
            return
        self._end()
        with fsspec_errors(self._name):
            self._handle.close()
            if self.atomic:
                self._handle.discard()
        raise self._failure_error()

    def _discard(self) -> None:
        if not self.atomic:
            super()._discard()
        self._end()
        with fsspec_errors(self._name):
            self._handle.close()
            self._handle.discard()

    def _failed(self, error: Exception) -> Exception:
        self._failure = error
        return error_from_fsspec(error, self._name)

    def _failure_error(self) -> FailedPreconditionError:
        return FailedPreconditionError(
            f"an earlier write failed, and what the store holds is not known: {self._failure}", path=self._name
        )

    def _check_usable(self) -> None:
        super()._check_usable()
        if self._failure is not None:
            raise self._failure_error() from redacted_cause(self._failure)


def _bytes_of(data: Any, most: int) -> bytes:
    """Return what a store gave as bytes.

    Raises:
        TypeError: It is something else, or more than was asked for, so that nobody knows from where it is.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"expected bytes, found {type(data).__name__}")
    if len(data) > most:
        raise TypeError(f"asked for at most {most} bytes, found {len(data)}")
    return bytes(data)
