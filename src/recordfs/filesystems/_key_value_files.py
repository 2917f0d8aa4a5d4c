"""Values of a key-value store open as files: read in ranges, or collected and stored as a whole."""

from __future__ import annotations

import contextlib
import io
import operator
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs.errors import (
    AbortedError,
    DataLossError,
    InternalError,
    NotFoundError,
    RecordFSError,
    UnknownError,
    error_from_os_error,
)
from recordfs.filesystem.files import RandomAccessFile, WritableFile
from recordfs.filesystems._spooled_bytes import SpooledBytes
from recordfs.open_files.one_call import one_call
from recordfs.open_files.unclosed_writers import keep_until_closed
from recordfs.paths import parse_path
from recordfs.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, Self

    from typing_extensions import Buffer

    from recordfs.filesystems.key_value import KeyValueFileSystem

__all__ = ["Value", "ValueReader", "ValueWriter", "checked_value", "find", "key_of", "store_errors"]

_COMPARED = 65536
"""Bytes at the end of a value that are read back where nothing else tells an old value from the new one."""

_KEPT_IN_MEMORY = 8 << 20
"""What a writer holds beyond this many bytes goes to a temporary file."""

_READ_AHEAD = 64 << 10
"""Bytes that a store's client gets ready where it takes a file line by line, or in small pieces."""


class Value(NamedTuple):
    """What ``find_value`` tells."""

    length: int
    mtime_nsec: int


def checked_value(told: object, method: str, path: str) -> Value:
    """Return what a store tells of a value, unless it can be no value's: in a database it may be NULL."""
    try:
        value = Value(*map(operator.index, told))  # type: ignore[call-overload]  # that is what is tried
    except TypeError:
        value = None
    if value is None or value.length < 0:
        raise InternalError(
            f"{method} returned {told!r}; expected the length, at least 0, and the time in nanoseconds, both as int",
            path=path,
        )
    return value


def key_of(path: str) -> str:
    """Return what stands after ``scheme://``."""
    parsed = parse_path(path)
    return parsed.authority + parsed.path


@contextlib.contextmanager
def store_errors(path: str) -> Iterator[None]:
    """Turn what a store raises into errors of the contract."""
    try:
        yield
    except RecordFSError:
        raise
    except LookupError as error:
        raise NotFoundError("there is no such file any more", path=path) from error
    except OSError as error:
        raise error_from_os_error(error, path) from error
    except Exception as error:
        raise UnknownError(f"{type(error).__name__}: {error}", path=path) from error


def find(file_system: KeyValueFileSystem, path: str) -> Value | None:
    """Return what the store tells of the value at a path, None if its key is missing."""
    key = key_of(path)
    if not key or key.endswith("/"):
        return None
    with store_errors(path):
        found = file_system.find_value(key)
    return None if found is None else checked_value(found, "find_value", path)


class _LentFile:
    """A file that is lent to a store's client, which may close it: the writer needs it to try again."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave it open."""


class ValueReader(RandomAccessFile):
    """A value open for reading."""

    def __init__(self, file_system: KeyValueFileSystem, name: str, size: int) -> None:
        super().__init__(name)
        self._file_system = file_system
        self._length = size

    def _read(self, offset: int, n: int) -> bytes:
        length = min(n, self._length - offset)
        if length <= 0:
            return b""
        with store_errors(self._name):
            value = self._read_value(offset, length)
        try:
            view = memoryview(value)
        except TypeError as error:
            raise InternalError(
                f"read_value returned a {type(value).__name__}; expected bytes", path=self._name
            ) from error
        with view:
            found = view.nbytes
            if found == length:
                return view.tobytes()
        told = f"read_value returned {found} of {length} bytes at {offset}"
        if found > length:
            raise InternalError(f"{told}: it is asked for a part of the value", path=self._name)
        raise AbortedError(f"{told}: the value was replaced or deleted since it was opened", path=self._name)

    def _read_value(self, offset: int, length: int) -> Buffer:
        return self._file_system.read_value(key_of(self._name), offset, length)

    def _size(self) -> int:
        return self._length


class ValueWriter(WritableFile):
    """A value being collected, in memory or in a temporary file."""

    def __init__(self, file_system: KeyValueFileSystem, name: str, standing: Value | None, *, atomic: bool) -> None:
        self._file_system = file_system
        self._standing = standing
        self._was_tried = False
        self._collected = SpooledBytes(_KEPT_IN_MEMORY)
        self._length = 0
        self._warned = atomic or file_system.capabilities(name).flush_visibility == "flush"
        super().__init__(name, atomic=atomic)
        keep_until_closed(self)

    @one_call
    def _append(self, data: memoryview) -> None:
        with store_errors(self._name):
            # What an earlier failure or Ctrl-C left past the end is written over, or cut off by `close`.
            self._collected.seek(self._length)
            self._collected.write(data)
            self._length += len(data)

    def _flush(self) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{redact(self._name)}: this filesystem shows a file to readers when it is closed; flush does nothing",
                UserWarning,
                stacklevel=3,
            )

    def _tell(self) -> int:
        return self._length

    @one_call
    def _close(self) -> None:
        with store_errors(self._name):
            self._collected.truncate(self._length)
            self._collected.seek(0)
            key = key_of(self._name)
            if self._was_tried:
                self._check_not_overtaken()
            self._was_tried = True
            lent = io.BufferedReader(self._collected, _READ_AHEAD)
            try:
                self._file_system.write_value(key, _LentFile(lent), self._length)  # type: ignore[arg-type]
            finally:
                lent.detach()
            self._check_stored(key)

    def _check_not_overtaken(self) -> None:
        """Raise if somebody has stored something else since a ``close`` that failed: it is newer than what is here."""
        found = find(self._file_system, self._name)
        if found is None or found == self._standing or found.length == self._length:
            return
        self._end()
        raise AbortedError(
            f"another writer has stored {found.length} bytes since this one could not be closed; its own "
            f"{self._length} are given up",
            path=self._name,
        )

    def _check_stored(self, key: str) -> None:
        """Raise if the store has not what it was given: many a client looks at no answer, and takes a refusal for done.

        One look at the key; and if that is the same as before by length and time, at the end of the value.
        """
        found = find(self._file_system, self._name)
        if found is None or found.length != self._length:
            raise DataLossError(
                f"{self._length} bytes were stored without an error, and the store has "
                f"{'nothing' if found is None else f'{found.length} bytes'} under the key: does write_value look at "
                "the answer?",
                path=self._name,
            )
        if self._length and self._standing == found:
            start = max(0, self._length - _COMPARED)
            ending = self._collected.read_at(start, self._length - start)
            if self._file_system.read_value(key, start, self._length - start) != ending:
                raise DataLossError("the file was stored without an error, and the old one is there", path=self._name)

    @one_call
    def _discard(self) -> None:
        """What was collected goes with the file."""

    def _end(self) -> None:
        super()._end()
        self._collected.close()
