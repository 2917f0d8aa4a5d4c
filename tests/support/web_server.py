"""A web server for the tests: files in a dictionary, with or without ranges, and answers that go wrong."""

import contextlib
import http.server
import re
import threading


class Site:
    """What the server has, and what it was asked.

    Attributes:
        files: ``{"/path": bytes}``.
        ranges: "heeded", "ignored" (the whole file comes), or "denied" (it comes, and headers say so).
        statuses: ``{"/path": status}`` to answer in place of a file.
        tags: Whether files have ETags, which conditions are then checked against.
        tell_size: Whether Content-Length is sent.
        short: How many of the next answers with a body have half of it only: "told" in Content-Length, or "broken
            off", with the whole one's there.
        heeds_conditions: Whether If-Match is looked at.
        twist: Makes of the status, headers and body of a sound answer what goes out.
        requests: ``(method, path, headers)`` of every request.
    """

    def __init__(self):
        self.files = {}
        self.ranges = "heeded"
        self.statuses = {}
        self.tags = True
        self.tell_size = True
        self.short = ("told", 0)
        self.heeds_conditions = True
        self.twist = lambda status, headers, body: (status, headers, body)
        self.requests = []
        self.url = ""


@contextlib.contextmanager
def serve():
    """Serve a Site on a free port."""
    site = Site()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(send_body=False)

        def do_GET(self):
            self.answer(send_body=True)

        def answer(self, *, send_body):
            site.requests.append((self.command, self.path, dict(self.headers)))
            data = site.files.get(self.path)
            status = site.statuses.get(self.path, 200 if data is not None else 404)
            headers = {}
            body = b"went wrong"
            if status == 200:
                tag = f'"{hash(data)}"'
                headers["Last-Modified"] = "Sat, 21 Nov 2026 03:00:00 GMT"
                if site.tags:
                    headers["ETag"] = tag
                status, body = self.choose(data, tag, headers)
                status, headers, body = site.twist(status, headers, body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            how, times = site.short
            sent = body
            if send_body and times:
                site.short = how, times - 1
                sent = body[: len(body) // 2]
            if site.tell_size:
                self.send_header("Content-Length", str(len(sent if how == "told" else body)))
            self.end_headers()
            if send_body:
                self.wfile.write(sent)

        def choose(self, data, tag, headers):
            wanted = self.headers.get("If-Match")
            if site.tags and site.heeds_conditions and wanted not in (None, tag):
                return 412, b""
            if site.ranges == "denied":
                headers["Accept-Ranges"] = "none"
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if asked is None or site.ranges != "heeded":
                return 200, data
            start, last = int(asked[1]), min(int(asked[2]), len(data) - 1)
            if start >= len(data):
                return 416, b""
            headers["Content-Range"] = f"bytes {start}-{last}/{len(data)}"
            return 206, data[start : last + 1]

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
