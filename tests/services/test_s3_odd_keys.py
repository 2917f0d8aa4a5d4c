"""Keys that are odd as paths are taken verbatim, everywhere. moto is the one server here that keeps all of them."""

import pytest

from recordfs.errors import NotFoundError
from recordfs.filesystems.s3 import S3FileSystem
from support.servers import ACCESS_KEY, SECRET_KEY, MotoServer

pytestmark = pytest.mark.service

ODD = [
    "a//b",
    "a///b",
    "a/./b",
    "a/../b",
    "./a",
    "../a",
    "/leading",
    "//leading",
    "back\\slash",
    "a/back\\slash/b",
    "tab\tin it",
    "?query#fragment",
    "%41",
    "a+b c",
    "s3://in/it",
    "é/ü",
    "*.tfrecord",
    "[a]?",
]
"""Below the bucket's root, so that the leading slashes lead."""


@pytest.fixture
def s3_server(servers):
    return servers({"moto": MotoServer}, "moto")


@pytest.fixture
def odd(s3_server, boto3_client):
    """An empty bucket, and a filesystem to which the server's ignoring conditions is no news."""
    boto3_client.create_bucket(Bucket="odd")
    with S3FileSystem(
        endpoint_url=s3_server.endpoint,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name="us-east-1",
        allow_bucket_root=True,
        conditional_writes=False,
    ) as file_system:
        yield file_system
        if any(True for _ in file_system.list_directory("s3://odd")):
            file_system.delete_recursively("s3://odd")
    boto3_client.delete_bucket(Bucket="odd")


def keys(boto3_client):
    return [item["Key"] for item in boto3_client.list_objects_v2(Bucket="odd").get("Contents", [])]


@pytest.mark.parametrize("key", ODD)
def test_a_key_is_taken_verbatim(odd, boto3_client, key):
    path = f"s3://odd/{key}"
    with odd.new_writable_file(path) as writer:
        writer.append(b"one")
        writer.flush()
        writer.append(b"two")
    assert keys(boto3_client) == [key]
    with odd.new_appendable_file(path) as writer:
        writer.append(b"three")
    assert odd.stat(path).length == 11
    with odd.new_random_access_file(path) as file:
        assert file.read(3, 100) == b"twothree"
        assert file.read_ranges([(0, 3), (6, 5)]) == [b"one", b"three"]
    odd.rename_file(path, "s3://odd/plain")
    assert keys(boto3_client) == ["plain"]
    odd.rename_file("s3://odd/plain", path)
    assert keys(boto3_client) == [key]
    odd.copy_file(path, "s3://odd/plain")
    assert sorted(keys(boto3_client)) == sorted([key, "plain"])
    odd.delete_file(path)
    assert keys(boto3_client) == ["plain"]
    with pytest.raises(NotFoundError):
        odd.stat(path)


def test_odd_keys_together_do_not_meet(odd, boto3_client):
    for number, key in enumerate(ODD):
        with odd.new_writable_file(f"s3://odd/{key}") as writer:
            writer.append(b"%d" % number)
    assert sorted(keys(boto3_client)) == sorted(ODD)
    for number, key in enumerate(ODD):
        with odd.new_random_access_file(f"s3://odd/{key}") as file:
            assert file.read(0, 10) == b"%d" % number
    # A child without a name cannot be named by a path; what has one is listed as it is.
    assert sorted(odd.get_children("s3://odd/a/")) == sorted([".", "..", "back\\slash"])
    assert odd.get_children("s3://odd/a//") == ["b"]
    assert "back\\slash" in odd.get_children("s3://odd")
    odd.delete_recursively("s3://odd/a")
    assert sorted(keys(boto3_client)) == sorted(key for key in ODD if not key.startswith("a/"))
