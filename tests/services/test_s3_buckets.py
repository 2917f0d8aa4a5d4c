"""What a bucket's own settings change: rights that only allow writing, and versions that are kept."""

import json
import subprocess
import warnings

import pytest

from recordfs.errors import AlreadyExistsError, PermissionDeniedError
from recordfs.filesystems.s3 import S3FileSystem
from support.servers import ACCESS_KEY, SECRET_KEY, VersityGateway

pytestmark = pytest.mark.service

MIB = 1 << 20


@pytest.fixture
def s3_server(servers):
    """The server that knows users, policies and versions."""
    return servers({"versitygw": VersityGateway}, "versitygw")


@pytest.fixture
def write_only(s3_server, boto3_client):
    """A bucket, and a filesystem whose credentials may put objects into it and nothing else."""
    keys = {"access": "writer", "secret": "writer-secret"}
    admin = ["admin", "--access", ACCESS_KEY, "--secret", SECRET_KEY, "--endpoint-url", s3_server.endpoint]
    create = ["create-user", "--role", "user", "--access", keys["access"], "--secret", keys["secret"]]
    subprocess.run([s3_server.executable, *admin, *create], capture_output=True, check=False)  # may be there already
    boto3_client.create_bucket(Bucket="write-only")
    may = {
        "Effect": "Allow",
        "Principal": {"AWS": [keys["access"]]},
        "Action": ["s3:PutObject", "s3:AbortMultipartUpload"],
        "Resource": ["arn:aws:s3:::write-only/*"],
    }
    policy = {"Version": "2012-10-17", "Statement": [may]}
    boto3_client.put_bucket_policy(Bucket="write-only", Policy=json.dumps(policy))
    yield S3FileSystem(
        endpoint_url=s3_server.endpoint,
        aws_access_key_id=keys["access"],
        aws_secret_access_key=keys["secret"],
        region_name="us-east-1",
    )
    for item in boto3_client.list_objects_v2(Bucket="write-only").get("Contents", []):
        boto3_client.delete_object(Bucket="write-only", Key=item["Key"])
    boto3_client.delete_bucket(Bucket="write-only")


def test_credentials_that_may_only_write(write_only, boto3_client):
    def stored(key):
        return boto3_client.get_object(Bucket="write-only", Key=key)["Body"].read()

    boto3_client.put_object(Bucket="write-only", Key="f", Body=b"old")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with write_only.new_writable_file("s3://write-only/f") as writer:
            for number in range(5):
                writer.append(b"%d" % number)
                writer.flush()
        with write_only.new_writable_file("s3://write-only/long") as writer:
            writer.append(b"x" * (17 * MIB))
        writer = write_only.new_writable_file("s3://write-only/f", exclusive=True)
    said = [str(warning.message) for warning in caught]
    assert len([text for text in said if "could not be looked at" in text]) == 1
    assert len([text for text in said if "lifecycle rule" in text]) == 1
    assert len(said) == 2
    assert stored("f") == b"01234"
    assert stored("long") == b"x" * (17 * MIB)
    writer.append(b"mine")
    with pytest.raises(AlreadyExistsError):
        writer.close()
    writer.discard()
    with pytest.raises(PermissionDeniedError):
        write_only.new_appendable_file("s3://write-only/f")


def test_a_bucket_that_keeps_versions_is_mentioned_once(s3_server, s3, boto3_client):
    boto3_client.create_bucket(Bucket="versions")
    boto3_client.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    with s3.new_writable_file("s3://versions/once") as writer:
        writer.append(b"one commit leaves nothing behind, and is not worth a request")
    assert "GetBucketVersioning" not in s3.statistics()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for name in ("f", "g"):
            with s3.new_writable_file(f"s3://versions/{name}") as writer:
                for _ in range(3):
                    writer.append(b"x")
                    writer.flush()
    assert [
        "s3://versions keeps and bills what is replaced: versioning is on" in str(warning.message) for warning in caught
    ] == [True]
    assert s3.statistics()["GetBucketVersioning"].requests == 1
    versions = boto3_client.list_object_versions(Bucket="versions", Prefix="f")["Versions"]
    assert len(versions) == 3
