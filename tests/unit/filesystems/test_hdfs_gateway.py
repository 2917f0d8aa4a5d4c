"""WebHDFS: a gateway that answers by itself, a namenode that sends clients on, servers that break off or are silent."""

import http.server
import json
import os
import pwd
import threading
import time
import urllib.parse

import pytest

from recordfs.errors import DeadlineExceededError, NotFoundError, UnavailableError, UnknownError
from recordfs.filesystems._object_store.statistics import RequestCounter
from recordfs.filesystems.hdfs import webhdfs as webhdfs_module
from recordfs.filesystems.hdfs.webhdfs import WebHdfs, WebHdfsUnreachableError

DATA = b"0123456789abcdef"


class Answering(http.server.BaseHTTPRequestHandler):
    """What answers with a body of a length that it tells, of which it sends the first so many bytes."""

    def answer(self, status, body, *, sent=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:sent])

    def log_message(self, *_arguments):
        pass


class Gateway(Answering):
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


@pytest.fixture
def serve():
    """Start servers of a kind, and stop them at the end."""
    running = []

    def start(kind):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def webhdfs(serve):
    return WebHdfs([serve(Gateway)], "nn", 10, RequestCounter())


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


def test_an_answer_that_breaks_off_is_asked_for_again_and_never_taken_for_a_shorter_file(serve):
    sent = iter([5, 0, None])

    class BreakingOff(Answering):
        def do_GET(self):
            self.answer(200, DATA, sent=next(sent, 7))

    webhdfs = WebHdfs([serve(BreakingOff)], "nn", 10, RequestCounter())
    assert webhdfs.read("/f", 0, 100, 16) == DATA
    with pytest.raises(WebHdfsUnreachableError, match="IncompleteRead"):
        webhdfs.read("/f", 0, 100, 16)


def test_a_datanode_that_breaks_off_is_excluded_from_the_next_try(serve):
    asked = []

    class BadDatanode(Answering):
        def do_GET(self):
            self.answer(200, DATA, sent=3)

    class GoodDatanode(Answering):
        def do_GET(self):
            self.answer(200, DATA)

    addresses = {"127.0.0.9:1": serve(BadDatanode), "127.0.0.9:2": serve(GoodDatanode)}

    class Namenode(Answering):
        def do_GET(self):
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
            if query["op"] == "GET_BLOCK_LOCATIONS":
                nodes = [
                    {"ipAddr": "127.0.0.9", "hostName": "127.0.0.1", "xferPort": int(name[-1]),
                     "infoPort": urllib.parse.urlsplit(address).port}
                    for name, address in addresses.items()
                ]  # fmt: skip
                block = {"LocatedBlocks": {"lastLocatedBlock": {"locations": nodes}}}
                self.answer(200, json.dumps(block).encode())
                return
            asked.append(query.get("excludedatanodes"))
            target = next(address for name, address in addresses.items() if name != asked[-1])
            self.answer(307, b"", Location=f"{target}/webhdfs/v1/f?op=OPEN&offset=0")

    webhdfs = WebHdfs([serve(Namenode)], "nn", 10, RequestCounter())
    assert webhdfs.read("/f", 0, 100, 16) == DATA
    assert asked == [None, "127.0.0.9:1"]


def test_a_server_that_dribbles_is_left_when_the_time_is_up(serve):
    left = threading.Event()

    class Dribbling(Answering):
        def do_GET(self):
            self.answer(200, bytes(100), sent=0)
            for _ in range(100):
                if left.wait(0.2):
                    return
                self.wfile.write(b"x")

    webhdfs = WebHdfs([serve(Dribbling)], "nn", 10, RequestCounter(), seconds_in_all=1.0)
    began = time.monotonic()
    try:
        with pytest.raises(UnavailableError):
            webhdfs.read("/f", 0, 100, 100)
        assert time.monotonic() - began < 15
    finally:
        left.set()


def test_a_change_without_an_answer_is_in_doubt_and_is_not_asked_for_again(serve):
    asked = []

    class Silent(Answering):
        def do_POST(self):
            asked.append(self.path)

    webhdfs = WebHdfs([serve(Silent)], "nn", 10, RequestCounter())
    with pytest.raises(DeadlineExceededError, match="may have been carried out"):
        webhdfs.truncate("/f", 3)
    assert len(asked) == 1


def test_requests_are_made_as_the_native_clients_user(serve, monkeypatch):
    users = []

    class Asking(Answering):
        def do_GET(self):
            users.append(dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))["user.name"])
            self.answer(200, DATA)

    address = serve(Asking)

    def ask():
        WebHdfs([address], "nn", 10, RequestCounter()).read("/f", 0, 100, 16)

    monkeypatch.setenv("LOGNAME", "somebody-else")
    monkeypatch.delenv("HADOOP_USER_NAME", raising=False)
    ask()
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)  # as in a container whose user has no name
    ask()
    monkeypatch.setenv("HADOOP_USER_NAME", "alice")
    ask()
    assert users[1:] == ["unknown", "alice"]
    monkeypatch.undo()
    assert users[0] == pwd.getpwuid(os.geteuid()).pw_name


def refusing(java, message=""):
    return json.dumps({"RemoteException": {"javaClassName": java, "message": message}}).encode()


def test_namenodes_are_asked_until_another_has_become_the_active_one(serve, monkeypatch):
    monkeypatch.setattr(webhdfs_module, "PAUSE_SECONDS", 0.001)
    asked = []

    class FailingOver(Answering):
        def do_GET(self):
            asked.append(self.path)
            if len(asked) > 20:
                self.answer(200, DATA)
            elif len(asked) % 2:
                self.answer(403, refusing("org.apache.hadoop.ipc.StandbyException"))
            else:  # what a datanode says that asked a namenode which is gone
                self.answer(403, refusing("java.io.EOFException", "End of File Exception between local host ..."))

    both = [serve(FailingOver), serve(FailingOver)]
    assert WebHdfs(both, "pair", 10, RequestCounter()).read("/f", 0, 100, 16) == DATA
    asked.clear()
    with pytest.raises(UnavailableError):
        WebHdfs(both[:1], "nn", 10, RequestCounter()).read("/f", 0, 100, 16)
    asked.clear()
    with pytest.raises(UnavailableError):
        WebHdfs(both, "pair", 10, RequestCounter(), failover_seconds=0).read("/f", 0, 100, 16)


ODD_ANSWERS = [b"[]", b"null", b"5", b"{}", b'{"LocatedBlocks": null}', b'{"LocatedBlocks": [1]}', b"[" * 100_000]


@pytest.mark.parametrize("body", ODD_ANSWERS, ids=[body[:25].decode() for body in ODD_ANSWERS])
def test_an_answer_of_another_shape_is_an_unknown_one(serve, body):
    class Odd(Answering):
        def do_GET(self):
            self.answer(200, body)

        do_POST = do_GET  # noqa: N815 - http.server's own name

    webhdfs = WebHdfs([serve(Odd)], "nn", 10, RequestCounter())
    for ask in (webhdfs.is_open, webhdfs.truncate):
        with pytest.raises(UnknownError) as caught:
            ask("/f", 3)
        assert caught.value.path == "hdfs://nn/f"
    with pytest.raises(UnknownError):
        webhdfs.last_block_datanodes("/f")


@pytest.mark.parametrize("said", ["in words", ["a list"], None])
def test_a_refusal_of_another_shape_is_that_of_something_else(serve, said):
    class Odd(Answering):
        def do_GET(self):
            self.answer(500, json.dumps({"RemoteException": said}).encode())

    with pytest.raises(WebHdfsUnreachableError, match="is not WebHDFS"):
        WebHdfs([serve(Odd)], "nn", 10, RequestCounter()).is_open("/f", 0)


@pytest.mark.parametrize("location", ["http://host:99999999/", "http://[::1/", "http://host:port/"])
def test_an_address_that_is_none_is_asked_for_again_and_then_an_outage(serve, location):
    class Misleading(Answering):
        def do_GET(self):
            self.answer(307, b"", Location=location)

    with pytest.raises(WebHdfsUnreachableError, match="address that is none"):
        WebHdfs([serve(Misleading)], "nn", 10, RequestCounter()).read("/f", 0, 10, 16)
