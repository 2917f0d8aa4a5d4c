"""Writing to S3, as far as it differs from other stores: see test_object_writing for the rest."""

import base64
import os
import random
import struct
import time

import pytest

from recordfs._core import crc32c
from recordfs.errors import AbortedError, DeadlineExceededError
from recordfs.filesystems.s3 import S3FileSystem
from support.servers import ACCESS_KEY, SECRET_KEY
from support.stored_objects import S3Objects

pytestmark = pytest.mark.service

MIB = 1 << 20
OPTIONS = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "region_name": "us-east-1"}


def test_200_flushes_cost_at_most_100_mib_and_all_are_visible(s3, root, fault_proxy, boto3_client):
    path = f"{root}/events"
    bucket, _, key = path.removeprefix("s3://").partition("/")
    piece = os.urandom(256 * 1024)
    fault_proxy.reset()
    with s3.new_writable_file(path) as writer:
        before = fault_proxy.traffic().sent
        for number in range(1, 201):
            writer.append(piece)
            writer.flush()
            assert boto3_client.head_object(Bucket=bucket, Key=key)["ContentLength"] == number * len(piece)
        assert fault_proxy.traffic().sent - before <= 100 * MIB


def test_the_store_knows_the_checksum_of_the_whole(s3, root, boto3_client, s3_server):
    path = f"{root}/f"
    bucket, _, key = path.removeprefix("s3://").partition("/")
    data = random.Random(1).randbytes(12 * MIB)
    with s3.new_writable_file(path) as writer:
        for start in range(0, len(data), MIB):
            writer.append(data[start : start + MIB])
            if start == 6 * MIB:
                writer.flush()
    described = boto3_client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    assert described["ChecksumCRC32C"] == base64.b64encode(struct.pack(">I", crc32c(data))).decode()


def test_a_loser_is_told_which_upload_holds_its_bytes(s3, root, boto3_client):
    path = f"{root}/f"
    bucket, _, key = path.removeprefix("s3://").partition("/")
    loser = s3.new_writable_file(path)
    loser.append(bytes(17 * MIB))
    with s3.new_writable_file(path) as winner:
        winner.append(b"winner")
    with pytest.raises(AbortedError) as caught:
        loser.flush()
    found = boto3_client.list_multipart_uploads(Bucket=bucket, Prefix=key)["Uploads"]
    assert caught.value.upload_id in [upload["UploadId"] for upload in found]
    loser.discard()


def test_a_loser_whose_flushed_bytes_were_replaced_is_told_so(s3, root, boto3_client):
    path = f"{root}/f"
    stored = S3Objects(boto3_client).get
    loser = s3.new_writable_file(path)
    loser.append(b"x" * (6 * MIB))
    loser.flush()
    with s3.new_writable_file(path) as winner:
        winner.append(b"winner")
    loser.append(b"tail")
    for attempt in (loser.flush, lambda: loser.publish(overwrite=True), loser.close):
        with pytest.raises(AbortedError, match="which was replaced"):
            attempt()
    assert stored(path) == b"winner"


@pytest.mark.parametrize("wait", [False, True], ids=["at once", "when it has landed"])
@pytest.mark.parametrize("size", [1000, 6 * MIB], ids=["PutObject", "CompleteMultipartUpload"])
@pytest.mark.parametrize("behind", [3000, 12 * MIB], ids=["a tail", "parts"])
def test_a_commit_that_lands_after_it_was_given_up(root, fault_proxy, boto3_client, size, wait, behind):
    """The client stops waiting, looks, and finds nothing; the request is still on its way."""
    path = f"{root}/f"
    stored = S3Objects(boto3_client).get
    first, second, third = (random.Random(n).randbytes(length) for n, length in ((1, size), (2, behind), (3, 6 * MIB)))
    with S3FileSystem(endpoint_url=fault_proxy.endpoint, read_timeout=1, max_attempts=1, **OPTIONS) as impatient:
        writer = impatient.new_writable_file(path)
        writer.append(first)
        late = r"PUT /[^?]*/f$" if size < 5 * MIB else r"POST .*/f\?.*uploadId"
        fault = fault_proxy.fail(late, "delay", seconds=2.5)
        with pytest.raises(DeadlineExceededError):
            writer.flush()
        assert fault.hits == 1
        for start in range(0, behind, MIB // 4):
            writer.append(second[start : start + MIB // 4])
        if wait:
            deadline = time.monotonic() + 30
            while not impatient.file_exists(path) and time.monotonic() < deadline:
                time.sleep(0.1)
        writer.flush()
        assert stored(path) == first + second
        writer.append(third)
        writer.flush()
        time.sleep(0 if wait else 3)
        assert stored(path) == first + second + third
        writer.append(b"end")
        writer.close()
        assert stored(path) == first + second + third + b"end"


def test_no_secret_is_shown(s3_server):
    store = S3FileSystem(endpoint_url=s3_server.endpoint, **OPTIONS)
    shown = f"{store!r} {store.describe()} {store._clients.settings!r}"
    assert SECRET_KEY not in shown


@pytest.mark.parametrize("size", [100, 6 * MIB], ids=["put", "copied"])
def test_appending_keeps_what_another_client_said_of_the_object(s3, root, boto3_client, size):
    bucket, _, key = f"{root}/f".removeprefix("s3://").partition("/")
    said = {
        "ContentType": "text/csv",
        "ContentEncoding": "gzip",
        "ContentDisposition": "attachment",
        "CacheControl": "no-store",
        "Metadata": {"made-by": "somebody"},
    }
    boto3_client.put_object(Bucket=bucket, Key=key, Body=bytes(size), **said)
    before = boto3_client.head_object(Bucket=bucket, Key=key)
    with s3.new_appendable_file(f"{root}/f") as writer:
        writer.append(b"new")
    found = boto3_client.head_object(Bucket=bucket, Key=key)
    assert found["ContentLength"] == size + 3
    assert found["Metadata"]["made-by"] == "somebody"
    assert found["ContentType"] == "text/csv"
    kept = ("ContentEncoding", "ContentDisposition", "CacheControl")
    assert {name: found.get(name) for name in kept} == {name: before.get(name) for name in kept}


def test_an_object_that_is_deleted_under_its_writer_is_told_as_lost(s3, root, boto3_client):
    path = f"{root}/f"
    writer = s3.new_writable_file(path)
    writer.append(bytes(9 * MIB))
    writer.flush()
    s3.delete_file(path)
    writer.append(bytes(9 * MIB))
    with pytest.raises(AbortedError, match=r"no object.*9437184 bytes"):
        writer.flush()
    with pytest.raises(AbortedError):
        writer.append(b"more")
    with pytest.raises(AbortedError):
        writer.close()
    writer.close()
    assert not s3.file_exists(path)
