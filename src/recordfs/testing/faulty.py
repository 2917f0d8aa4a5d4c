"""A filesystem that fails on purpose: at a chosen call, with a chosen error, as real stores do.

A program that must survive a full disk or a lost connection is run once to count its calls, and then again with each
of them failing::

    faulty = FaultyFileSystem(MemoryFileSystem())
    run(faulty)
    for number in range(1, len(faulty.calls) + 1):
        faulty = FaultyFileSystem(MemoryFileSystem())
        faulty.fail(nth=number)
        ...

What it does is within the contract: an ``append`` that fails has taken nothing, a ``flush`` that fails keeps its bytes,
and ``crash`` loses exactly what was not flushed.
"""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, TypeVar

from recordfs.errors import InvalidArgumentError, RecordFSError, UnavailableError
from recordfs.filesystem import FileSystem
from recordfs.filesystems.wrapper import WrapperFileSystem, WrapperRandomAccessFile, WrapperWritableFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from typing_extensions import Buffer

    from recordfs.filesystem import Capabilities, DirectoryEntry, RandomAccessFile, UpdateFile, WritableFile

__all__ = ["FaultyFileSystem"]

# A failed append has taken nothing, and a read changes nothing, so neither can be done and then reported as failed.
_NEVER_AFTERWARDS = frozenset(
    {"append", "append_parts", "read", "read_into", "read_range_into", "read_ranges", "next_entry"}
)

_Result = TypeVar("_Result")


class _Fault:
    """One planned failure or delay; ``fail`` and ``delay`` say what the fields mean."""

    def __init__(self, operation: str | None, nth: int, times: int, error: BaseException | None) -> None:
        self.operation = operation
        self.skip = nth - 1
        self.left = times
        self.error = error
        self.delay = 0.0
        self.afterwards = False
        self.partial = False


class FaultyFileSystem(WrapperFileSystem):
    """Forward every call to another filesystem, but for those that are planned to fail.

    What the contract derives (``file_exists``, ``delete_recursively``, ``get_matching_paths`` ...) is built here from
    the calls that it is derived from, so that each of these can fail.

    Plans may be made and calls may come from any thread. A pickled one arrives without plans.

    Args:
        inner: The filesystem that does the work.

    Attributes:
        calls: Every call so far as ``(operation, path)``, failed ones too. The operations are the names of the
            contract's methods, those of open files included, and ``next_entry`` for each entry of a listing. What asks
            nothing of a store (``capabilities``, ``name``, ``tell``, ``close`` of a reader) is not counted.
    """

    def __init__(self, inner: FileSystem, **options: object) -> None:
        super().__init__(inner, **options)
        self.calls: list[tuple[str, str]] = []
        self._faults: list[_Fault] = []
        self._read_limit: int | None = None
        self._crashed = False
        self._writers: weakref.WeakSet[_FaultyWritableFile] = weakref.WeakSet()
        self._lock = threading.Lock()

    # Planning.

    def fail(
        self,
        operation: str | None = None,
        *,
        nth: int = 1,
        times: int = 1,
        error: BaseException | None = None,
        afterwards: bool = False,
        partial: bool = False,
    ) -> None:
        """Plan a failure.

        Args:
            operation: The name of a method; None means any call.
            nth: Which call fails first, counted from now, from 1.
            times: How many calls in a row fail.
            error: What is raised; by default an UnavailableError with the path.
            afterwards: Do the operation and then fail, as when the answer of a store gets lost.
            partial: For ``flush``, ``sync`` and ``close``: make half of the bytes visible and keep the rest.

        Raises:
            InvalidArgumentError: The operation cannot fail like that within the contract.
        """
        if nth < 1 or times < 1:
            raise InvalidArgumentError(f"nth and times count from 1, found {nth} and {times}")
        if afterwards and (operation is None or operation in _NEVER_AFTERWARDS):
            raise InvalidArgumentError(f"{operation or 'any call'} cannot fail afterwards: that breaks the contract")
        if partial and operation not in ("flush", "sync", "close"):
            raise InvalidArgumentError(f"only flush, sync and close can fail half-way, not {operation or 'any call'}")
        fault = _Fault(operation, nth, times, error)
        fault.afterwards = afterwards
        fault.partial = partial
        with self._lock:
            self._faults.append(fault)

    def delay(self, operation: str | None, seconds: float, *, nth: int = 1, times: int = 1) -> None:
        """Plan that calls take longer; arguments as in ``fail``."""
        fault = _Fault(operation, nth, times, None)
        fault.delay = seconds
        with self._lock:
            self._faults.append(fault)

    def shorten_reads(self, limit: int | None) -> None:
        """Let ``read_into`` give at most ``limit`` bytes a call, as the contract allows; None ends that.

        Raises:
            InvalidArgumentError: ``limit`` is below 1: a read of 0 bytes would be the end of the file.
        """
        if limit is not None and limit < 1:
            raise InvalidArgumentError(f"a read gives at least 1 byte before the end, found a limit of {limit}")
        self._read_limit = limit

    def heal(self) -> None:
        """Forget all plans."""
        with self._lock:
            self._faults.clear()

    def crash(self) -> None:
        """Lose everything that was not flushed, and fail every call from now on until ``restart``."""
        with self._lock:
            self._crashed = True
            writers = list(self._writers)
            self._writers.clear()
        for writer in writers:
            writer.lose()

    def restart(self) -> None:
        """Serve again after a crash. Files that were open then stay unusable."""
        self._crashed = False

    # Doing.

    def run(self, operation: str, path: str, call: Callable[[], _Result]) -> _Result:
        """Count a call, and make it or fail as planned."""
        fault = self._begin(operation, path)
        if fault is None:
            return call()
        if fault.delay:
            time.sleep(fault.delay)
            return call()
        if fault.afterwards:
            call()
        raise _error_of(fault, operation, path)

    def _begin(self, operation: str, path: str) -> _Fault | None:
        """Count a call and return the fault that is planned for it."""
        with self._lock:
            self.calls.append((operation, path))
            if self._crashed:
                raise UnavailableError(f"{operation}: the store has crashed", path=path)
            due = None
            for fault in self._faults:
                if fault.operation not in (None, operation):
                    continue
                if fault.skip:
                    fault.skip -= 1
                elif due is None:
                    due = fault
            if due is not None:
                due.left -= 1
                if due.left == 0:
                    self._faults.remove(due)
            return due

    def wrap_reader(self, file: RandomAccessFile) -> RandomAccessFile:
        """Let the file's calls fail as planned."""
        return _FaultyRandomAccessFile(file, self)

    def wrap_writer(self, file: WritableFile) -> WritableFile:
        """Let the file's calls fail as planned, and hold its bytes back until they are flushed."""
        writer = _FaultyWritableFile(file, self)
        with self._lock:
            self._writers.add(writer)
        return writer

    def forget_writer(self, writer: _FaultyWritableFile) -> None:
        """Let go of a writer that has ended."""
        with self._lock:
            self._writers.discard(writer)

    delete_recursively = FileSystem.delete_recursively
    recursively_create_dir = FileSystem.recursively_create_dir
    get_children = FileSystem.get_children
    get_matching_paths = FileSystem.get_matching_paths
    file_exists = FileSystem.file_exists
    files_exist = FileSystem.files_exist
    is_directory = FileSystem.is_directory
    get_file_size = FileSystem.get_file_size
    tree_lister = FileSystem.tree_lister
    series_lister = FileSystem.series_lister
    new_pinned_random_access_file = FileSystem.new_pinned_random_access_file

    def capabilities(self, path: str) -> Capabilities:
        """Forward, but for changing files in place, which goes past the bytes that are held back."""
        return super().capabilities(path)._replace(update_in_place=False)

    def new_update_file(self, path: str) -> UpdateFile:
        """Raise UnimplementedError; see ``capabilities``."""
        raise self._unimplemented("change files in place", path)

    def list_directory(self, path: str) -> Iterator[DirectoryEntry]:
        """Forward; the listing can fail at its start and at every entry."""
        entries = iter(self.run("list_directory", path, lambda: super(FaultyFileSystem, self).list_directory(path)))
        while (entry := self.run("next_entry", path, lambda: next(entries, None))) is not None:
            yield entry


def _error_of(fault: _Fault, operation: str, path: str) -> BaseException:
    """Return what a planned fault raises."""
    if fault.error is None:
        return UnavailableError(f"{operation} failed as planned", path=path)
    if isinstance(fault.error, RecordFSError) and fault.error.path is None:
        return type(fault.error)(fault.error.message, path=path, offset=fault.error.offset)
    return fault.error


def _scheduled(operation: str) -> Any:
    """Return a method that forwards an operation whose first argument is a path, through ``run``."""

    def method(self: FaultyFileSystem, path: str, *arguments: Any, **keywords: Any) -> Any:
        forward = getattr(super(FaultyFileSystem, self), operation)
        return self.run(operation, path, lambda: forward(path, *arguments, **keywords))

    method.__name__ = operation
    method.__doc__ = f"Forward ``{operation}``, or fail as planned."
    return method


for _operation in (
    "new_random_access_file",
    "new_writable_file",
    "new_appendable_file",
    "new_read_only_memory_region_from_file",
    "stat",
    "create_dir",
    "delete_file",
    "delete_dir",
    "rename_file",
    "truncate_file",
    "copy_file",
):
    setattr(FaultyFileSystem, _operation, _scheduled(_operation))


class _FaultyRandomAccessFile(WrapperRandomAccessFile):
    """A file open for reading whose calls fail as planned."""

    def __init__(self, inner: RandomAccessFile, file_system: FaultyFileSystem) -> None:
        super().__init__(inner)
        self._file_system = file_system

    def _read(self, offset: int, n: int) -> bytes:
        return self._file_system.run("read", self.name, lambda: self.inner.read(offset, n))

    def _read_into(self, offset: int, view: memoryview) -> int:
        with view[: self._file_system._read_limit] as start:
            return self._file_system.run("read_into", self.name, lambda: self.inner.read_into(offset, start))

    def _read_range_into(self, offset: int, view: memoryview) -> int:
        return self._file_system.run("read_range_into", self.name, lambda: self.inner.read_range_into(offset, view))

    def _read_blocks(self, blocks: list[tuple[int, int]]) -> Sequence[Buffer]:
        return self._file_system.run(
            "read_ranges", self.name, lambda: super(_FaultyRandomAccessFile, self)._read_blocks(blocks)
        )

    def _size(self) -> int:
        return self._file_system.run("size", self.name, self.inner.size)


class _FaultyWritableFile(WrapperWritableFile):
    """A file open for writing that keeps its bytes until they are flushed, so that a crash can lose them."""

    def __init__(self, inner: WritableFile, file_system: FaultyFileSystem) -> None:
        super().__init__(inner)
        self._file_system = file_system
        self._unflushed = bytearray()
        self._lost = False

    def _check_open(self) -> None:
        super()._check_open()
        if self._lost:
            raise UnavailableError(
                "the writer was open when the store crashed: what was not flushed is lost", path=self.name
            )

    def _append(self, data: memoryview) -> None:
        self._take("append", [data])

    def _append_parts(self, parts: list[memoryview]) -> None:
        self._take("append_parts", parts)

    def _take(self, operation: str, parts: list[memoryview]) -> None:
        """Take all parts or none."""
        joined = b"".join(parts)
        self._file_system.run(operation, self.name, lambda: self._unflushed.extend(joined))

    def _tell(self) -> int:
        return self.inner.tell() + len(self._unflushed)

    def _flush(self) -> None:
        self._hand_on("flush", self.inner.flush)

    def _sync(self) -> None:
        self._hand_on("sync", self.inner.sync)

    def _close(self) -> None:
        self._hand_on("close", self.inner.close)

    def _discard(self) -> None:
        if not self._lost:
            self._file_system.run("discard", self.name, self.inner.discard)

    def _hand_on(self, operation: str, finish: Callable[[], None]) -> None:
        """Give the inner file what was held back, then flush, sync or close it, or fail as planned."""
        self._check_open()
        fault = self._file_system._begin(operation, self.name)
        if fault is not None and fault.delay:
            time.sleep(fault.delay)
            fault = None
        if fault is None or fault.afterwards:
            self._give(len(self._unflushed))
            finish()
        elif fault.partial:
            self._give(len(self._unflushed) // 2)
            self.inner.flush()
        if fault is not None:
            if fault.afterwards and operation == "close":
                self._end()
            raise _error_of(fault, operation, self.name)

    def _give(self, count: int) -> None:
        """Hand the first bytes to the inner file."""
        self.inner.append(bytes(self._unflushed[:count]))
        del self._unflushed[:count]

    def _end(self) -> None:
        super()._end()
        self._unflushed.clear()
        self._file_system.forget_writer(self)

    def lose(self) -> None:
        """End as a crash does: what was flushed stays, the rest is gone."""
        self._lost = True
        self._unflushed.clear()
        self.inner.discard()
