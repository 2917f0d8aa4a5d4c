"""An S3 server that lacks something: a proxy in front of a sound one that ignores or refuses what it is told to lack.

It understands requests, and so has to sign what it passes on anew; bodies go through its memory.
"""

from __future__ import annotations

import http.client
import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import botocore.auth
import botocore.awsrequest
from botocore.credentials import Credentials

from support.served_in_thread import ServedInThread

CONDITIONS = ("if-match", "if-none-match")

LACKS = frozenset(
    {
        "conditions ignored",
        "conditions refused",
        "copies ignored",
        "part copies refused",
        "part copies ignored",
        "checksums refused",
        "checksums ignored",
        "whole checksums refused",
        "object size refused",
        "bulk deletes refused",
        "deleting answered by a page",
        "deleting denied",
        "listing version 2 ignored",
        "listing version 2 refused",
        "multipart metadata ignored",
        "unequal parts refused",
        "ranges ignored",
        "continuation ignored",
        "reading denied",
        "head bucket denied",
        "everything",
    }
)


class RefusalError(Exception):
    """An answer instead of the server's."""

    def __init__(self, status: int, code: str, message: str = "this store lacks it") -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


class Request:
    """One request on its way: changed in place by what the store lacks."""

    def __init__(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        self.method, self.target, self.headers, self.body = method, target, headers, body
        parts = urlsplit(target)
        self.query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        self.bucket, _, self.key = parts.path[1:].partition("/")

    @property
    def operation(self) -> str:
        """The name of what is asked for, as far as the tests care."""
        method, query, headers = self.method, self.query, self.headers
        if not self.key:
            if method == "HEAD":
                return "HeadBucket"
            if "delete" in query:
                return "DeleteObjects"
            if "versioning" in query:
                return "GetBucketVersioning"
            if "uploads" in query:
                return "ListMultipartUploads"
            return "ListObjectsV2" if "list-type" in query else "ListObjects"
        if method == "PUT" and "partNumber" in query:
            return "UploadPartCopy" if "x-amz-copy-source" in headers else "UploadPart"
        if method == "POST":
            return "CreateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload"
        names = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
        return "CopyObject" if method == "PUT" and "x-amz-copy-source" in headers else names[method]

    def drop(self, *patterns: str) -> bool:
        """Remove headers; True if there were any."""
        gone = [name for name in self.headers if any(re.fullmatch(pattern, name) for pattern in patterns)]
        for name in gone:
            del self.headers[name]
        return bool(gone)

    def has(self, *patterns: str) -> bool:
        return any(re.fullmatch(pattern, name) for pattern in patterns for name in self.headers)


class LackingStore(ServedInThread):
    """A running proxy.

    Args:
        upstream_port: The sound server's port.
        access_key: What it takes.
        secret_key: With that.
        lacks: From LACKS.

    Attributes:
        operations: How many requests of each kind came.
        sent: Bytes of request bodies.
        received: Bytes of answers' bodies.
    """

    def __init__(self, upstream_port: int, access_key: str, secret_key: str, *lacks: str) -> None:
        assert set(lacks) <= LACKS
        self.lacks = set(lacks)
        self.upstream_port = upstream_port
        self.operations: Counter[str] = Counter()
        self.sent = self.received = 0
        self._part_sizes: dict[tuple[str, int], int] = {}
        self._credentials = Credentials(access_key, secret_key)
        self._lock = threading.Lock()
        handler: Any = type("Handler", (_Handler,), {"store": self})
        self._serve(ThreadingHTTPServer(("127.0.0.1", 0), handler))

    def reset(self) -> None:
        """Set the counts to zero."""
        with self._lock:
            self.operations.clear()
            self.sent = self.received = 0

    def answer(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        """Return what the lacking store answers."""
        with self._lock:
            self.operations[request.operation] += 1
            self.sent += len(request.body)
        try:
            self._lack(request)
        except RefusalError as refusal:
            body = f"<Error><Code>{refusal.code}</Code><Message>{refusal.message}</Message></Error>".encode()
            return refusal.status, {"content-type": "application/xml"}, b"" if request.method == "HEAD" else body
        if "deleting answered by a page" in self.lacks and request.operation in ("DeleteObject", "DeleteObjects"):
            return 200, {"content-type": "text/html"}, b"<html><body>Please log in</body></html>"
        status, headers, body = self._pass_on(request)
        if "checksums ignored" in self.lacks:
            headers = {name: value for name, value in headers.items() if not name.startswith("x-amz-checksum")}
        with self._lock:
            self.received += len(body)
        return status, headers, body

    def _lack(self, request: Request) -> None:
        """Take out of a request what the store ignores; raise if it refuses something in it."""
        lacks, operation = self.lacks, request.operation
        if "everything" in lacks:
            raise RefusalError(503, "ServiceUnavailable", "this store is down")
        writes = operation in ("PutObject", "CompleteMultipartUpload")
        if "conditions refused" in lacks and writes and request.has(*CONDITIONS):
            raise RefusalError(
                501, "NotImplemented", "A header you provided implies functionality that is not implemented"
            )
        if "conditions ignored" in lacks and writes:
            request.drop(*CONDITIONS)
        if "copies ignored" in lacks and operation == "CopyObject":
            request.drop("x-amz-copy-source.*")
        if "part copies refused" in lacks and operation == "UploadPartCopy":
            raise RefusalError(501, "NotImplemented")
        if "part copies ignored" in lacks and operation == "UploadPartCopy":
            request.drop("x-amz-copy-source.*")
        if "checksums refused" in lacks and request.has("x-amz-checksum-.*"):
            raise RefusalError(400, "InvalidArgument", "unsupported header x-amz-checksum")
        if "checksums ignored" in lacks:
            request.drop("x-amz-checksum-.*")
            request.body = re.sub(rb"<Checksum\w+>[^<]*</Checksum\w+>", b"", request.body)
        if "whole checksums refused" in lacks and request.has("x-amz-checksum-type"):
            raise RefusalError(400, "InvalidRequest", "unsupported header x-amz-checksum-type")
        if "object size refused" in lacks and request.has("x-amz-mp-object-size"):
            raise RefusalError(501, "NotImplemented")
        if "bulk deletes refused" in lacks and operation == "DeleteObjects":
            raise RefusalError(501, "NotImplemented")
        if "deleting denied" in lacks and operation == "DeleteObject":
            raise RefusalError(403, "AccessDenied")
        if "listing version 2 refused" in lacks and operation == "ListObjectsV2":
            raise RefusalError(501, "NotImplemented")
        if "listing version 2 ignored" in lacks and operation == "ListObjectsV2":
            path, _, query = request.target.partition("?")
            kept = [part for part in query.split("&") if not part.startswith(("list-type=", "continuation-token="))]
            request.target = f"{path}?{'&'.join(kept)}"
        if "multipart metadata ignored" in lacks and operation == "CreateMultipartUpload":
            request.drop("x-amz-meta-.*")
        if "head bucket denied" in lacks and operation == "HeadBucket":
            raise RefusalError(403, "AccessDenied")
        if "ranges ignored" in lacks and operation == "GetObject":
            request.drop("range")
        if "continuation ignored" in lacks:
            request.target = re.sub(r"&?continuation-token=[^&]*", "", request.target)
        if "reading denied" in lacks:
            reads = operation in ("HeadObject", "GetObject", "UploadPartCopy", "CopyObject", "ListObjectsV2")
            if reads or (writes and request.has("if-match")):  # which needs s3:GetObject
                raise RefusalError(403, "AccessDenied")
        if "unequal parts refused" in lacks:
            self._compare_parts(request)

    def _compare_parts(self, request: Request) -> None:
        """As Cloudflare R2: all parts but the last are of one size, and the last is no larger."""
        upload = request.query.get("uploadId", "")
        if request.operation == "UploadPart":
            self._part_sizes[upload, int(request.query["partNumber"])] = len(request.body)
        elif request.operation == "UploadPartCopy":
            first, _, last = request.headers["x-amz-copy-source-range"].removeprefix("bytes=").partition("-")
            self._part_sizes[upload, int(request.query["partNumber"])] = int(last) - int(first) + 1
        elif request.operation == "CompleteMultipartUpload":
            numbers = sorted(map(int, re.findall(rb"<PartNumber>(\d+)</PartNumber>", request.body)))
            sizes = [self._part_sizes[upload, number] for number in numbers]
            if len(set(sizes[:-1])) > 1 or sizes[-1] > sizes[0]:
                raise RefusalError(400, "InvalidPart", "All non-trailing parts must have the same length.")

    def _pass_on(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        """Sign a request as the proxy's own, send it, and return the answer."""
        request.drop("authorization", "expect", "connection", "x-amz-date", "x-amz-content-sha256", "content-length")
        request.headers["host"] = f"127.0.0.1:{self.upstream_port}"
        signed = botocore.awsrequest.AWSRequest(
            request.method, f"http://127.0.0.1:{self.upstream_port}{request.target}", request.headers, request.body
        )
        signed.context["payload_signing_enabled"] = True
        botocore.auth.S3SigV4Auth(self._credentials, "s3", "us-east-1").add_auth(signed)
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream_port, timeout=60)
        try:
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in signed.headers.items():
                connection.putheader(name, value)
            connection.putheader("content-length", str(len(request.body)))
            connection.endheaders(request.body or None)
            answer = connection.getresponse()
            body = answer.read()
            headers = {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()
        return answer.status, headers, body


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: ClassVar[LackingStore]

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, answer, content = self.store.answer(Request(self.command, self.path, headers, body))
        self.send_response_only(status)
        for name, value in answer.items():
            if name not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        length = answer.get("content-length", "0") if self.command == "HEAD" else str(len(content))
        self.send_header("content-length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    # The names that http.server asks for.
    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _any  # noqa: N815

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""
