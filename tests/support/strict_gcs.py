"""A proxy in front of fake-gcs-server that checks generations and checksums where that server does not.

The service refuses a compose, get, delete, patch or rewrite whose ``ifGenerationMatch``, ``ifMetagenerationMatch``,
their ``...NotMatch`` twins or source generations do not hold, with status 412; fake-gcs-server ignores them there. The
proxy holds one lock over look and act for everything that changes an object, so that of two writers one loses.

Source of the rules: the service's JSON API reference, "Request preconditions".
"""

from __future__ import annotations

import base64
import http.client
import json
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

if TYPE_CHECKING:
    from types import TracebackType

OBJECTS = "/storage/v1/b/"
HOP_HEADERS = frozenset({"connection", "transfer-encoding", "keep-alive", "content-length", "date", "server"})


class _RefusedError(Exception):
    """The answer that the service would give instead."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body go out in two writes
    server: _StrictServer

    def setup(self) -> None:
        super().setup()
        self.upstream = http.client.HTTPConnection("127.0.0.1", self.server.upstream_port, timeout=60)

    def finish(self) -> None:
        self.upstream.close()
        super().finish()

    def log_message(self, format: str, *arguments: object) -> None:
        """Stay quiet."""

    def serve(self) -> None:
        body = self._read_body()
        try:
            if self.command == "GET":
                self._check(body)
                status, headers, answered = self._ask(self.command, self.path, body, self._request_headers())
                self._answer(status, headers, self._with_policy(answered))
            else:
                with self.server.lock:
                    self._check(body)
                    self._keep_policy(body)
                    answer = self._ask(self.command, self.path, body, self._request_headers())
                self._answer(*answer)
        except _RefusedError as refused:
            error = {"code": refused.status, "message": str(refused), "errors": [{"reason": refused.reason}]}
            self._answer(refused.status, [("Content-Type", "application/json")], json.dumps({"error": error}).encode())

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = serve  # noqa: N815 - http.server's own names

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline() not in (b"\r\n", b""):
            pass
        return b"".join(pieces)

    def _request_headers(self) -> dict[str, str]:
        """Return the client's headers with this proxy's address as host, by which the server tells its APIs apart."""
        dropped = HOP_HEADERS | {"host"}
        headers = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
        return {**headers, "Host": self.server.address}

    def _ask(
        self, method: str, target: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Send a request to the server behind and return its whole answer."""
        try:
            self.upstream.request(method, target, body=body, headers=headers)
            response = self.upstream.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            # The server closed an idle connection; it has not seen this request.
            self.upstream.close()
            self.upstream.request(method, target, body=body, headers=headers)
            response = self.upstream.getresponse()
        return response.status, response.getheaders(), response.read()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        # As at the service, addresses in answers are those that the client asked, which may be another proxy's.
        here, asked = self.server.address, self.headers.get("Host", self.server.address)
        if any(name.lower() == "content-type" and "json" in value for name, value in headers):
            body = body.replace(f"http://{here}/".encode(), f"http://{asked}/".encode())
        self.send_response(status)
        for name, value in headers:
            if name.lower() == "location":
                self.send_header(name, value.replace(f"http://{here}/", f"http://{asked}/"))
            elif name.lower() not in HOP_HEADERS:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _keep_policy(self, body: bytes) -> None:
        """Remember the soft delete policy of a bucket that is being made: the server behind drops it."""
        if self.command == "POST" and urlsplit(self.path).path == OBJECTS.rstrip("/"):
            bucket = json.loads(body)
            if "softDeletePolicy" in bucket:
                self.server.soft_delete[bucket["name"]] = bucket["softDeletePolicy"]

    def _with_policy(self, answered: bytes) -> bytes:
        """Return the answer to a GET, the description of a bucket with its soft delete policy."""
        policy = self.server.soft_delete.get(urlsplit(self.path).path.removeprefix(OBJECTS))
        return answered if policy is None else json.dumps({**json.loads(answered), "softDeletePolicy": policy}).encode()

    def _object(self, bucket: str, name: str) -> dict[str, Any] | None:
        """Return the metadata of an object as it is now, or None."""
        status, _, body = self._ask("GET", f"{OBJECTS}{bucket}/o/{quote(name, safe='')}", b"", {})
        return json.loads(body) if status == 200 else None

    def _check(self, body: bytes) -> None:
        """Raise what the service would answer, if a precondition of this request does not hold."""
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        path = url.path.removeprefix("/download")
        if not path.startswith(OBJECTS):
            return
        parts = [unquote(part) for part in path[len(OBJECTS) :].split("/")]
        if len(parts) < 3 or parts[1] != "o":
            return
        bucket, name, action = parts[0], parts[2], parts[3] if len(parts) > 3 else ""
        if action == "rewriteTo" or action == "copyTo":
            self._check_object(bucket, name, query, prefix="ifSource", generation=query.get("sourceGeneration"))
            self._check_object(parts[5], parts[7], query)
            return
        self._check_object(bucket, name, query, generation=query.get("generation"))
        if action == "compose":
            self._check_compose(bucket, json.loads(body))

    def _check_compose(self, bucket: str, request: dict[str, Any]) -> None:
        """Hold the sources against their conditions, and the checksum against theirs."""
        crc = 0
        for source in request.get("sourceObjects", []):
            wanted = source.get("objectPreconditions", {}).get("ifGenerationMatch")
            conditions = {} if wanted is None else {"ifGenerationMatch": str(wanted)}
            self._check_object(bucket, source["name"], conditions, generation=source.get("generation"), needed=True)
            found = self._object(bucket, source["name"]) or {}
            crc = crc32c_of_both(crc, _crc32c(found["crc32c"]), int(found["size"]))
        declared = request.get("destination", {}).get("crc32c")
        if declared is not None and _crc32c(declared) != crc:
            raise _RefusedError(400, "invalid", f'Provided CRC32C "{declared}" doesn\'t match calculated CRC32C.')

    def _check_object(
        self,
        bucket: str,
        name: str,
        query: dict[str, str],
        *,
        prefix: str = "if",
        generation: object = None,
        needed: bool = False,
    ) -> None:
        """Hold one object against the conditions of a request."""
        conditions = {
            key: query[f"{prefix}{key}"]
            for key in ("GenerationMatch", "GenerationNotMatch", "MetagenerationMatch", "MetagenerationNotMatch")
            if f"{prefix}{key}" in query
        }
        if not conditions and generation is None and not needed:
            return
        found = self._object(bucket, name)
        now = {"Generation": "0", "Metageneration": "0"}
        if found is not None:
            now = {"Generation": str(found["generation"]), "Metageneration": str(found.get("metageneration", "1"))}
        if (generation is not None and str(generation) != now["Generation"]) or (needed and found is None):
            raise _RefusedError(404, "notFound", f"No such object: {bucket}/{name}")
        for key, wanted in conditions.items():
            subject, negated = key.removesuffix("Match").removesuffix("Not"), key.endswith("NotMatch")
            if (now[subject] == wanted) is negated:
                message = "At least one of the pre-conditions you specified did not hold."
                raise _RefusedError(304 if negated and self.command == "GET" else 412, "conditionNotMet", message)


def _crc32c(encoded: str) -> int:
    """Return a CRC-32C from how the API writes it."""
    return int(struct.unpack(">I", base64.b64decode(encoded))[0])


def crc32c_of_both(first: int, second: int, second_size: int) -> int:
    """Return the CRC-32C of two byte strings one behind the other, from that of each.

    Behind ``first`` come as many zero bytes as the second string has: each zero bit is a multiplication by x in
    GF(2)[x] modulo the polynomial, so all together are one by x**(8 * size), found by repeated squaring.
    """
    factor, square, bits = 1 << 31, 1 << 30, 8 * second_size
    while bits:
        if bits & 1:
            factor = _product(factor, square)
        square, bits = _product(square, square), bits >> 1
    return _product(first, factor) ^ second


def _product(a: int, b: int) -> int:
    """Multiply two polynomials, bit 31 being the coefficient of 1, modulo that of CRC-32C (reversed: 0x82F63B78)."""
    product = 0
    for bit in range(31, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ (0x82F63B78 if b & 1 else 0)
    return product


class _StrictServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, upstream_port: int) -> None:
        self.upstream_port = upstream_port
        self.lock = threading.Lock()
        self.soft_delete: dict[str, Any] = {}
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = f"127.0.0.1:{self.server_address[1]}"


class StrictGcsProxy:
    """The proxy as a context manager, on a free loopback port.

    Start it before the server behind it, whose public address has to be the proxy's, and set ``upstream_port`` then.
    """

    def __init__(self, upstream_port: int = 0) -> None:
        self._server = _StrictServer(upstream_port)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="strict-gcs", daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def forward_to(self, upstream_port: int) -> None:
        """Name the server behind."""
        self._server.upstream_port = upstream_port

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
