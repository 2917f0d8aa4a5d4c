"""An HTTP proxy on loopback that plays the internet: every host is the one server behind it, and requests are kept.

It takes requests as a proxy does (whole URLs, and CONNECT, behind which it ends TLS itself with a certificate of the
test's own authority) and as a server does. A rule of the test can answer a request instead of the server.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

NOT_PASSED_ON = {"connection", "transfer-encoding", "keep-alive", "proxy-connection", "expect"}


class Request(NamedTuple):
    """One request as it came: names of headers in lower case; the target without scheme and host."""

    method: str
    host: str
    target: str
    headers: dict[str, str]


class Reply(NamedTuple):
    """What a rule answers."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


class Authority:
    """A certificate authority that nobody trusts who is not told to, and one certificate that it signed.

    Attributes:
        certificate: The name of the file with the authority's certificate.
    """

    def __init__(self, directory: str, hosts: Sequence[str]) -> None:
        def run(*words: str) -> None:
            subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)

        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        names = ",".join(f"IP:{host}" if host[0].isdigit() else f"DNS:{host}" for host in hosts)
        with open(os.path.join(directory, "names"), "w") as file:
            file.write(f"subjectAltName={names}\n")
        run(
            "req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=recordfs tests"
        )
        run("req", *new_key, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=leaf")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        run("x509", "-req", "-in", "leaf.csr", "-out", "leaf.pem", *signing)
        self.certificate = os.path.join(directory, "ca.pem")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(os.path.join(directory, "leaf.pem"), os.path.join(directory, "leaf.key"))


class RecordingProxy:
    """See above.

    Args:
        upstream_port: The port of the one server.
        authority: Signs what is needed behind CONNECT, and for ``tls``.
        tls: Listen with TLS.
        keep_host: Pass on the host that was asked, which signatures of S3 are for; else name the server itself.

    Attributes:
        requests: What was asked, in order.
        rule: Returns the answer to a request, or None to pass it on.
        ended: It answers no more.
    """

    def __init__(
        self, upstream_port: int, *, authority: Authority | None = None, tls: bool = False, keep_host: bool = True
    ) -> None:
        self.upstream_port = upstream_port
        self.keep_host = keep_host
        self.authority = authority
        self.requests: list[Request] = []
        self.rule: Callable[[Request], Reply | None] = lambda request: None
        self.ended = False
        owner = self

        class Handler(_Handler):
            proxy = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_port)
        self.endpoint = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        if tls:
            assert authority is not None
            self._server.socket = authority.context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.ended = True
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    proxy: RecordingProxy

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # a client that hangs up, or that does not trust the certificate
            super().handle()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        self.rfile.close()  # which is left open above where the client hung up before it had the whole answer
        self.connection.close()

    def do_CONNECT(self) -> None:
        assert self.proxy.authority is not None
        self.send_response(200, "connected")
        self.end_headers()
        self.wfile.flush()
        tunnel = self.proxy.authority.context.wrap_socket(self.connection, server_side=True)
        self.connection = self.request = tunnel
        self.rfile = tunnel.makefile("rb", self.rbufsize)
        self.wfile = tunnel.makefile("wb", self.wbufsize)
        self.close_connection = False

    def _serve(self) -> None:
        if self.proxy.ended:  # connections that were open serve no more either
            self.close_connection = True
            return
        parts = urlsplit(self.path)
        target = self.path.removeprefix(f"{parts.scheme}://{parts.netloc}") if parts.scheme else self.path
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, headers.get("host", ""), target, headers)
        self.proxy.requests.append(request)
        length = int(headers.get("content-length") or 0)
        body = self.rfile.read(length) if length else b""
        self._send(self.proxy.rule(request) or self._pass_on(request, body))

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815

    def _pass_on(self, request: Request, body: bytes) -> Reply:
        upstream = http.client.HTTPConnection("127.0.0.1", self.proxy.upstream_port, timeout=60)
        try:
            upstream.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() == "host" and not self.proxy.keep_host:
                    value = f"127.0.0.1:{self.proxy.upstream_port}"
                if name.lower() not in NOT_PASSED_ON:
                    upstream.putheader(name, value)
            upstream.endheaders(body)
            answer: Any = upstream.getresponse()
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in NOT_PASSED_ON}
            return Reply(answer.status, headers, answer.read())
        finally:
            upstream.close()

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        named = {name.lower() for name in reply.headers}
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if "content-length" not in named and reply.status not in (204, 304):
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
        self.wfile.flush()

    def log_message(self, *_arguments: object) -> None:
        pass


def unused_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
