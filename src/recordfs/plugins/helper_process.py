"""The process that runs a plugin for another: ``python -m recordfs.plugins.helper_process DESCRIPTOR LIBRARY``.

The descriptor is a socket. Over it the helper says what the library has, and then receives connections, one for each
thread that calls; each is served by a thread here. When the socket closes, the helper ends.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

from recordfs.errors import InternalError, RecordFSError
from recordfs.plugins.helper_messages import receive, send
from recordfs.plugins.library import load_in_this_process

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from recordfs.plugins.operations import PluginOperations

__all__ = ["main"]

_OPENING = frozenset({"new_random_access_file", "new_writable_file", "new_appendable_file"})

_LARGEST_READ = 64 << 20
"""Bytes of one answer; the other end asks again for more."""


class _Server:
    """The plugins of a library and the files that they have open, for all connections."""

    def __init__(self, plugins: dict[str, PluginOperations]) -> None:
        self._plugins = plugins
        self._files: dict[int, Any] = {}
        self._numbers = itertools.count(1)

    def serve(self, connection: socket.socket) -> None:
        """Answer calls until the other end closes."""
        with connection:
            while True:
                try:
                    (method, subject, arguments), payload = receive(connection)
                except (EOFError, OSError):
                    return
                try:
                    result, data = self._call(method, subject, arguments, payload)
                    answer: list[Any] = [result]
                except RecordFSError as error:
                    answer, data = [int(error.code), error.message, error.path], b""
                except Exception as error:  # noqa: BLE001 (the other end raises it)
                    wrapped = InternalError(f"{type(error).__name__}: {error}")
                    answer, data = [int(wrapped.code), wrapped.message, None], b""
                send(connection, answer, data)

    def _call(self, method: str, subject: str | int, arguments: list[Any], payload: Buffer) -> tuple[Any, Buffer]:
        """Make one call, of a scheme's operation or of an open file's, and return its result and the bytes it read."""
        if isinstance(subject, str):
            result = getattr(self._plugins[subject], method)(*arguments)
            if method in _OPENING:
                number = next(self._numbers)
                self._files[number] = result
                return number, b""
            if method == "new_read_only_memory_region_from_file":
                return None, bytes(result)
            return result, b""
        file = self._files[subject]
        if method == "read":
            offset, n = arguments
            return None, file.read(offset, min(n, _LARGEST_READ))
        if method == "append":
            file.append(payload)
            return None, b""
        try:
            return getattr(file, method)(*arguments), b""
        finally:
            if method == "close":
                del self._files[subject]


def main() -> None:
    """Load the library, and serve until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the other process, which ends this one
    with socket.socket(fileno=int(sys.argv[1])) as control:
        try:
            plugins = load_in_this_process(sys.argv[2])
        except RecordFSError as error:
            send(control, [int(error.code), error.message, error.path])
            return
        send(control, [{scheme: plugin.operations for scheme, plugin in plugins.items()}])
        server = _Server(plugins)
        while True:
            message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
            if not message:
                break
            for descriptor in descriptors:
                connection = socket.socket(fileno=descriptor)
                threading.Thread(target=server.serve, args=(connection,), daemon=True).start()
    # Threads of the plugin's may be running, and nobody is left for whom they could do anything.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
