"""Plugins that run in a helper process, seen from the process that uses them.

The helper's death is an error of the call that it happened in, and of every later call on a file that was open in it;
the next other call starts a new helper. A forked child goes on with its parent's helper.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from recordfs.errors import UnavailableError, error_from_status_code
from recordfs.per_process import OwningProcess
from recordfs.plugins.helper_messages import receive, receive_into, send

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from recordfs._core import ReadOnlyMemoryRegion
    from recordfs.plugins.operations import PluginOperations

__all__ = ["start_plugins"]

_Result = TypeVar("_Result")

_SECONDS_FOR_DEATH = 5.0
"""How long the system may take to tell of what a process died that has closed its connections."""


def start_plugins(library: str) -> dict[str, PluginOperations]:
    """Start a helper for a library, and return its plugins by their schemes.

    Raises:
        UnavailableError: The helper died while it loaded the library.
        Otherwise as ``load_file_system_library``.
    """
    helpers = _Helpers(library)
    return {scheme: _RemotePlugin(helpers, scheme, names) for scheme, names in helpers.current().schemes.items()}


class _Connection:
    """One thread's connection to a helper, closed when the thread ends."""

    def __init__(self, control: socket.socket) -> None:
        self.owner = OwningProcess()
        self.socket, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(control, [b"c"], [theirs.fileno()])

    def __del__(self) -> None:
        self.socket.close()


class _Helper:
    """One helper process.

    Attributes:
        schemes: The operations of each scheme's plugin.
        died: Whether it was found dead.
    """

    def __init__(self, library: str) -> None:
        self.library = library
        self.died = False
        self._owner = OwningProcess()
        self._status: int | None = None
        self._connections = threading.local()
        # A stream for the first message, and afterwards for connections, each with a byte of its own.
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = _spawn(theirs.fileno(), library)
        try:
            header = self._guarded(library, lambda: receive(self._control)[0])
            self.schemes: dict[str, list[str]] = self._result(header, library)
        except BaseException:
            # It may still be in the plugin's code, where it does not see that nobody waits for it any more.
            self._end()
            raise

    def call(
        self, method: str, subject: str | int, arguments: tuple[object, ...], path: str, payload: Buffer = b""
    ) -> tuple[Any, bytearray]:
        """Make a call and return its result, and the bytes that came with it."""

        def exchange() -> tuple[list[Any], bytearray]:
            connection = self._connection()
            send(connection, [method, subject, arguments], payload)
            return receive(connection)

        header, data = self._guarded(path, exchange)
        return self._result(header, path), data

    def read_into(self, file: int, offset: int, target: memoryview, path: str) -> int:
        """Read into a view and return how many bytes came."""

        def exchange() -> tuple[list[Any], int]:
            connection = self._connection()
            send(connection, ["read", file, (offset, len(target))])
            return receive_into(connection, target)

        header, count = self._guarded(path, exchange)
        self._result(header, path)
        return count

    def _end(self) -> None:
        """End the process, unless it has ended."""
        self._control.close()
        if self._status is None:
            # Somebody else may wait for all children of this process.
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(self._process, signal.SIGKILL)
                os.waitpid(self._process, 0)

    def let_go(self) -> None:
        """Close the socket to a helper that has died."""
        self._control.close()

    def _connection(self) -> socket.socket:
        """Return this thread's connection, which a forked child does not share with its parent."""
        connection: _Connection | None = getattr(self._connections, "made", None)
        if connection is None or not connection.owner.is_current:
            connection = self._connections.made = _Connection(self._control)
        return connection.socket

    def _guarded(self, path: str, exchange: Callable[[], _Result]) -> _Result:
        """Exchange messages; if the helper is dead, say so and of what."""
        if self.died:
            raise self._death(path)
        try:
            return exchange()
        except (EOFError, OSError) as error:
            self.died = True
            raise self._death(path) from error
        except BaseException:
            # Ctrl-C in the middle of a message: what is left of it is on this thread's connection, which goes.
            self._connections.made = None
            raise

    def _result(self, header: list[Any], path: str) -> Any:
        if len(header) == 1:
            return header[0]
        code, message, about = header
        raise error_from_status_code(code, message, path=about or path)

    def _death(self, path: str) -> UnavailableError:
        return UnavailableError(
            f"the helper process that runs the plugin {self.library} died ({self._cause()}). Files that were open in "
            "it are lost; the next call on a path starts another",
            path=path,
        )

    def _cause(self) -> str:
        deadline = time.monotonic() + _SECONDS_FOR_DEATH
        while self._status is None and self._owner.is_current and time.monotonic() < deadline:
            try:
                process, status = os.waitpid(self._process, os.WNOHANG)
            except ChildProcessError:  # somebody else waits for all children of this process
                break
            if process:
                self._status = os.waitstatus_to_exitcode(status)
            else:
                time.sleep(0.005)
        if self._status is None:
            return "of an unknown cause"
        if self._status < 0:
            return f"by signal {signal.Signals(-self._status).name}"
        return f"with exit status {self._status}"


def _spawn(descriptor: int, library: str) -> int:
    """Start the helper with a socket, in a process group of its own so that Ctrl-C does not reach it."""
    import recordfs

    packages = os.path.dirname(os.path.dirname(os.path.abspath(recordfs.__file__)))
    search_path = os.pathsep.join(filter(None, (packages, os.environ.get("PYTHONPATH"))))
    inherited = 3
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "recordfs.plugins.helper_process", str(inherited), library],
        {**os.environ, "PYTHONPATH": search_path},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, descriptor, inherited),
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        ],
        setpgroup=0,
    )


class _Helpers:
    """The helper of a library, and after its death the next."""

    def __init__(self, library: str) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._helper = _Helper(library)
        os.register_at_fork(after_in_child=self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    def current(self) -> _Helper:
        """Return a helper that is not known to be dead."""
        with self._lock:
            if self._helper.died:
                self._helper.let_go()
                self._helper = _Helper(self._library)
            return self._helper


class _RemotePlugin:
    """The operations of a plugin in a helper; see PluginOperations."""

    def __init__(self, helpers: _Helpers, scheme: str, operations: list[str]) -> None:
        self._helpers = helpers
        self.scheme = scheme
        self.operations = operations

    def _call(self, method: str, *arguments: object) -> Any:
        path = str(arguments[0]) if arguments else self.scheme
        return self._helpers.current().call(method, self.scheme, arguments, path)[0]

    def translate_name(self, path: str, /) -> str:
        result: str = self._call("translate_name", path)
        return result

    def new_random_access_file(self, path: str, max_read_size: int, /) -> _RemoteReader:
        helper = self._helpers.current()
        arguments = (path, max_read_size)
        return _RemoteReader(helper, helper.call("new_random_access_file", self.scheme, arguments, path)[0], path)

    def new_writable_file(self, path: str, max_append_size: int, /) -> _RemoteWriter:
        return self._open_writer("new_writable_file", path, max_append_size)

    def new_appendable_file(self, path: str, max_append_size: int, /) -> _RemoteWriter:
        return self._open_writer("new_appendable_file", path, max_append_size)

    def _open_writer(self, method: str, path: str, max_append_size: int) -> _RemoteWriter:
        helper = self._helpers.current()
        return _RemoteWriter(helper, helper.call(method, self.scheme, (path, max_append_size), path)[0], path)

    def new_read_only_memory_region_from_file(self, path: str, /) -> ReadOnlyMemoryRegion:
        from recordfs._core import ReadOnlyMemoryRegion

        method = "new_read_only_memory_region_from_file"
        _, data = self._helpers.current().call(method, self.scheme, (path,), path)
        return ReadOnlyMemoryRegion(bytes(data))

    def create_dir(self, path: str, /) -> None:
        self._call("create_dir", path)

    def recursively_create_dir(self, path: str, /) -> None:
        self._call("recursively_create_dir", path)

    def delete_file(self, path: str, /) -> None:
        self._call("delete_file", path)

    def delete_dir(self, path: str, /) -> None:
        self._call("delete_dir", path)

    def rename_file(self, source: str, target: str, /) -> None:
        self._call("rename_file", source, target)

    def copy_file(self, source: str, target: str, /) -> None:
        self._call("copy_file", source, target)

    def path_exists(self, path: str, /) -> None:
        self._call("path_exists", path)

    def stat(self, path: str, /) -> tuple[int, int, bool]:
        length, mtime_nsec, is_directory = self._call("stat", path)
        return length, mtime_nsec, is_directory

    def is_directory(self, path: str, /) -> bool:
        result: bool = self._call("is_directory", path)
        return result

    def get_file_size(self, path: str, /) -> int:
        result: int = self._call("get_file_size", path)
        return result

    def get_children(self, path: str, /) -> list[str]:
        result: list[str] = self._call("get_children", path)
        return result

    def flush_caches(self) -> None:
        self._call("flush_caches")


class _RemoteFile:
    """A file that is open in a helper."""

    def __init__(self, helper: _Helper, number: int, path: str) -> None:
        self._helper = helper
        self._number = number
        self._path = path

    def _call(self, method: str, *arguments: object, payload: Buffer = b"") -> tuple[Any, bytearray]:
        return self._helper.call(method, self._number, arguments, self._path, payload)


class _RemoteReader(_RemoteFile):
    """See PluginReader."""

    def read(self, offset: int, n: int, /) -> bytes:
        pieces: list[bytearray] = []
        while n > 0:
            piece = self._call("read", offset, n)[1]
            if not piece:
                break
            pieces.append(piece)
            offset, n = offset + len(piece), n - len(piece)
        return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)

    def read_into(self, offset: int, buffer: Buffer, /) -> int:
        with memoryview(buffer) as view:
            return self._helper.read_into(self._number, offset, view, self._path)

    def close(self) -> None:
        """Let go of the file; one in a helper that has died is gone already."""
        if not self._helper.died:
            self._call("close")


class _RemoteWriter(_RemoteFile):
    """See PluginWriter."""

    def append(self, data: Buffer, /) -> None:
        self._call("append", payload=data)

    def tell(self) -> int:
        result: int = self._call("tell")[0]
        return result

    def flush(self) -> None:
        self._call("flush")

    def sync(self) -> None:
        self._call("sync")

    def close(self) -> None:
        self._call("close")
