"""An endpoint of plain http that is given without its scheme, and so is addressed by https."""

import socketserver
import threading
from http.server import BaseHTTPRequestHandler

import pytest

from recordfs.errors import UnavailableError
from recordfs.filesystems.gcs import GCSFileSystem
from recordfs.filesystems.s3 import S3FileSystem


class _QuietHandler(BaseHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        """Print nothing."""


def test_it_is_told_to_name_http() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _QuietHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"127.0.0.1:{server.server_address[1]}"
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
        with (
            S3FileSystem(endpoint_url=endpoint, max_attempts=1, **keys) as s3,
            GCSFileSystem(endpoint_url=endpoint, max_attempts=1, token="t") as gcs,
        ):
            for attempt in (s3.stat, s3.new_random_access_file):
                with pytest.raises(UnavailableError, match="http:// in front"):
                    attempt("s3://bucket/key")
            with pytest.raises(UnavailableError, match="S3_USE_HTTPS=0"):
                s3.stat("s3://bucket/key")
            with pytest.raises(UnavailableError, match="http:// in front"):
                gcs.stat("gs://bucket/key")
        server.shutdown()
