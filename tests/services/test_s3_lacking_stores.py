"""Stores that lack a feature: the data are right all the same, what is lost is said once, and it costs what is said."""

import random
import warnings

import pytest

from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    FailedPreconditionError,
    PermissionDeniedError,
    RecordFSError,
    UnavailableError,
    UnimplementedError,
    UnknownError,
)
from recordfs.filesystems.s3 import S3FileSystem
from support.lacking_store import LackingStore
from support.servers import ACCESS_KEY, SECRET_KEY, VersityGateway

pytestmark = pytest.mark.service

MIB = 1 << 20
OPTIONS = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "region_name": "us-east-1"}


@pytest.fixture
def s3_server(servers):
    """The server that is strict about conditions and checksums: what it is asked, it does."""
    return servers({"versitygw": VersityGateway}, "versitygw")


@pytest.fixture
def lacking(s3_server):
    """Start a store that lacks something, and return it with a filesystem on it."""
    started = []

    def start(*lacks, **options):
        store = LackingStore(s3_server.port, ACCESS_KEY, SECRET_KEY, *lacks)
        file_system = S3FileSystem(endpoint_url=store.endpoint, **{**OPTIONS, **options})
        started.append((store, file_system))
        return store, file_system

    yield start
    for store, file_system in started:
        file_system.close()
        with store:
            pass


@pytest.fixture
def stored(boto3_client):
    """Read an object through another client, straight from the server."""

    def get(path):
        bucket, _, key = path.removeprefix("s3://").partition("/")
        return boto3_client.get_object(Bucket=bucket, Key=key)["Body"].read()

    return get


def write_and_check(file_system, path, stored, *, sizes=(3, 3, 3, 3, 14, 1)):
    """Write with a flush after each piece, half MiB by half; return what warnings there were."""
    source = random.Random(path)
    taken = bytearray()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with file_system.new_writable_file(path) as writer:
            for size in sizes:
                for _ in range(2 * size):
                    piece = source.randbytes(MIB // 2)
                    writer.append(piece)
                    taken += piece
                writer.flush()
                assert stored(path) == taken
            writer.append(b"end")
    assert stored(path) == taken + b"end"
    return [str(warning.message) for warning in caught]


SILENT = [
    ("checksums refused",),
    ("checksums ignored",),
    ("whole checksums refused",),
    ("object size refused",),
    ("checksums refused", "object size refused"),
    ("multipart metadata ignored",),
    ("unequal parts refused",),
]
"""What is made up for without a loss that a user has to know of."""


@pytest.mark.parametrize("lacks", SILENT, ids=", ".join)
def test_what_can_be_made_up_for_is(lacking, root, stored, lacks):
    equal = {"equal_parts": True} if "unequal parts refused" in lacks else {}
    store, file_system = lacking(*lacks, **equal)
    assert write_and_check(file_system, f"{root}/f", stored) == []
    assert write_and_check(file_system, f"{root}/long", stored, sizes=(22,)) == []
    # Learned once: the second file is not refused anything that the first one was.
    store.reset()
    assert write_and_check(file_system, f"{root}/g", stored, sizes=(1, 6)) == []
    writes = {"PutObject": 1, "CreateMultipartUpload": 2, "CompleteMultipartUpload": 2}
    if not equal:
        assert {name: store.operations[name] for name in writes} == writes


def test_nothing_is_lacking_and_little_is_asked(lacking, root, stored):
    store, file_system = lacking()
    assert write_and_check(file_system, f"{root}/f", stored, sizes=(1, 6)) == []
    # One probe of each kind of commit, and nothing left of them.
    assert store.operations["PutObject"] == 2
    assert store.operations["CompleteMultipartUpload"] == 3
    assert file_system.get_children(root) == ["f"]
    store.reset()
    write_and_check(file_system, f"{root}/g", stored, sizes=(1,))
    assert store.operations["PutObject"] == 2
    assert file_system.capabilities(root).exclusive_create


@pytest.mark.parametrize("how", ["ignored", "refused"])
def test_without_conditions_a_look_finds_the_other_writer(lacking, root, stored, how, boto3_client):
    _, file_system = lacking(f"conditions {how}")
    said = write_and_check(file_system, f"{root}/f", stored)
    assert len([text for text in said if "conditions on PutObject" in text]) == 1
    assert len(said) == 1
    path = f"{root}/g"
    first, second = file_system.new_writable_file(path), file_system.new_writable_file(path)
    for writer, data in ((first, b"first"), (second, b"second")):
        writer.append(data)
    first.flush()
    with pytest.raises(AbortedError, match="another writer"):
        second.flush()
    second.discard()
    first.close()
    assert stored(path) == b"first"
    bucket, _, prefix = root.removeprefix("s3://").partition("/")
    listed = boto3_client.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    assert sorted(item["Key"] for item in listed) == [f"{prefix}/f", f"{prefix}/g"], "the probes are gone"
    # One winner cannot be promised, so it is refused before anything is written.
    assert not file_system.capabilities(path).exclusive_create
    with pytest.raises(UnimplementedError, match="exclusive"):
        file_system.new_writable_file(f"{root}/h", exclusive=True)


def test_exclusive_creation_asks_before_it_promises(lacking, root):
    _, file_system = lacking("conditions ignored")
    with pytest.warns(UserWarning, match="conditions"), pytest.raises(UnimplementedError, match="exclusive"):
        file_system.new_writable_file(f"{root}/h", exclusive=True)
    assert not file_system.file_exists(f"{root}/h")


def test_equal_parts_behind_an_outage(lacking, root, stored):
    """What gathers while the store is down is longer than the object that it goes after, and is cut anew."""
    store, file_system = lacking("unequal parts refused", equal_parts=True, max_attempts=1)
    path = f"{root}/f"
    data = random.Random(1).randbytes(31 * MIB)
    writer = file_system.new_writable_file(path)
    writer.append(data[: 5 * MIB + 10])
    writer.flush()
    store.lacks.add("everything")
    writer.append(data[5 * MIB + 10 : 22 * MIB])
    with pytest.raises(UnavailableError):
        writer.flush()
    assert writer.tell() == 22 * MIB
    store.lacks.remove("everything")
    writer.flush()
    assert stored(path) == data[: 22 * MIB]
    for start in range(22 * MIB, 31 * MIB, 100_000):
        writer.append(data[start : min(start + 100_000, 31 * MIB)])
    writer.close()
    assert stored(path) == data


def test_what_an_option_says_is_not_asked(lacking, root, stored):
    store, file_system = lacking("conditions ignored", conditional_writes=False)
    assert write_and_check(file_system, f"{root}/f", stored, sizes=(1, 1)) == []
    assert store.operations["PutObject"] == 3, "no probe, and no warning"
    assert store.operations["HeadObject"] >= 3, "a look before each commit"
    store, file_system = lacking(conditional_writes=True)
    assert write_and_check(file_system, f"{root}/g", stored, sizes=(1, 1)) == []
    assert store.operations["PutObject"] == 3


@pytest.mark.parametrize("how", ["ignored", "refused"])
def test_without_part_copies_the_object_goes_through_here(lacking, root, stored, how):
    store, file_system = lacking(f"part copies {how}")
    said = write_and_check(file_system, f"{root}/f", stored, sizes=(6, 6, 12, 1))
    assert len(said) == 1
    assert "downloads and uploads the whole object again" in said[0]
    assert store.operations["UploadPartCopy"] == 1
    # 6, 6 + 6, 12 + 12, 24 + 1, 25 + the end: every flush sends the whole object.
    assert 92 * MIB <= store.sent <= 96 * MIB


def test_without_bulk_deletes_each_object_is_deleted(lacking, root):
    store, file_system = lacking("bulk deletes refused")
    for number in range(30):
        with file_system.new_writable_file(f"{root}/d/{number}") as writer:
            writer.append(b"x")
    file_system.delete_recursively(f"{root}/d")
    assert not file_system.file_exists(f"{root}/d")
    assert store.operations["DeleteObjects"] == 1
    assert store.operations["DeleteObject"] == 30


def test_each_object_that_cannot_be_deleted_is_told_without_bulk_deletes(lacking, root):
    store, file_system = lacking("bulk deletes refused")
    for number in range(120):
        with file_system.new_writable_file(f"{root}/d/{number}") as writer:
            writer.append(b"x")
    store.lacks.add("deleting denied")
    with pytest.raises(FailedPreconditionError, match="120 file") as caught:
        file_system.delete_recursively(f"{root}/d")
    assert len(caught.value.failures) == 100


def test_a_page_in_answer_to_a_deletion_is_no_deletion(lacking, root, stored):
    store, file_system = lacking()
    for name in ("d/a", "d/b"):
        with file_system.new_writable_file(f"{root}/{name}") as writer:
            writer.append(b"x")
    file_system.create_dir(f"{root}/empty")
    store.lacks.add("deleting answered by a page")
    with pytest.raises(UnknownError, match="still there"):
        file_system.delete_file(f"{root}/d/a")
    with pytest.raises(UnknownError, match="still there"):
        file_system.delete_dir(f"{root}/empty")
    with pytest.raises(UnknownError, match="still there"):
        file_system.rename_file(f"{root}/d/a", f"{root}/copy")
    with pytest.raises(FailedPreconditionError, match="2 file") as caught:
        file_system.delete_recursively(f"{root}/d")
    assert {path for path, _ in caught.value.failures} == {f"{root}/d/a", f"{root}/d/b"}
    with pytest.raises(FailedPreconditionError, match="2 object"):
        file_system.rename_file(f"{root}/d", f"{root}/moved")
    assert stored(f"{root}/d/a") == b"x"
    store.lacks.clear()
    file_system.delete_recursively(f"{root}/d")
    assert not file_system.file_exists(f"{root}/d")


@pytest.mark.parametrize("how", ["ignored", "refused"])
def test_without_the_second_listing_nothing_is_missing(lacking, root, how, monkeypatch):
    store, file_system = lacking(f"listing version 2 {how}")
    for number in range(13):
        with file_system.new_writable_file(f"{root}/d/{number:02d}/f") as writer:
            writer.append(b"x")
    original = type(file_system._store).list_page

    def small_pages(self, bucket, prefix, *, delimiter="", page=None, limit=1000):
        return original(self, bucket, prefix, delimiter=delimiter, page=page, limit=min(limit, 4))

    monkeypatch.setattr(type(file_system._store), "list_page", small_pages)
    assert sorted(file_system.get_children(f"{root}/d")) == [f"{number:02d}" for number in range(13)]
    assert store.operations["ListObjectsV2"] >= 1
    store.reset()
    file_system.delete_recursively(f"{root}/d")
    assert not file_system.file_exists(f"{root}/d")
    assert store.operations["ListObjectsV2"] == 0, "learned once"


def test_a_bucket_that_may_not_be_headed_exists(lacking, bucket):
    _, file_system = lacking("head bucket denied")
    assert file_system.is_directory(f"s3://{bucket}")


def test_an_answer_lost_by_a_store_that_keeps_no_metadata(lacking, root, stored, monkeypatch):
    store, file_system = lacking("multipart metadata ignored")
    path = f"{root}/f"
    writer = file_system.new_writable_file(path)
    writer.append(random.Random(1).randbytes(6 * MIB))
    writer.flush()
    passed_on = store._pass_on

    def lose(request):
        answer = passed_on(request)
        if request.operation == "CompleteMultipartUpload":
            monkeypatch.setattr(store, "_pass_on", passed_on)
            return 403, {}, b"<Error><Code>AccessDenied</Code></Error>"
        return answer

    monkeypatch.setattr(store, "_pass_on", lose)
    writer.append(b"more")
    writer.flush()  # it had happened, as the last bytes show
    assert stored(path).endswith(b"more")
    writer.append(b"end")
    writer.close()
    assert stored(path).endswith(b"moreend")


def test_write_only_credentials_write(lacking, root, stored, boto3_client):
    _, file_system = lacking("reading denied")
    bucket, _, key = f"{root}/f".removeprefix("s3://").partition("/")
    boto3_client.put_object(Bucket=bucket, Key=key, Body=b"old")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with file_system.new_writable_file(f"{root}/f") as writer:
            for number in range(5):
                writer.append(b"%d" % number)
                writer.flush()
        with file_system.new_writable_file(f"{root}/long") as writer:
            writer.append(b"x" * (17 * MIB))
    assert ["could not be looked at" in str(warning.message) for warning in caught] == [True]
    assert stored(f"{root}/f") == b"01234"
    assert stored(f"{root}/long") == b"x" * (17 * MIB)
    # What an earlier atomic write left behind could only be found by listing.
    with (
        pytest.warns(UserWarning, match="lifecycle rule"),
        file_system.new_writable_file(f"{root}/atomic", atomic=True) as writer,
    ):
        writer.append(b"y" * (6 * MIB))
    assert stored(f"{root}/atomic") == b"y" * (6 * MIB)


def test_write_only_credentials_make_one_winner(lacking, root, stored):
    _, file_system = lacking("reading denied")
    with pytest.warns(UserWarning, match="could not be looked at"):
        first, second = (file_system.new_writable_file(f"{root}/f", exclusive=True) for _ in range(2))
    first.append(b"1")
    first.close()
    second.append(b"2")
    with pytest.raises(AlreadyExistsError):
        second.close()
    second.discard()
    assert stored(f"{root}/f") == b"1"


def test_what_write_only_credentials_cannot_flush_is_kept_for_close(lacking, root, stored):
    _, file_system = lacking("reading denied")
    with pytest.warns(UserWarning, match="could not be looked at"):
        writer = file_system.new_writable_file(f"{root}/f")
    writer.append(b"a" * (4 * MIB))
    writer.flush()
    writer.append(b"b" * (9 * MIB))
    for _ in range(2):
        with pytest.raises(PermissionDeniedError, match="s3:GetObject"):
            writer.flush()
    assert stored(f"{root}/f") == b"a" * (4 * MIB)
    writer.append(b"c")
    writer.close()
    assert stored(f"{root}/f") == b"a" * (4 * MIB) + b"b" * (9 * MIB) + b"c"


@pytest.mark.parametrize("name", ["f", "a//f"], ids=["by obstore", "by the SDK"])
def test_a_server_that_ignores_ranges_is_found_out(lacking, root, boto3_client, name):
    _, file_system = lacking("ranges ignored")
    bucket, _, key = f"{root}/{name}".removeprefix("s3://").partition("/")
    boto3_client.put_object(Bucket=bucket, Key=key, Body=bytes(range(200)))
    with file_system.new_random_access_file(f"{root}/{name}") as file:
        with pytest.raises(RecordFSError):
            file.read(100, 50)
        with pytest.raises(RecordFSError):
            file.read_ranges([(0, 10), (150, 10)], max_gap=0)


def test_a_listing_that_never_ends_is_an_error(lacking, root, boto3_client):
    _, file_system = lacking("continuation ignored")
    bucket, _, prefix = root.removeprefix("s3://").partition("/")
    for number in range(1001):
        boto3_client.put_object(Bucket=bucket, Key=f"{prefix}/{number:04}", Body=b"")
    with pytest.raises(UnknownError, match="does not end"):
        file_system.get_children(root)


def test_a_rename_deletes_nothing_on_a_store_that_copies_nothing(lacking, root, stored):
    _, file_system = lacking("copies ignored")
    with file_system.new_writable_file(f"{root}/f") as writer:
        writer.append(b"only here")
    with pytest.raises(UnimplementedError, match="copies nothing"):
        file_system.rename_file(f"{root}/f", f"{root}/g")
    assert stored(f"{root}/f") == b"only here"
    with pytest.raises(FailedPreconditionError):
        file_system.rename_file(root, f"{root}-moved")
    assert stored(f"{root}/f") == b"only here"
