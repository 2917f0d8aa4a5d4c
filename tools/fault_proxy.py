"""A proxy on loopback between a client and an HTTP server that counts what passes and makes faults on demand.

It forwards bytes, not meanings: it reads just enough of HTTP/1.1 to know where a message ends. Faults are asked for by
a pattern on ``"METHOD /target"`` and happen to the next requests that match.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

Mode = Literal[
    "reset", "reset_mid_request", "lose_response", "cut_response", "short_response", "status", "delay", "damage"
]

CHUNK = 1 << 18


def damaged_place(length: int) -> int:
    """Return which byte of a body arrives as another."""
    return length // 2


class Fault:
    """Something that goes wrong with the next ``count`` requests that match, after letting ``skip`` of them pass.

    Modes: ``reset`` closes the connection before anything is forwarded; ``reset_mid_request`` reads half the body and
    then closes, so that the server sees nothing whole; ``lose_response`` forwards, lets the server finish and drops its
    answer; ``cut_response`` passes half of the answer's body and closes; ``short_response`` passes
    half of the body as if it were the whole, with every other header as it was; ``status`` answers with ``status`` and
    forwards nothing, ``seconds`` being its Retry-After; ``delay`` waits ``seconds`` before forwarding; ``damage``
    forwards another byte in the middle of the body.
    """

    def __init__(
        self, pattern: str, mode: Mode, *, skip: int = 0, count: int = 1, status: int = 503, seconds: float = 0.0
    ) -> None:
        self.pattern = re.compile(pattern)
        self.mode = mode
        self.skip = skip
        self.count = count
        self.status = status
        self.seconds = seconds
        self.hits = 0

    def takes(self, request: str) -> bool:
        """Tell whether it strikes this request, counting it."""
        if self.count <= self.hits or not self.pattern.search(request):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.hits += 1
        return True


class Traffic(NamedTuple):
    """What has passed since the proxy started or was reset; bodies only, in bytes."""

    requests: int
    sent: int
    received: int
    by_request: dict[str, int]


class _ClosedError(Exception):
    """One of the two sides has closed its connection."""


class _Peer:
    """One side's connection, read by lines and lengths."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection = connection
        self.pending = b""

    def _fill(self) -> None:
        data = self.connection.recv(CHUNK)
        if not data:
            raise _ClosedError
        self.pending += data

    def until(self, mark: bytes) -> bytes:
        while mark not in self.pending:
            self._fill()
        found, _, self.pending = self.pending.partition(mark)
        return found + mark

    def exactly(self, length: int, sink: Callable[[bytes], object]) -> None:
        while length:
            if not self.pending:
                self._fill()
            piece, self.pending = self.pending[:length], self.pending[length:]
            length -= len(piece)
            sink(piece)

    def to_the_end(self, sink: Callable[[bytes], object]) -> None:
        with contextlib.suppress(_ClosedError):
            while True:
                if self.pending:
                    sink(self.pending)
                    self.pending = b""
                self._fill()

    def reset(self) -> None:
        """Close so that the other side sees a connection reset, not an orderly end."""
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.close()


class _Head:
    """The first line and the headers of a message."""

    def __init__(self, raw: bytes) -> None:
        lines = raw.decode("latin-1").split("\r\n")
        self.first = lines[0]
        self.lines = [line for line in lines[1:] if line]
        self.headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in self.lines)
        }

    def without(self, header: str) -> bytes:
        kept = [line for line in self.lines if not line.lower().startswith(f"{header}:")]
        return "\r\n".join([self.first, *kept, "", ""]).encode("latin-1")


def _pass_body(peer: _Peer, head: _Head, sink: Callable[[bytes], object], *, to_close: bool) -> None:
    """Pass a message's body on, framing included."""
    if head.headers.get("transfer-encoding", "").lower() == "chunked":
        while True:
            line = peer.until(b"\r\n")
            sink(line)
            size = int(line.split(b";")[0], 16)
            if not size:
                break
            peer.exactly(size + 2, sink)
        while True:
            line = peer.until(b"\r\n")
            sink(line)
            if line == b"\r\n":
                return
    elif "content-length" in head.headers:
        peer.exactly(int(head.headers["content-length"]), sink)
    elif to_close:
        peer.to_the_end(sink)


class FaultProxy:
    """A proxy that listens on a free loopback port and forwards to another.

    Args:
        upstream_port: The server's port.
        serialize: Let one changing request through at a time. The test servers look at a precondition and act on it in
            two steps, where the real services do both in one; of two conditional writes at once both could win.

    Attributes:
        port: Where it listens.
        errors: What went wrong inside the proxy itself; a test that uses it ends by asserting that there is nothing.
    """

    def __init__(self, upstream_port: int, *, serialize: bool = False) -> None:
        self.upstream_port = upstream_port
        self._changing = threading.Lock() if serialize else contextlib.nullcontext()
        self.errors: list[BaseException] = []
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._by_request: Counter[str] = Counter()
        self._requests = self._sent = self._received = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, name="fault-proxy", daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """``http://127.0.0.1:port``."""
        return f"http://127.0.0.1:{self.port}"

    def fail(
        self, pattern: str, mode: Mode, *, skip: int = 0, count: int = 1, status: int = 503, seconds: float = 0.0
    ) -> Fault:
        """Add a fault; see Fault. Returns it, so that a test can assert on ``hits``."""
        fault = Fault(pattern, mode, skip=skip, count=count, status=status, seconds=seconds)
        with self._lock:
            self._faults.append(fault)
        return fault

    def heal(self) -> None:
        """Forget every fault."""
        with self._lock:
            self._faults.clear()

    def reset(self) -> None:
        """Set the counts to zero."""
        with self._lock:
            self._requests = self._sent = self._received = 0
            self._by_request.clear()

    def traffic(self) -> Traffic:
        """Return what has passed so far."""
        with self._lock:
            return Traffic(self._requests, self._sent, self._received, dict(self._by_request))

    def close(self) -> None:
        """Stop listening. Connections that are open end with their clients."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(_Peer(connection),), daemon=True).start()

    def _serve(self, client: _Peer) -> None:
        """Serve one connection of a client until either side closes."""
        upstream: _Peer | None = None
        try:
            while True:
                head = _Head(client.until(b"\r\n\r\n"))
                fault = self._next_fault(head)
                if fault is not None and self._instead(client, head, fault):
                    continue
                if upstream is None:
                    upstream = _Peer(socket.create_connection(("127.0.0.1", self.upstream_port)))
                changes = not head.first.startswith(("GET ", "HEAD "))
                with self._changing if changes else contextlib.nullcontext():
                    goes_on = self._forward(client, upstream, head, fault)
                if not goes_on:
                    return
        except (_ClosedError, OSError):
            pass  # a side that hangs up ends the connection; that is what a network does
        except BaseException as error:  # noqa: BLE001 - kept for the test to see
            self.errors.append(error)
        finally:
            client.close()
            if upstream is not None:
                upstream.close()

    def _next_fault(self, head: _Head) -> Fault | None:
        method, target, _ = head.first.split(" ", 2)
        request = f"{method} {target}"
        with self._lock:
            self._requests += 1
            self._by_request[f"{method} {target.partition('?')[0]}"] += 1
            return next((fault for fault in self._faults if fault.takes(request)), None)

    def _count(self, *, sent: int = 0, received: int = 0) -> None:
        with self._lock:
            self._sent += sent
            self._received += received

    def _instead(self, client: _Peer, head: _Head, fault: Fault) -> bool:
        """Do what a fault does before anything is forwarded; True if the request is dealt with."""
        if fault.mode == "delay":
            time.sleep(fault.seconds)
            return False
        if fault.mode == "reset":
            client.reset()
            raise _ClosedError
        if fault.mode == "reset_mid_request":
            self._continue(client, head)
            client.exactly(
                int(head.headers.get("content-length", "0")) // 2, lambda piece: self._count(sent=len(piece))
            )
            client.reset()
            raise _ClosedError
        if fault.mode == "status":
            self._continue(client, head)
            _pass_body(client, head, lambda piece: self._count(sent=len(piece)), to_close=False)
            self._refuse(client, head, fault)
            return True
        return False

    def _continue(self, client: _Peer, head: _Head) -> None:
        if "expect" in head.headers:
            client.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _refuse(self, client: _Peer, head: _Head, fault: Fault) -> None:
        """Answer with a status as S3 and Google Cloud Storage word it."""
        status = fault.status
        codes = {500: "InternalError", 503: "SlowDown", 429: "TooManyRequests", 412: "PreconditionFailed"}
        code = codes.get(status, "Injected")
        if re.match(r"\S+ /(upload/|download/|resumable/)?storage/v1", head.first):
            body = f'{{"error": {{"code": {status}, "message": "injected", "errors": [{{"reason": "{code}"}}]}}}}'
            kind = "application/json"
        else:
            body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>injected</Message></Error>'
            kind = "application/xml"
        if head.first.startswith("HEAD "):
            body = ""
        wait = f"Retry-After: {fault.seconds:.0f}\r\n" if fault.seconds else ""
        answer = f"HTTP/1.1 {status} {code}\r\nContent-Type: {kind}\r\n{wait}Content-Length: {len(body)}\r\n\r\n{body}"
        client.connection.sendall(answer.encode())

    def _forward(self, client: _Peer, upstream: _Peer, head: _Head, fault: Fault | None) -> bool:
        """Pass one request and its answer; False when the connection ends with it."""
        self._continue(client, head)
        upstream.connection.sendall(head.without("expect"))

        length = int(head.headers.get("content-length", "0"))
        damaged = damaged_place(length) if length and fault and fault.mode == "damage" else -1
        passed = 0

        def up(piece: bytes) -> None:
            nonlocal passed
            self._count(sent=len(piece))
            if 0 <= damaged - passed < len(piece):
                at = damaged - passed
                piece = piece[:at] + bytes([piece[at] ^ 1]) + piece[at + 1 :]
            passed += len(piece)
            upstream.connection.sendall(piece)

        _pass_body(client, head, up, to_close=False)
        while True:
            answer_bytes = upstream.until(b"\r\n\r\n")
            answer = _Head(answer_bytes)
            status = int(answer.first.split()[1])
            if status != 100:
                break
        bodiless = head.first.startswith("HEAD ") or status in (204, 304)
        if fault is not None and fault.mode == "lose_response":
            if not bodiless:
                _pass_body(upstream, answer, lambda piece: None, to_close=True)
            client.reset()
            raise _ClosedError
        length = int(answer.headers.get("content-length", "0"))
        if fault is not None and fault.mode == "short_response" and length > 1 and not bodiless:
            client.connection.sendall(
                answer.without("content-length")[:-2] + f"Content-Length: {length // 2}\r\n\r\n".encode()
            )
            upstream.exactly(length // 2, client.connection.sendall)
            upstream.exactly(length - length // 2, lambda piece: None)
            return self._stays_open(answer)
        client.connection.sendall(answer_bytes)
        if bodiless:
            return self._stays_open(answer)

        def down(piece: bytes) -> None:
            self._count(received=len(piece))
            client.connection.sendall(piece)

        if fault is not None and fault.mode == "cut_response":
            upstream.exactly(int(answer.headers.get("content-length", "0")) // 2, down)
            client.reset()
            raise _ClosedError
        _pass_body(upstream, answer, down, to_close=True)
        return self._stays_open(answer)

    def _stays_open(self, answer: _Head) -> bool:
        framed = (
            "content-length" in answer.headers
            or answer.headers.get("transfer-encoding", "").lower() == "chunked"
            or int(answer.first.split()[1]) in (204, 304)
        )
        closing = answer.headers.get("connection", "").lower() == "close" or answer.first.startswith("HTTP/1.0")
        return framed and not closing
