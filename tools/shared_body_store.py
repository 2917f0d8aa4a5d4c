"""An S3 server that only reads, with one body under every key: a bucket of any size out of one file.

    with SharedBodyStore({"logs/run_0001/events.out.tfevents.1": path, ...}, seconds_a_request=0.03) as store:
        ...
        assert store.counts["get"] <= 1010

Each request waits before it is answered, as one over a network does, and is counted.
"""

from __future__ import annotations

import asyncio
import collections
import threading
import urllib.parse
from typing import Self
from xml.sax.saxutils import escape

PAGE = 1000

OUT_OF_RANGE = b"<Error><Code>InvalidRange</Code></Error>"


class SharedBodyStore:
    """The server, on a thread of its own; a context manager.

    Args:
        files: The local file under each key.
        seconds_a_request: How long each answer waits.

    Attributes:
        endpoint: Its URL.
        counts: Requests by kind (``"list"``, ``"get"``, ``"head"``), and ``"bytes"`` of bodies that were sent.
    """

    def __init__(self, files: dict[str, str], *, seconds_a_request: float = 0.0) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self._seconds = seconds_a_request
        bodies = {}
        for path in set(files.values()):
            with open(path, "rb") as file:
                bodies[path] = file.read()
        self._objects = {key: bodies[files[key]] for key in sorted(files)}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.endpoint = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024), self._loop
        ).result()
        self.endpoint = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        asyncio.run_coroutine_threadsafe(_end_connections(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = head[0].split(" ", 2)
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
                await asyncio.sleep(self._seconds)
                status, fields, body = self._answer(method, target, headers)
                lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in fields.items())]
                writer.write("\r\n".join([*lines, "", ""]).encode() + (body if method == "GET" else b""))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client's end, or ours
        finally:
            writer.close()

    def _answer(self, method: str, target: str, headers: dict[str, str]) -> tuple[int, dict[str, object], bytes]:
        url = urllib.parse.urlsplit(target)
        key = urllib.parse.unquote(url.path).lstrip("/").partition("/")[2]
        if not key:
            self.counts["list"] += 1
            body = self._listing(dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True)))
            self.counts["bytes"] += len(body)
            return 200, {"Content-Type": "application/xml", "Content-Length": len(body)}, body
        self.counts[method.lower()] += 1
        content = self._objects.get(key)
        if content is None:
            body = b"<Error><Code>NoSuchKey</Code></Error>"
            return 404, {"Content-Type": "application/xml", "Content-Length": len(body)}, body
        fields: dict[str, object] = {"ETag": f'"{len(content):x}"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        begin, end, status = 0, len(content), 200
        if "range" in headers:
            first, _, last = headers["range"].removeprefix("bytes=").partition("-")
            if int(first) >= len(content):
                return 416, {"Content-Type": "application/xml", "Content-Length": len(OUT_OF_RANGE)}, OUT_OF_RANGE
            begin, end, status = int(first), min(int(last) + 1, len(content)) if last else len(content), 206
            fields["Content-Range"] = f"bytes {begin}-{end - 1}/{len(content)}"
        body = content[begin:end]
        if method == "GET":
            self.counts["bytes"] += len(body)
        return status, {**fields, "Content-Length": len(body)}, body

    def _listing(self, query: dict[str, str]) -> bytes:
        prefix, after = query.get("prefix", ""), query.get("continuation-token", query.get("start-after", ""))
        keys = [key for key in self._objects if key.startswith(prefix) and key > after]
        shown = keys[: min(PAGE, int(query.get("max-keys", PAGE)))]
        parts = [
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f'<ETag>"{len(self._objects[key]):x}"</ETag><Size>{len(self._objects[key])}</Size></Contents>'
            for key in shown
        ]
        cut = len(shown) < len(keys)
        token = f"<NextContinuationToken>{escape(shown[-1])}</NextContinuationToken>" if cut else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<KeyCount>{len(shown)}</KeyCount><IsTruncated>{str(cut).lower()}</IsTruncated>{token}{''.join(parts)}"
            "</ListBucketResult>"
        ).encode()


async def _end_connections() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
