"""Filesystems of recordfs inside a running TensorFlow: ``register("s3")``, and ``tf.io.gfile`` and ``tf.data`` have it.

TensorFlow loads recordfs's native module as one of its filesystem plugins. Threads that Python knows call the
filesystem themselves; TensorFlow's own threads hand their calls to worker threads of Python's, which this module
starts, so that a process can end in the middle of a read.
"""

from __future__ import annotations

import atexit
import os
import re
import sys
import threading
import traceback
import warnings
from typing import TYPE_CHECKING, Any

from recordfs import _core
from recordfs.errors import (
    AlreadyExistsError,
    InvalidArgumentError,
    MissingDependencyError,
    NotFoundError,
    RecordFSError,
    StatusCode,
    UnimplementedError,
    error_from_os_error,
    error_from_status_code,
)
from recordfs.filesystem import FileSystem
from recordfs.filesystem_defaults.directories import UndeletedError
from recordfs.open_files import unclosed_writers as _closed_after_ours  # noqa: F401 (what exits last comes first)
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recordfs._core import GuestCall, ReadOnlyMemoryRegion
    from recordfs.filesystem import RandomAccessFile, WritableFile

__all__ = ["register"]

# TensorFlow takes a path for one with a scheme if it begins like this.
_SCHEME = re.compile(r"[A-Za-z][0-9A-Za-z.]*")

_SECONDS_FOR_CALLS_AT_EXIT = 0.5
"""How long calls that are under way when Python ends may still take."""

_lock = threading.Lock()
_adapters: dict[str, _Adapter] = {}


def register(
    scheme: str,
    file_system: FileSystem | type[FileSystem] | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    target: str | None = None,
    overwrite: bool = False,
) -> None:
    """Make a filesystem of recordfs one of this process's TensorFlow, under a scheme.

    ``tf.io.gfile``, record readers and writers, ``tf.data``, checkpoints, SavedModel and summaries then take paths with
    the scheme. Imports TensorFlow. TensorFlow cannot unregister, so the scheme stays until the process ends. Safe to
    call from any thread.

    The filesystem's methods are called from many threads. What they raise becomes TensorFlow's error with the same code
    and message. Files are published when TensorFlow closes them, or drops them; what it still has open when Python ends
    is published then, with a ResourceWarning. When Python has ended, TensorFlow's threads get UNAVAILABLE.

    Args:
        scheme: The scheme in TensorFlow's paths: a letter, then letters, digits and dots. ``gs``, ``ram`` and ``file``
            are TensorFlow's own.
        file_system: What serves it, or its class, of which one is made without arguments; None for what recordfs has
            registered for ``target``.
        options: Of recordfs's filesystem, if ``file_system`` is None.
        target: The scheme in recordfs's paths, where it is another one: ``register("rgs", target="gs")`` serves
            ``rgs://bucket/x`` with recordfs's ``gs://bucket/x``.
        overwrite: Let the filesystem serve a scheme that was registered here before; open files keep theirs.

    Raises:
        InvalidArgumentError: TensorFlow knows no such schemes, or both ``file_system`` and ``options`` are given.
        AlreadyExistsError: The scheme is taken.
        UnknownSchemeError: recordfs has no filesystem for it.
        MissingDependencyError: TensorFlow is not installed.
        UnimplementedError: The system is not Linux.
        TypeError: A scheme is not a str, or ``file_system`` neither a FileSystem nor a class of one.
    """
    if sys.platform != "linux":
        raise UnimplementedError(f"recordfs registers with TensorFlow on Linux only, not on {sys.platform}")
    for given in (scheme, scheme if target is None else target):
        if not isinstance(given, str):
            raise TypeError(f"expected a scheme as a str, found {given!r}")
    name = scheme.removesuffix("://")
    if not _SCHEME.fullmatch(name):
        raise InvalidArgumentError(
            f"TensorFlow's schemes are a letter followed by letters, digits and dots, found {scheme!r}; "
            "give target= to serve a scheme of recordfs under another name"
        )
    if file_system is not None and options is not None:
        raise InvalidArgumentError("give file_system or options, not both: an instance has its options")
    if isinstance(file_system, type) and issubclass(file_system, FileSystem):
        file_system = file_system()
    if file_system is not None and not isinstance(file_system, FileSystem):
        raise TypeError(f"expected a recordfs.FileSystem to serve {name}://, found {file_system!r}")
    adapter = _Adapter(name, (target or name).removesuffix("://"), file_system, options)
    if file_system is None:
        get_file_system(f"{adapter.target}://", options=options)
    with _lock:
        known = _adapters.get(name)
        if known is not None:
            if not overwrite:
                raise AlreadyExistsError(
                    f"{name}:// is registered with TensorFlow already; pass overwrite=True to replace it"
                )
            if known.target != adapter.target:
                raise AlreadyExistsError(f"{name}:// is registered with TensorFlow for {known.target}://, which stays")
            known.serve(adapter)
            return
        _register_with_tensorflow(adapter)
        _adapters[name] = adapter


def _register_with_tensorflow(adapter: _Adapter) -> None:
    try:
        import tensorflow as tf
    except ImportError as error:
        raise MissingDependencyError("TensorFlow is not installed; pip install tensorflow brings it") from error
    libraries = os.path.dirname(tf.__file__)
    _core.connect_tensorflow(
        [os.path.join(libraries, f"libtensorflow_{part}.so.{tf.__version__[0]}") for part in ("framework", "cc")]
    )
    _start_workers()
    _core.announce_guest(adapter.scheme, adapter.target, adapter)
    try:
        tf.experimental.register_filesystem_plugin(_core.__file__)
    except tf.errors.OpError as error:
        raise error_from_status_code(
            error.error_code, f"TensorFlow did not register {adapter.scheme}://: {error.message}"
        ) from error
    finally:
        _core.withdraw_guests()


class _Adapter:
    """What the native operations call: one method each, with paths of recordfs."""

    def __init__(
        self, scheme: str, target: str, file_system: FileSystem | None, options: Mapping[str, Any] | None
    ) -> None:
        self.scheme = scheme
        self.target = target
        self._file_system = file_system
        self._options = options

    def serve(self, other: _Adapter) -> None:
        """Serve what another adapter serves."""
        self._file_system, self._options = other._file_system, other._options

    def _of(self, path: str) -> FileSystem:
        # Looked up each time: a forked child has instances of its own.
        if self._file_system is not None:
            return self._file_system
        return get_file_system(path, options=self._options)

    def open_reader(self, path: str) -> _Reader:
        return _Reader(self._of(path).new_random_access_file(path))

    def open_writer(self, path: str) -> _Writer:
        return _Writer(self._of(path).new_writable_file(path))

    def open_appender(self, path: str) -> _Writer:
        """Open for appending; where the store cannot, a file that is missing can be written all the same.

        ``tf.data`` opens the new files of ``save`` by this.
        """
        file_system = self._of(path)
        if not file_system.capabilities(path).append and not file_system.file_exists(path):
            return _Writer(file_system.new_writable_file(path))
        return _Writer(file_system.new_appendable_file(path))

    def open_region(self, path: str) -> ReadOnlyMemoryRegion:
        return self._of(path).new_read_only_memory_region_from_file(path)

    def create_dir(self, path: str) -> None:
        self._of(path).create_dir(path)

    def recursively_create_dir(self, path: str) -> None:
        self._of(path).recursively_create_dir(path)

    def delete_file(self, path: str) -> None:
        self._of(path).delete_file(path)

    def delete_dir(self, path: str) -> None:
        self._of(path).delete_dir(path)

    def delete_recursively(self, path: str) -> tuple[int, int, tuple[int, str] | None]:
        """Return how many files and directories are left, and why."""
        try:
            self._of(path).delete_recursively(path)
        except UndeletedError as error:
            return error.undeleted_files, error.undeleted_directories, self.describe_error(error)
        return 0, 0, None

    def rename_file(self, source: str, target: str) -> None:
        self._of(source).rename_file(source, target)

    def copy_file(self, source: str, target: str) -> None:
        self._of(source).copy_file(source, target)

    def path_exists(self, path: str) -> None:
        if not self._of(path).file_exists(path):
            raise NotFoundError("there is no such file or directory", path=path)

    def stat(self, path: str) -> tuple[int, int, bool]:
        statistics = self._of(path).stat(path)
        return statistics.length, statistics.mtime_nsec, statistics.is_directory

    def get_file_size(self, path: str) -> int:
        return self._of(path).get_file_size(path)

    def get_children(self, path: str) -> list[str]:
        return self._of(path).get_children(path)

    def get_matching_paths(self, pattern: str) -> list[str]:
        """Match a pattern of TensorFlow's, which comes as it is; so do the paths go back."""
        ours = f"{self.target}://{pattern.removeprefix(f'{self.scheme}://')}"
        matches = self._of(ours).get_matching_paths(ours)
        return [f"{self.scheme}://{path.removeprefix(f'{self.target}://')}" for path in matches]

    def flush_caches(self) -> None:
        self._of(f"{self.target}://").flush_caches()

    def describe_error(self, error: BaseException) -> tuple[int, str]:
        """Return the status code and the message of whatever a filesystem raised."""
        code, message = self._described(error)
        # TensorFlow reads messages as UTF-8, and a path in one need not be.
        return code, message.encode(errors="backslashreplace").decode()

    def _described(self, error: BaseException) -> tuple[int, str]:
        if isinstance(error, RecordFSError):
            return int(error.code), str(error)
        if isinstance(error, KeyboardInterrupt | SystemExit):
            return int(StatusCode.CANCELLED), f"{type(error).__name__} in the filesystem for {self.scheme}://"
        code = getattr(error, "error_code", None)  # an error of TensorFlow's: the filesystem uses TensorFlow itself
        if not isinstance(code, int):
            code = _code_of_built_in(error)
        frame = traceback.extract_tb(error.__traceback__)[-1:]
        where = "".join(f" ({part.filename}:{part.lineno} in {part.name})" for part in frame)
        return code, f"{type(error).__name__}: {error}{where}"


def _code_of_built_in(error: BaseException) -> int:
    """Return the status code for an exception that is none of recordfs."""
    if isinstance(error, OSError) and error.errno is not None:
        return int(error_from_os_error(error, None).code)
    for cls, code in (
        (NotImplementedError, StatusCode.UNIMPLEMENTED),
        (FileNotFoundError, StatusCode.NOT_FOUND),
        (FileExistsError, StatusCode.ALREADY_EXISTS),
        (PermissionError, StatusCode.PERMISSION_DENIED),
        (IsADirectoryError, StatusCode.FAILED_PRECONDITION),
        (NotADirectoryError, StatusCode.FAILED_PRECONDITION),
        (TimeoutError, StatusCode.DEADLINE_EXCEEDED),
        (ConnectionError, StatusCode.UNAVAILABLE),
        (MemoryError, StatusCode.RESOURCE_EXHAUSTED),
        (ValueError, StatusCode.INVALID_ARGUMENT),
    ):
        if isinstance(error, cls):
            return int(code)
    return int(StatusCode.UNKNOWN)


class _Reader:
    """A file that TensorFlow reads."""

    def __init__(self, file: RandomAccessFile) -> None:
        self._file = file
        # A store that gains nothing by reading ahead says so.
        self._reads_ahead = file.read_ahead(0, 0) is not None

    def read_into(self, offset: int, view: memoryview, likely_next: int) -> int:
        """Fill a view, which is TensorFlow's only while the call lasts; so many bytes are likely to be read next."""
        with view:
            size = len(view)
            count = self._file.read_into(offset, view)
        if likely_next and self._reads_ahead and count == size:
            self._file.read_ahead(offset + count, likely_next)
        return count

    def close(self) -> None:
        try:
            self._file.close()
        except Exception as error:  # noqa: BLE001 (TensorFlow has nobody to tell)
            _report(f"closing {self._file.name} failed: {type(error).__name__}: {error}")


class _Writer:
    """A file that TensorFlow writes."""

    def __init__(self, file: WritableFile) -> None:
        self._file = file
        self.tell = file.tell
        self.flush = file.flush
        self.sync = file.sync
        self.close = file.close

    @property
    def name(self) -> str:
        return self._file.name

    def append(self, view: memoryview) -> None:
        with view:
            self._file.append(view)


# The threads that make the calls of TensorFlow's threads.


_has_workers = False


def _start_workers() -> None:
    """Start the first worker, once, and have everything end well: with the process, and in a forked child."""
    global _has_workers
    if _has_workers:
        return
    _has_workers = True
    _start_worker()
    os.register_at_fork(after_in_child=_begin_anew_in_child)
    atexit.register(_end)


def _begin_anew_in_child() -> None:
    global _lock
    _lock = threading.Lock()
    _core.renew_guest_calls()
    _start_worker()


def _start_worker() -> None:
    threading.Thread(target=_work, name="recordfs-for-tensorflow", daemon=True).start()


def _work() -> None:
    """Make calls until there is nothing to do for a while."""
    call = _core.next_guest_call(True)
    while call is not None:
        if call.is_last_worker:
            _start_worker()
        _make(call)
        del call  # with the memory that it reads to
        call = _core.next_guest_call(False)


def _make(call: GuestCall) -> None:
    try:
        result = call.function(*call.arguments)
    except BaseException as error:  # noqa: BLE001 (TensorFlow raises it)
        call.fail(error)
    else:
        call.succeed(result)


def _end() -> None:
    """Let go of TensorFlow's threads, and publish what TensorFlow has left open, also if Ctrl-C comes meanwhile."""
    try:
        _core.end_guest_calls(_SECONDS_FOR_CALLS_AT_EXIT)
    finally:
        _publish_what_is_open()


def _publish_what_is_open() -> None:
    for writer, trouble in _core.close_guest_writers():
        if trouble is None:
            warnings.warn(
                f"TensorFlow had not closed {writer.name}, which is published at exit", ResourceWarning, stacklevel=1
            )
        else:
            _report(f"{writer.name} could not be published at exit: {trouble}")


def _report(message: str) -> None:
    print(f"recordfs: {message}", file=sys.stderr)
