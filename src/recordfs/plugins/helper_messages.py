"""The messages between a process and the helper that runs a plugin for it: a header in JSON, and bytes.

Both ends are the same version of recordfs, on one machine, over a pair of sockets. A call is ``[method, subject,
arguments]``, where the subject is a scheme or the number of an open file, and the bytes to append, if any. An answer is
``[result]`` or ``[code, message, path]``, and the bytes that were read.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

    from typing_extensions import Buffer

__all__ = ["receive", "receive_into", "send"]

_SIZES = struct.Struct("<IQ")  # of the header, and of the bytes after it


def send(connection: socket.socket, header: list[Any], payload: Buffer = b"") -> None:
    """Send one message.

    Raises:
        OSError: The other end is gone.
    """
    encoded = json.dumps(header).encode()
    with memoryview(payload) as view:
        connection.sendall(_SIZES.pack(len(encoded), view.nbytes) + encoded)
        if view.nbytes:
            connection.sendall(view)


def receive(connection: socket.socket) -> tuple[list[Any], bytearray]:
    """Receive one message.

    Raises:
        EOFError: The other end is gone.
        OSError: As above.
    """
    header, size = _receive_header(connection)
    payload = bytearray(size)
    _fill(connection, memoryview(payload))
    return header, payload


def receive_into(connection: socket.socket, target: memoryview) -> tuple[list[Any], int]:
    """Receive one message whose bytes fit into ``target``, and return how many there are. Raises as ``receive``."""
    header, size = _receive_header(connection)
    _fill(connection, target[:size])
    return header, size


def _receive_header(connection: socket.socket) -> tuple[list[Any], int]:
    sizes = bytearray(_SIZES.size)
    _fill(connection, memoryview(sizes))
    header_size, payload_size = _SIZES.unpack(sizes)
    header = bytearray(header_size)
    _fill(connection, memoryview(header))
    return json.loads(header), payload_size


def _fill(connection: socket.socket, target: memoryview) -> None:
    while target:
        count = connection.recv_into(target)
        if count == 0:
            raise EOFError("the other process has closed the connection")
        target = target[count:]
