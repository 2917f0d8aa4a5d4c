"""A Google Cloud Storage in memory whose every answer a test can twist: the JSON API as far as recordfs asks of it.

It keeps generations, preconditions, compose and pages. ``twist`` is what makes it lie: it gets each request and the
sound answer, and returns the answer that goes out.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from recordfs._core import crc32c
from support.served_in_thread import ServedInThread

if TYPE_CHECKING:
    from collections.abc import Callable


class Asked(NamedTuple):
    """A request: ``what`` is such as ``objects.insert``, ``name`` the object's where it has one."""

    what: str
    name: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    """An answer: a dictionary or a list goes out as JSON. Status 0 cuts the connection instead."""

    status: int
    body: Any = b""
    headers: dict[str, str] = {}  # noqa: RUF012 - nobody changes it

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class LyingGCS(ServedInThread):
    """The server, on a free loopback port, with one bucket named ``bucket``.

    Attributes:
        objects: By name, the resource and the bytes.
        asked: Every request, in order.
        twist: Makes of a request and its sound answer what goes out.
        page_size: Most objects and prefixes of a page.
        has_xml_api: Whether obstore can read; else it is left to the SDK.
    """

    def __init__(self) -> None:
        self.objects: dict[str, tuple[dict[str, Any], bytes]] = {}
        self.asked: list[Asked] = []
        self.twist: Callable[[Asked, Answer], Answer] = lambda asked, answer: answer
        self.page_size = 1000
        self.has_xml_api = False
        self._generations = itertools.count(1_700_000_000_000_000)
        self._lock = threading.Lock()
        handler: Any = type("Handler", (_Handler,), {"store": self})
        self._serve(ThreadingHTTPServer(("127.0.0.1", 0), handler))

    def put(self, name: str, data: bytes, resource: dict[str, Any] | None = None) -> dict[str, Any]:
        """Put an object, and return its resource."""
        made = {
            "metadata": {},
            **(resource or {}),
            "name": name,
            "size": str(len(data)),
            "generation": str(next(self._generations)),
            "updated": "2026-11-27T10:00:00.123456Z",
            "crc32c": base64.b64encode(struct.pack(">I", crc32c(data))).decode(),
        }
        self.objects[name] = made, data
        return made

    def data(self, name: str) -> bytes:
        """Return an object's bytes."""
        return self.objects[name][1]

    def serve(self, asked: Asked) -> Answer:
        """Return what goes out."""
        with self._lock:
            self.asked.append(asked)
            found = re.fullmatch(r"(\w+)\.(\w+)", asked.what)
            act = getattr(self, f"_{found[1]}_{found[2]}", None) if found else None
            sound = _refusal(404, "no such API") if act is None else act(asked)
        return self.twist(asked, sound)

    # What a sound server answers

    def _is_refused(self, name: str, query: dict[str, str], prefix: str = "if") -> bool:
        wanted = query.get(f"{prefix}GenerationMatch")
        now = self.objects[name][0]["generation"] if name in self.objects else "0"
        return wanted is not None and wanted != now

    def _buckets_get(self, asked: Asked) -> Answer:
        return Answer(200, {"name": "bucket"})

    def _buckets_list(self, asked: Asked) -> Answer:
        return Answer(200, {"items": [{"name": "bucket"}]})

    def _objects_insert(self, asked: Asked) -> Answer:
        boundary = asked.headers["content-type"].partition("boundary=")[2].strip("\"'").encode()
        _, first, second, _ = asked.body.split(b"--" + boundary)
        resource = json.loads(first.partition(b"\r\n\r\n")[2])
        data = second.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
        if self._is_refused(resource["name"], asked.query):
            return _refusal(412, "conditionNotMet")
        return Answer(200, self.put(resource["name"], data, resource))

    def _objects_get(self, asked: Asked) -> Answer:
        if asked.name not in self.objects or asked.query.get("generation") not in (
            None,
            self.objects[asked.name][0]["generation"],
        ):
            return _refusal(404, "No such object")
        resource = self.objects[asked.name][0]
        if asked.query.get("alt") != "media":
            return Answer(200, resource)
        return self._content(asked)

    def _objects_read(self, asked: Asked) -> Answer:
        """The XML API, by which obstore reads."""
        if not self.has_xml_api:
            return Answer(404)
        sound = self._objects_get(asked._replace(query={**asked.query, "alt": "media"}))
        return sound._replace(
            headers={"Last-Modified": "Fri, 27 Nov 2026 10:00:00 GMT", "ETag": '"e"', **sound.headers}
        )

    def _content(self, asked: Asked) -> Answer:
        resource, data = self.objects[asked.name]
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", asked.headers.get("range", ""))
        headers = {"X-Goog-Generation": resource["generation"], "Content-Type": "application/octet-stream"}
        if span is None:
            return Answer(200, data, headers)
        start, end = int(span[1]), min(int(span[2]) + 1, len(data))
        return Answer(206, data[start:end], {**headers, "Content-Range": f"bytes {start}-{end - 1}/{len(data)}"})

    def _objects_list(self, asked: Asked) -> Answer:
        query = asked.query
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        found: dict[str, dict[str, Any] | None] = {}
        for name in sorted(self.objects, key=str.encode):
            if name.startswith(prefix):
                head, cut, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
                found.setdefault(prefix + head + cut if cut else name, None if cut else self.objects[name][0])
        token = query.get("pageToken", "")
        start = int(token) if token.isdecimal() else 0
        end = start + min(self.page_size, int(query.get("maxResults", "1000")))
        shown = list(found.items())[start:end]
        page: dict[str, Any] = {
            "items": [resource for _, resource in shown if resource is not None],
            "prefixes": [name for name, resource in shown if resource is None],
        }
        return Answer(200, {**page, "nextPageToken": str(end)} if end < len(found) else page)

    def _objects_delete(self, asked: Asked) -> Answer:
        if asked.name not in self.objects:
            return _refusal(404, "No such object")
        if self._is_refused(asked.name, asked.query):
            return _refusal(412, "conditionNotMet")
        del self.objects[asked.name]
        return Answer(204)

    def _objects_compose(self, asked: Asked) -> Answer:
        request = json.loads(asked.body)
        if self._is_refused(asked.name, asked.query):
            return _refusal(412, "conditionNotMet")
        pieces = []
        for source in request["sourceObjects"]:
            resource, data = self.objects.get(source["name"], ({}, b""))
            if resource.get("generation") != source.get("generation"):
                return _refusal(404, f"No such object: {source['name']}")
            pieces.append(data)
        return Answer(200, self.put(asked.name, b"".join(pieces), request["destination"]))

    def _objects_rewrite(self, asked: Asked) -> Answer:
        source, target = asked.name.split("\n")
        if source not in self.objects:
            return _refusal(404, "No such object")
        if self._is_refused(source, asked.query, "ifSource") or self._is_refused(target, asked.query):
            return _refusal(412, "conditionNotMet")
        resource, data = self.objects[source]
        made = self.put(target, data, resource)
        size = str(len(data))
        return Answer(200, {"done": True, "totalBytesRewritten": size, "objectSize": size, "resource": made})


def _refusal(status: int, message: str) -> Answer:
    return Answer(status, {"error": {"code": status, "message": message}})


_ON_ONE = {"GET": "get", "DELETE": "delete", "PUT": "update", "PATCH": "patch"}
_ON_ALL = {"GET": "list", "POST": "insert"}


def _what(method: str, path: str) -> tuple[str, str]:
    """Return the JSON API's name for a request, and the object's, or source's and target's."""
    names = path.removeprefix("/upload").removeprefix("/download").removeprefix("/storage/v1/b").split("/")[1:]
    names = [unquote(name) for name in names]
    if path.startswith("/upload/"):
        return "objects.insert", ""
    if path.startswith("/bucket/"):
        return "objects.read", unquote(path.removeprefix("/bucket/"))
    if not path.startswith(("/storage/v1/b", "/download/storage/v1/b")):
        return "other.request", ""
    if len(names) < 2:
        return f"buckets.{_ON_ONE.get(method, method) if names else _ON_ALL.get(method, method)}", ""
    if len(names) < 3:
        return f"objects.{_ON_ALL.get(method, method)}", ""
    if len(names) < 4:
        return f"objects.{_ON_ONE.get(method, method)}", names[2]
    if names[3] == "rewriteTo":
        return "objects.rewrite", f"{names[2]}\n{names[-1]}"
    return f"objects.{names[3]}", names[2]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    store: LyingGCS

    def _serve(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        what, name = _what(self.command, url.path)
        body = self.rfile.read(int(headers.get("content-length") or 0))
        answer = self.store.serve(Asked(what, name, query, headers, body))
        if not answer.status:
            self.close_connection = True
            return
        self.send_response(answer.status)
        sent = {"Content-Type": "application/json", "Content-Length": str(len(answer.content)), **answer.headers}
        for header, value in sent.items():
            if answer.status != 204 or header != "Content-Length":
                self.send_header(header, value)
        self.end_headers()
        if answer.status != 204 and self.command != "HEAD":
            self.wfile.write(answer.content)
        if int(sent["Content-Length"]) != len(answer.content):
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815 - http.server's own names

    def log_message(self, format: str, *arguments: object) -> None:
        """Stay quiet."""
