"""An atomic write of more parts than one upload takes: staged, copied at the end, all or nothing."""

import datetime as dt
import random
import time

import pytest

from recordfs.errors import AbortedError, RecordFSError, ResourceExhaustedError
from recordfs.filesystems._object_store import orphans
from recordfs.filesystems.s3.multipart_upload import MultipartUpload

pytestmark = pytest.mark.service

MIB = 1 << 20


@pytest.fixture(autouse=True)
def few_parts(monkeypatch):
    """An upload is full with three parts instead of 9,000, so that 60 MiB are many times too much."""
    monkeypatch.setattr(MultipartUpload, "limits", MultipartUpload.limits._replace(filled=3))


@pytest.fixture
def listed(boto3_client, root):
    """Every key and every unfinished upload below the test's directory, through another client."""
    bucket, _, prefix = root.removeprefix("s3://").partition("/")

    def look():
        found = boto3_client.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", [])
        uploads = boto3_client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        return (
            sorted(item["Key"].removeprefix(f"{prefix}/") for item in found),
            [upload["Key"] for upload in uploads if upload["Key"].startswith(f"{prefix}/")],
        )

    return look


def fill(file, data):
    for start in range(0, len(data), MIB // 2):
        file.append(data[start : start + MIB // 2])


def test_nothing_is_seen_before_close_and_everything_after(s3, root, listed, boto3_client):
    data = random.Random(1).randbytes(52 * MIB + 123)
    with s3.new_writable_file(f"{root}/f", atomic=True) as file:
        fill(file, data)
        file.flush()
        assert not s3.file_exists(f"{root}/f")
        assert s3.get_children(root) == [] if s3.is_directory(root) else True
    bucket, _, key = f"{root}/f".removeprefix("s3://").partition("/")
    assert boto3_client.get_object(Bucket=bucket, Key=key)["Body"].read() == data
    assert listed() == (["f"], []), "nothing that was staged is left"


def test_discarding_leaves_nothing(s3, root, listed):
    file = s3.new_writable_file(f"{root}/f", atomic=True)
    fill(file, bytes(40 * MIB))
    file.discard()
    assert listed() == ([], [])


@pytest.mark.parametrize("mode", ["status", "lose_response"])
@pytest.mark.parametrize(
    "request_name",
    [r"POST .*recordfs-tmp.*uploads", r"POST .*recordfs-tmp.*uploadId", r"PUT .*partNumber", r"POST .*/f\?uploadId"],
)
def test_what_fails_is_done_again(s3, root, listed, fault_proxy, boto3_client, request_name, mode):
    data = random.Random(2).randbytes(33 * MIB)
    file = s3.new_writable_file(f"{root}/f", atomic=True)
    fault = fault_proxy.fail(request_name, mode, skip=2 if "partNumber" in request_name else 0, count=5)
    for start in range(0, len(data), MIB // 4):
        for _ in range(4):
            try:
                file.append(data[start : start + MIB // 4])
                break
            except RecordFSError:
                continue
        else:
            pytest.fail("append never healed")
    for _ in range(4):
        try:
            file.close()
            break
        except RecordFSError:
            continue
    else:
        pytest.fail("close never healed")
    assert fault.hits >= 4, "as often as the SDK sends a request"
    bucket, _, key = f"{root}/f".removeprefix("s3://").partition("/")
    assert boto3_client.get_object(Bucket=bucket, Key=key)["Body"].read() == data


def test_what_a_dead_writer_staged_is_removed_a_day_later(s3, root, listed, monkeypatch):
    dead = s3.new_writable_file(f"{root}/f", atomic=True)
    fill(dead, bytes(40 * MIB))
    _, uploads = listed()
    assert len(uploads) == 2
    with s3.new_writable_file(f"{root}/f", atomic=True) as file:
        fill(file, bytes(6 * MIB))
    assert listed()[1] == uploads, "younger than a day: it may be a writer that lives"
    monkeypatch.setattr(orphans, "ORPHAN_AGE", dt.timedelta(days=-1))
    with s3.new_writable_file(f"{root}/f", atomic=True) as file:
        fill(file, bytes(6 * MIB))
    assert listed() == (["f"], [])
    dead.discard()


def test_an_upload_that_still_grows_is_nobodys_leftover_however_old_it_is(s3, root, boto3_client, monkeypatch):
    path = f"{root}/f"
    living = s3.new_writable_file(path)
    living.append(b"1" * (6 * MIB))
    bucket, _, key = path.removeprefix("s3://").partition("/")
    (upload,) = boto3_client.list_multipart_uploads(Bucket=bucket, Prefix=key)["Uploads"]
    while dt.datetime.now(dt.UTC) < upload["Initiated"] + dt.timedelta(seconds=4):
        time.sleep(0.1)
    living.append(b"2" * (20 * MIB))
    living._upload.settle(0)
    # By now the upload is older than what counts as old here, and some of its parts are not.
    monkeypatch.setattr(orphans, "ORPHAN_AGE", dt.timedelta(seconds=3))
    with s3.new_writable_file(path) as other:
        other.append(b"3" * (6 * MIB))
    with pytest.raises(AbortedError):
        living.flush()
    living.publish(overwrite=True)
    living.close()
    assert boto3_client.get_object(Bucket=bucket, Key=key)["Body"].read() == b"1" * (6 * MIB) + b"2" * (20 * MIB)


def test_the_end_is_said_before_anything_is_lost(s3, root, monkeypatch, listed):
    monkeypatch.setattr(MultipartUpload, "limits", MultipartUpload.limits._replace(most=4))
    file = s3.new_writable_file(f"{root}/f", atomic=True)
    with pytest.raises(ResourceExhaustedError, match="part_size"):
        fill(file, bytes(40 * MIB))
    size = file.tell()
    file.close()
    assert s3.get_file_size(f"{root}/f") == size
