"""What goes with requests by option: who pays, encryption, no signature; seen between both clients and the server."""

import json

import pytest

from recordfs.errors import PermissionDeniedError
from recordfs.filesystems.s3 import S3FileSystem
from support.recording_proxy import RecordingProxy
from support.servers import ACCESS_KEY, SECRET_KEY

pytestmark = pytest.mark.service

MIB = 1 << 20
KEYS = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "region_name": "us-east-1"}


@pytest.fixture
def proxy(home, s3_server):
    with RecordingProxy(s3_server.port) as proxy:
        yield proxy


def do_everything(file_system, root):
    """Send every kind of request that has to do with objects."""
    small, large = f"{root}/d/small", f"{root}/d/large"
    with file_system.new_writable_file(small) as file:
        file.append(b"small")
    with file_system.new_writable_file(large) as file:
        file.append(bytes(11 * MIB))
        file.flush()
        file.append(b"more")
    with file_system.new_random_access_file(small) as file:
        assert file.read(1, 3) == b"mal"
    file_system.copy_file(small, f"{root}/d/copy")
    file_system.create_dir(f"{root}/d/empty")
    file_system.rename_file(f"{root}/d", f"{root}/e")
    file_system.delete_file(f"{root}/e/copy")
    file_system.delete_recursively(f"{root}/e")


def test_the_requester_pays_for_every_request(proxy, root):
    with S3FileSystem(endpoint_url=proxy.endpoint, requester_pays=True, **KEYS) as file_system:
        do_everything(file_system, root)
        asked = file_system.statistics()
    unpaid = [
        request
        for request in proxy.requests
        if request.headers.get("x-amz-request-payer") != "requester"
        and not request.target.endswith("?versioning")  # the owner pays for questions about the bucket itself
    ]
    assert not [(request.method, request.target) for request in unpaid]
    assert {
        "PutObject",
        "CreateMultipartUpload",
        "UploadPart",
        "UploadPartCopy",
        "CompleteMultipartUpload",
        "CopyObject",
        "DeleteObject",
        "DeleteObjects",
        "HeadObject",
        "ListObjectsV2",
        "GetRange",
    } <= set(asked)


def test_new_objects_are_encrypted_as_asked(proxy, root):
    """Both test servers lack a key management service, so only the header's way to them is seen for that."""
    with S3FileSystem(endpoint_url=proxy.endpoint, server_side_encryption="AES256", **KEYS) as file_system:
        do_everything(file_system, root)
    for request in proxy.requests:
        query = request.target.partition("?")[2]
        makes_an_object = (request.method == "PUT" and "partNumber" not in query) or (
            request.method == "POST" and query == "uploads"
        )
        header = request.headers.get("x-amz-server-side-encryption")
        assert header == ("AES256" if makes_an_object else None), (request.method, request.target)


def test_a_public_bucket_is_read_without_keys(home, s3_server, root, boto3_client, monkeypatch):
    bucket, _, prefix = root.removeprefix("s3://").partition("/")
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    boto3_client.put_object(Bucket=bucket, Key=f"{prefix}/f", Body=b"0123456789")
    boto3_client.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    try:
        # Keys in the environment are not used, though wrong ones would be refused.
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "wrong")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        with (
            RecordingProxy(s3_server.port) as proxy,
            S3FileSystem(endpoint_url=proxy.endpoint, anonymous=True) as file_system,
        ):
            with file_system.new_random_access_file(f"{root}/f") as file:
                assert file.read(2, 5) == b"23456"
            assert file_system.statistics()["GetRange"].requests == 1
            assert file_system.get_children(root) == ["f"]
            writer = file_system.new_writable_file(f"{root}/g")
            writer.append(b"x")
            with pytest.raises(PermissionDeniedError):
                writer.close()
            writer.discard()
            assert file_system.describe()["credentials"] == "anonymous (unsigned requests)"
            assert not [request for request in proxy.requests if "authorization" in request.headers]
    finally:
        boto3_client.delete_bucket_policy(Bucket=bucket)
