"""Writing to S3 under faults: no acknowledged byte is lost, and a flush costs the new bytes."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

import recordfs
from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    DeadlineExceededError,
    RecordFSError,
    UnavailableError,
)
from recordfs.filesystems.s3 import S3FileSystem
from support.servers import ACCESS_KEY, SECRET_KEY

pytestmark = pytest.mark.service

MIB = 1 << 20
OPTIONS = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "region_name": "us-east-1"}

REQUESTS = {
    "PutObject": r"PUT /[^?]*$",
    "CreateMultipartUpload": r"POST .*[?&]uploads",
    "UploadPart": r"PUT .*partNumber",
    "CompleteMultipartUpload": r"POST .*uploadId",
}


@pytest.fixture
def stored(boto3_client):
    """Read an object through another client."""

    def get(path):
        bucket, _, key = path.removeprefix("s3://").partition("/")
        return boto3_client.get_object(Bucket=bucket, Key=key)["Body"].read()

    return get


@pytest.mark.parametrize("mode", ["reset", "reset_mid_request", "lose_response", "status"])
@pytest.mark.parametrize("request_name", list(REQUESTS))
def test_a_failed_flush_keeps_its_bytes_and_a_later_one_heals(s3, root, fault_proxy, stored, request_name, mode):
    path = f"{root}/f"
    source = random.Random(request_name + mode)
    writer = s3.new_writable_file(path)
    # More failures than the SDK tries again, so that some come through to the writer.
    fault = fault_proxy.fail(REQUESTS[request_name], mode, count=6)
    taken = bytearray()
    failures = 0
    for number in range(24):
        piece = source.randbytes(source.randrange(200_000, 700_000))
        for _ in range(8):
            try:
                writer.append(piece)
            except RecordFSError:
                failures += 1  # nothing was taken
            else:
                taken += piece
                break
        else:
            pytest.fail("append never healed")
        assert writer.tell() == len(taken)
        if number % 3 == 0:
            try:
                writer.flush()
            except RecordFSError:
                failures += 1
            else:
                assert stored(path) == taken, "what flush acknowledged is visible"
    writer.close()
    assert stored(path) == taken
    assert fault.hits == 6
    if mode == "status":
        assert failures, "an outage that outlasts the retries is told"


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
    import base64
    import struct

    from recordfs._core import crc32c

    assert described["ChecksumCRC32C"] == base64.b64encode(struct.pack(">I", crc32c(data))).decode()


def test_the_loser_of_two_writers_is_told_and_keeps_its_bytes(s3, root, stored):
    path = f"{root}/f"
    first, second = s3.new_writable_file(path), s3.new_writable_file(path)
    first.append(b"first")
    second.append(b"second")
    first.flush()
    with pytest.raises(AbortedError, match="another writer") as caught:
        second.flush()
    assert caught.value.unpublished_bytes == 6
    assert stored(path) == b"first"
    second.publish(overwrite=True)
    assert stored(path) == b"second"
    second.close()
    first.append(b"more")
    with pytest.raises(AbortedError):
        first.close()
    first.discard()
    assert stored(path) == b"second"


def test_two_that_append_the_same_number_of_bytes_are_told_apart(s3, root, stored):
    for size in (10, 7 * MIB):
        path = f"{root}/{size}"
        with s3.new_writable_file(path) as writer:
            writer.append(bytes(size))
        first, second = s3.new_appendable_file(path), s3.new_appendable_file(path)
        first.append(b"one")
        second.append(b"two")
        first.close()
        with pytest.raises(AbortedError, match="another writer"):
            second.flush()
        second.discard()
        assert stored(path) == bytes(size) + b"one"


def test_a_loser_with_parts_on_the_server_publishes_them_too(s3, root, stored):
    path = f"{root}/f"
    data = random.Random(2).randbytes(17 * MIB)
    loser = s3.new_writable_file(path)
    for start in range(0, len(data), MIB):
        loser.append(data[start : start + MIB])
    with s3.new_writable_file(path) as winner:
        winner.append(b"winner")
    with pytest.raises(AbortedError) as caught:
        loser.flush()
    assert caught.value.upload_id
    assert stored(path) == b"winner"
    loser.publish(overwrite=True)
    loser.close()
    assert stored(path) == data


def test_exclusive_writers_that_both_saw_nothing(s3, root):
    path = f"{root}/f"
    first, second = (s3.new_writable_file(path, exclusive=True) for _ in range(2))
    first.append(b"1")
    first.close()
    second.append(b"2")
    with pytest.raises(AlreadyExistsError):
        second.close()
    second.discard()


def test_appending_goes_on_where_another_client_stopped(s3, root, stored, boto3_client):
    for name, size in (("small", 1000), ("large", 7 * MIB)):
        path = f"{root}/{name}"
        bucket, _, key = path.removeprefix("s3://").partition("/")
        old = random.Random(size).randbytes(size)
        boto3_client.put_object(Bucket=bucket, Key=key, Body=old, Metadata={"made-by": "somebody"})
        with s3.new_appendable_file(path) as writer:
            assert writer.tell() == size
            writer.append(b"new")
            writer.flush()
            assert stored(path) == old + b"new"
            writer.append(b"er")
        assert stored(path) == old + b"newer"
        assert boto3_client.head_object(Bucket=bucket, Key=key)["Metadata"]["made-by"] == "somebody"


@pytest.mark.parametrize("wait", [False, True], ids=["at once", "when it has landed"])
@pytest.mark.parametrize("size", [1000, 6 * MIB], ids=["PutObject", "CompleteMultipartUpload"])
def test_a_commit_that_lands_after_it_was_given_up(root, fault_proxy, stored, size, wait):
    """The client stops waiting, looks, and finds nothing; the request is still on its way."""
    path = f"{root}/f"
    first, second, third = (random.Random(n).randbytes(length) for n, length in ((1, size), (2, 3000), (3, 6 * MIB)))
    with S3FileSystem(endpoint_url=fault_proxy.endpoint, read_timeout=1, max_attempts=1, **OPTIONS) as impatient:
        writer = impatient.new_writable_file(path)
        writer.append(first)
        late = r"PUT /[^?]*/f$" if size < 5 * MIB else r"POST .*/f\?.*uploadId"
        fault = fault_proxy.fail(late, "delay", seconds=2.5)
        with pytest.raises(DeadlineExceededError):
            writer.flush()
        assert fault.hits == 1
        writer.append(second)
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


def test_discarding_leaves_no_upload_behind(s3, root, boto3_client):
    path = f"{root}/f"
    bucket, _, key = path.removeprefix("s3://").partition("/")
    writer = s3.new_writable_file(path, atomic=True)
    writer.append(bytes(12 * MIB))
    writer.flush()
    assert not s3.file_exists(path)
    writer.discard()
    assert not s3.file_exists(path)
    uploads = boto3_client.list_multipart_uploads(Bucket=bucket, Prefix=key).get("Uploads", [])
    assert [upload for upload in uploads if upload["Key"] == key] == []


def test_a_store_that_stays_down_is_told_by_close_and_nothing_hangs(s3, root, fault_proxy, stored):
    path = f"{root}/f"
    writer = s3.new_writable_file(path)
    writer.append(b"kept")
    fault_proxy.fail(".*", "status", count=10**6)
    with pytest.raises(UnavailableError):
        writer.close()
    fault_proxy.heal()
    writer.close()
    assert stored(path) == b"kept"


WRITE_UNTIL_KILLED = """
import sys
from recordfs.filesystems.s3 import S3FileSystem
endpoint, path, key, secret = sys.argv[1:]
keys = {"aws_access_key_id": key, "aws_secret_access_key": secret}
store = S3FileSystem(endpoint_url=endpoint, region_name="us-east-1", **keys)
with store.new_writable_file(path) as writer:
    for number in range(10_000):
        for _ in range(4):
            writer.append(bytes([number % 251]) * 300_000)
        writer.flush()
        print(writer.tell(), flush=True)
"""


def test_a_killed_writer_loses_nothing_that_was_acknowledged(s3_server, s3, root, stored):
    source = random.Random(3)
    for number in range(30):
        path = f"{root}/killed-{number}"
        child = subprocess.Popen(
            [sys.executable, "-c", WRITE_UNTIL_KILLED, s3_server.endpoint, path, ACCESS_KEY, SECRET_KEY],
            stdout=subprocess.PIPE,
            text=True,
        )
        first = child.stdout.readline()
        time.sleep(source.random() * 0.5)
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().split()
        child.wait()
        child.stdout.close()
        acknowledged = int((rest or [first])[-1])
        found = stored(path)
        assert len(found) >= acknowledged
        assert len(found) % 1_200_000 == 0, "whole flushes only"
        step = 1_200_000
        for index in range(len(found) // step):
            assert found[index * step : (index + 1) * step] == bytes([index % 251]) * step


def test_exit_without_close_publishes(s3_server, root, stored):
    path = f"{root}/f"
    program = (
        WRITE_UNTIL_KILLED.partition("with store")[0]
        + "writer = store.new_writable_file(path)\nwriter.append(b'late')\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", program, s3_server.endpoint, path, ACCESS_KEY, SECRET_KEY],
        capture_output=True,
        text=True,
        check=True,
    )
    assert stored(path) == b"late"
    assert "ResourceWarning" in done.stderr
    assert "unclosed writer" in done.stderr


def test_records_on_s3(s3, root):
    path = f"{root}/deep/records.tfrecord"
    records = [random.Random(n).randbytes(n * 37 % 4000) for n in range(3000)]
    with recordfs.RecordWriter(path, file_system=s3) as writer:
        writer.write_batch(records)
        writer.flush()
        assert sum(1 for _ in recordfs.RecordReader(path, file_system=s3)) == len(records)
        writer.write(b"last")
    assert list(recordfs.RecordReader(path, file_system=s3)) == [*records, b"last"]
    with recordfs.RecordWriter(path, append=True, file_system=s3) as writer:
        writer.write(b"appended")
    assert list(recordfs.RecordReader(f"{root}/deep/*.tfrecord", file_system=s3))[-1] == b"appended"


def test_no_secret_is_shown(s3_server):
    store = S3FileSystem(endpoint_url=s3_server.endpoint, **OPTIONS)
    shown = f"{store!r} {store.describe()} {store._clients.settings!r}"
    assert SECRET_KEY not in shown
