"""WebHDFS through a gateway, which answers by itself where a namenode sends its clients on to a datanode."""

import http.server
import json
import threading
import urllib.parse

import pytest

from recordfs.errors import NotFoundError, UnavailableError
from recordfs.filesystems._object_store.statistics import RequestCounter
from recordfs.filesystems.hdfs.webhdfs import WebHdfs, WebHdfsUnreachableError

DATA = b"0123456789abcdef"


class Gateway(http.server.BaseHTTPRequestHandler):
    """As HttpFS answers OPEN: with the bytes from the offset on."""

    def do_GET(self):
        parts = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(parts.query))
        if parts.path.endswith("/missing"):
            told = {"exception": "FileNotFoundException", "javaClassName": "java.io.FileNotFoundException",
                    "message": "File does not exist"}  # fmt: skip
            self.answer(404, json.dumps({"RemoteException": told}).encode())
        elif parts.path.endswith("/page"):
            self.answer(404, b"<html>")
        else:
            self.answer(200, DATA[int(query["offset"]) :])

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def webhdfs():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield WebHdfs([f"http://127.0.0.1:{server.server_port}"], "nn", 10, RequestCounter())
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("known_length", [0, 1, 5, 16])
def test_a_gateway_gives_the_bytes_that_were_asked_for_whatever_the_namenode_knows(webhdfs, known_length):
    for offset in range(20):
        assert webhdfs.read("/f", offset, 4, known_length) == DATA[offset : offset + 4]
    assert webhdfs.visible_length("/f", known_length) == 16


def test_what_is_not_there_and_what_is_no_webhdfs_are_told_apart(webhdfs):
    with pytest.raises(NotFoundError, match="hdfs://nn/missing"):
        webhdfs.read("/missing", 0, 4, 4)
    with pytest.raises(WebHdfsUnreachableError, match="is not WebHDFS"):
        webhdfs.read("/page", 0, 4, 4)


def test_an_address_where_nobody_listens_is_unavailable():
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"):
        WebHdfs(["http://127.0.0.1:1"], "nn", 1, RequestCounter()).is_open("/f", 0)
