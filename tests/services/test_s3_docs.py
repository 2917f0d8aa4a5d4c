"""The examples of docs/s3.md run against a real server; they are fenced as `py`, because they need one."""

import os
import re

import pytest

import recordfs
from support.servers import ACCESS_KEY, REPOSITORY, SECRET_KEY

pytestmark = pytest.mark.service


def test_the_examples_run(s3_server, boto3_client, monkeypatch, capsys):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    boto3_client.create_bucket(Bucket="bucket")
    with open(os.path.join(REPOSITORY, "docs", "s3.md")) as file:
        blocks = re.findall(r"^```py\n(.*?)^```", file.read(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    names: dict[str, object] = {}
    try:
        for block in blocks:
            exec(block, names)
    finally:
        recordfs.configure_file_system("s3")
    assert names["record"] == b"record"
