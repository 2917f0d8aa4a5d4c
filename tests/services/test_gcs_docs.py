"""The examples of docs/gcs.md run against a real server; they are fenced as `py`, because they need one."""

import os
import re

import pytest

import recordfs
from support.servers import REPOSITORY

pytestmark = pytest.mark.service


def test_the_examples_run(gcs_server, google_client, monkeypatch, capsys):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server.endpoint.removeprefix("http://"))
    google_client.create_bucket("bucket")
    with open(os.path.join(REPOSITORY, "docs", "gcs.md")) as file:
        blocks = re.findall(r"^```py\n(.*?)^```", file.read(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    names: dict[str, object] = {}
    try:
        for block in blocks:
            exec(block, names)
    finally:
        recordfs.configure_file_system("gs")
    assert names["record"] == b"record"
