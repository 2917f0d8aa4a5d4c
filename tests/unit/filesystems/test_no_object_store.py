"""A server that answers 200 to everything and is no object store: a login page, a proxy, something else altogether."""

import http.server
import threading

import pytest

from recordfs.errors import RecordFSError, UnavailableError, UnknownError

pytest.importorskip("boto3")
pytest.importorskip("google.cloud.storage")

BODIES = {
    "nothing": b"",
    "html": b"<html><body><p>log in<br></body>",
    "xhtml": b"<html xmlns='http://www.w3.org/1999/xhtml'><body><p>log in</p></body></html>",
    "null": b"null",
    "list": b"[]",
}


@pytest.fixture(params=list(BODIES))
def endpoint(request):
    """The address of such a server."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = BODIES[request.param]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - http.server's own names

        def log_message(self, format, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(params=["s3", "gs"])
def file_system(request, endpoint):
    """A filesystem that takes it for a store."""
    if request.param == "s3":
        from recordfs.filesystems.s3 import S3FileSystem

        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
        return S3FileSystem(endpoint_url=endpoint, max_attempts=1, **keys)
    from recordfs.filesystems.gcs import GCSFileSystem

    return GCSFileSystem(endpoint_url=endpoint, project="p", max_attempts=1)


def test_nothing_is_concluded_from_its_answers(file_system):
    path = f"{'s3' if type(file_system).__name__ == 'S3FileSystem' else 'gs'}://bucket/key"
    calls = [
        file_system.stat,
        file_system.file_exists,
        file_system.get_children,
        file_system.new_random_access_file,
        file_system.new_writable_file,
        file_system.delete_file,
        file_system.delete_recursively,
        file_system.create_dir,
        lambda path: file_system.rename_file(path, f"{path}2"),
    ]
    for call in calls:
        with pytest.raises((UnknownError, UnavailableError)):
            call(path)
    with pytest.raises(RecordFSError):
        file_system._store.list_page("bucket", "prefix")
