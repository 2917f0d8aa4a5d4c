"""Large and odd directories on S3: in few requests, whole, and with a report of what could not be done."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from recordfs import operations
from recordfs.errors import DirectoryNotEmptyError, FailedPreconditionError, PermissionDeniedError
from recordfs.filesystems.s3 import S3FileSystem
from support.account_server import BUCKET
from support.recording_proxy import RecordingProxy, Reply

pytestmark = pytest.mark.service


def put_all(client, root, names):
    """Store many small objects through another client."""
    bucket, _, prefix = root.removeprefix("s3://").partition("/")
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: client.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=b"x"), names))


def listings(file_system):
    asked = file_system.statistics().get("ListObjectsV2")
    return asked.requests if asked else 0


def test_a_directory_of_many_pages(s3, root, boto3_client):
    names = [f"part-{number:05d}" for number in range(2_345)]
    put_all(boto3_client, root, names)
    assert sorted(s3.get_children(root)) == names
    assert listings(s3) == 3
    assert s3.get_matching_paths(f"{root}/part-*7") == [f"{root}/{name}" for name in names if name.endswith("7")]
    s3.delete_recursively(root)
    assert s3.statistics()["DeleteObjects"].requests == 3
    assert not boto3_client.list_objects_v2(Bucket=root.split("/")[2], Prefix=root.split("/")[3]).get("Contents")


@pytest.mark.slow
def test_more_than_ten_thousand_keys(s3, root, boto3_client):
    names = [f"{number % 7}/{number:05d}" for number in range(10_500)]
    put_all(boto3_client, root, names)
    assert sorted(operations.glob(f"{root}/**/[0-9][0-9][0-9][0-9][0-9]", recursive=True, file_system=s3)) == sorted(
        f"{root}/{name}" for name in names
    )
    assert listings(s3) == 11
    s3.delete_recursively(root)
    assert not s3.file_exists(root)


def test_a_deep_tree_is_walked_in_a_few_requests(s3, root, boto3_client):
    names = [f"{number % 10}/{number % 100}/{number}/f" for number in range(300)]
    put_all(boto3_client, root, names)
    found = sorted(
        f"{directory}/{name}" for directory, _, files in operations.walk(root, file_system=s3) for name in files
    )
    assert found == sorted(f"{root}/{name}" for name in names)
    assert listings(s3) == 1
    assert len(operations.glob(f"{root}/**/f", recursive=True, file_system=s3)) == 300


def test_neighbours_with_the_same_beginning_are_others(s3, root, boto3_client):
    put_all(boto3_client, root, ["foobar", "foo-bar/x", "fo/x"])
    assert not s3.file_exists(f"{root}/foo")
    assert not s3.is_directory(f"{root}/foo")
    s3.recursively_create_dir(f"{root}/foo")
    s3.delete_recursively(f"{root}/foo")
    assert sorted(s3.get_children(root)) == ["fo", "foo-bar", "foobar"]


def test_keys_that_have_to_be_escaped_on_the_way(s3, root):
    names = [
        "a b+c%20d",
        '<tag attribute="\'&amp;">',
        "ünï-ço∂é-日本語-🎉",
        "#fragment?query=1&x;y",
        "new\nline",
        "/".join(["k" * 200] * 4 + ["k" * 150]),
    ]
    for name in names:
        path = f"{root}/{name}"
        with s3.new_writable_file(path) as file:
            file.append(name.encode())
        with s3.new_random_access_file(path) as file:
            assert file.read(0, 2000) == name.encode()
    first = sorted(name.partition("/")[0] for name in names)
    assert sorted(s3.get_children(root)) == first
    s3.rename_file(root, f"{root}-moved")
    assert sorted(s3.get_children(f"{root}-moved")) == first
    with s3.new_random_access_file(f"{root}-moved/{names[-1]}") as file:
        assert file.read(0, 2000) == names[-1].encode()
    s3.delete_recursively(f"{root}-moved")
    assert not s3.file_exists(f"{root}-moved/{names[0]}")


def test_what_may_not_be_deleted_is_reported_and_the_rest_is_gone(home, accounts):
    user, top = "limited", f"s3://{BUCKET}/limited"
    below = f"arn:aws:s3:::{BUCKET}/limited"
    everywhere = [(action, "*") for action in ("s3:ListBucket", "s3:GetObject", "s3:PutObject")]
    accounts.make_user(user, *everywhere, *(("s3:DeleteObject", f"{below}/{name}") for name in ("a", "c", "d/*")))
    put_all(accounts.client("s3"), top, ["a", "b/keep", "c", "keep-2", *(f"d/{number}" for number in range(1500))])
    with as_user(accounts, user) as file_system:
        with pytest.raises(FailedPreconditionError, match="2 file") as caught:
            file_system.delete_recursively(top)
        assert sorted(path for path, _ in caught.value.failures) == [f"{top}/b/keep", f"{top}/keep-2"]
        assert all(isinstance(error, PermissionDeniedError) for _, error in caught.value.failures)
        left = operations.glob(f"{top}/**", recursive=True, file_system=file_system)
        assert left == [f"{top}/b", f"{top}/b/keep", f"{top}/keep-2"]

        with pytest.raises(FailedPreconditionError, match="2 object") as caught:
            file_system.rename_file(top, f"{top}-moved")
        assert sorted(path for path, _ in caught.value.failures) == [f"{top}/b/keep", f"{top}/keep-2"]
        assert file_system.file_exists(f"{top}/keep-2")


def as_user(accounts, user):
    """Return a filesystem with fresh keys of a user, once the server knows them."""
    keys = accounts.make_keys(user)
    file_system = S3FileSystem(
        endpoint_url=accounts.endpoint,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
    )
    for _ in range(100):
        try:
            file_system.get_children(f"s3://{BUCKET}")
        except PermissionError:
            time.sleep(0.1)
        else:
            break
    return file_system


def test_a_rename_that_fails_in_part_loses_nothing_and_can_be_repeated(home, s3_server, root, boto3_client):
    names = [f"{number}/f" for number in range(30)]
    put_all(boto3_client, root, names)
    keys = {"aws_access_key_id": "recordfs-test", "aws_secret_access_key": "recordfs-test-secret"}
    denied = b"<Error><Code>AccessDenied</Code><Message>not this one</Message></Error>"
    with (
        RecordingProxy(s3_server.port) as proxy,
        S3FileSystem(endpoint_url=proxy.endpoint, region_name="us-east-1", **keys) as file_system,
    ):
        proxy.rule = lambda request: (
            Reply(403, {"Content-Type": "application/xml"}, denied)
            if request.method == "PUT" and request.target.endswith(("/7/f", "/23/f"))
            else None
        )
        with pytest.raises(FailedPreconditionError, match="2 object") as caught:
            file_system.rename_file(root, f"{root}-moved")
        assert sorted(path for path, _ in caught.value.failures) == [f"{root}/23/f", f"{root}/7/f"]
        assert sorted(operations.glob(f"{root}/*/f", file_system=file_system)) == [f"{root}/23/f", f"{root}/7/f"]
        assert len(operations.glob(f"{root}-moved/*/f", file_system=file_system)) == 28
        assert file_system.statistics()["DeleteObjects"].requests == 1
        proxy.rule = lambda request: None
        file_system.rename_file(root, f"{root}-moved")
        assert len(operations.glob(f"{root}-moved/*/f", file_system=file_system)) == 30
        assert not file_system.file_exists(root)
        # Nothing is remembered of it now: another directory of that name does not go there.
        put_all(boto3_client, root, names)
        with pytest.raises(DirectoryNotEmptyError):
            file_system.rename_file(root, f"{root}-moved")


def test_a_deleted_tree_is_neither_there_nor_listed_and_can_be_made_again(s3, root):
    for name in ("run", "run/sub", "run/sub/deep"):
        s3.create_dir(f"{root}/{name}")
    for name in ("keep", "run/log", "run/sub/log", "run/implicit/log"):
        with s3.new_writable_file(f"{root}/{name}") as file:
            file.append(b"x")
    s3.delete_recursively(f"{root}/run")
    assert s3.get_children(root) == ["keep"]
    assert not s3.file_exists(f"{root}/run")
    s3.create_dir(f"{root}/run")
    s3.recursively_create_dir(f"{root}/run/sub/deep")
    assert s3.is_directory(f"{root}/run/sub/deep")


def test_a_directory_can_be_made_where_the_store_keeps_an_unlisted_folder(s3, root):
    for make in (s3.create_dir, s3.recursively_create_dir):
        with s3.new_writable_file(f"{root}/run/log") as file:
            file.append(b"x")
        s3.delete_file(f"{root}/run/log")  # whose folder SeaweedFS keeps for a while
        make(f"{root}/run")
        assert s3.is_directory(f"{root}/run")
        s3.delete_dir(f"{root}/run")


def test_fsspec_finds_and_globs_in_a_few_requests(s3_server, root, boto3_client):
    import fsspec

    from recordfs import get_file_system

    put_all(boto3_client, root, [f"{number % 10}/{number}/f" for number in range(60)])
    options = {
        "endpoint_url": s3_server.endpoint,
        "aws_access_key_id": "recordfs-test",
        "aws_secret_access_key": "recordfs-test-secret",
        "region_name": "us-east-1",
    }
    place = root.removeprefix("s3://")
    bridge = fsspec.filesystem("recordfs+s3", **options)
    native = get_file_system("s3://", options=options)
    before = listings(native)
    assert len(bridge.find(place)) == 60
    # One of the tree, and one key of it where the top was looked at: it could be an object as well.
    assert listings(native) == before + 2
    assert len(bridge.glob(f"{place}/**/f")) == 60
    assert sorted(bridge.glob(f"{place}/*")) == sorted(f"{place}/{number}" for number in range(10))
    assert listings(native) < before + 12
    assert bridge.find(f"{place}/7/7/f") == [f"{place}/7/7/f"]
    assert bridge.find(f"{place}/nothing") == []
    assert bridge.du(place) == 60
